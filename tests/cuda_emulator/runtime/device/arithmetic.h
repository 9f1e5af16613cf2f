// Intrinsics on integers, bits and floating point numbers.
//
// The _rn functions are IEEE operations and agree with the GPU bit for bit (the kernel is compiled
// with -ffp-contract=off). expf, logf, __expf and their like are the host's: compare with
// tolerances.
#pragma once

// Integers and bits.
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)(((uint64_t)a * b) >> 32);
}
static inline int __mulhi(int a, int b) { return (int)(((int64_t)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
static inline long long __mul64hi(long long a, long long b) {
  return (long long)(((__int128)a * b) >> 64);
}
static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline int __ffsll(long long v) { return __builtin_ffsll(v); }
static inline unsigned __brev(unsigned v) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; i++) reversed |= ((v >> i) & 1u) << (31 - i);
  return reversed;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? (high << shift) | (low >> (32 - shift)) : high;
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? (low >> shift) | (high << (32 - shift)) : low;
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  uint64_t bytes = a | ((uint64_t)b << 32);
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    unsigned choice = (selector >> (4 * i)) & 0xf;
    uint8_t byte = (uint8_t)(bytes >> (8 * (choice & 7)));
    if (choice & 8) byte = (byte & 0x80) ? 0xff : 0;
    result |= (unsigned)byte << (8 * i);
  }
  return result;
}
static inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; i++)
    c += (int)(signed char)(a >> (8 * i)) * (int)(signed char)(b >> (8 * i));
  return c;
}
static inline unsigned __dp2a_lo(unsigned a, unsigned b, unsigned c) {
  return c + (a & 0xffff) * (b & 0xff) + (a >> 16) * (b >> 8 & 0xff);
}
static inline unsigned __dp2a_hi(unsigned a, unsigned b, unsigned c) {
  return __dp2a_lo(a, b >> 16, c);
}

#define EMULATOR_BITCAST(name, From, To)                    \
  static inline To name(From value) {                       \
    static_assert(sizeof(From) == sizeof(To), "same size"); \
    To result;                                              \
    memcpy(&result, &value, sizeof result);                 \
    return result;                                          \
  }
EMULATOR_BITCAST(__float_as_uint, float, unsigned)
EMULATOR_BITCAST(__uint_as_float, unsigned, float)
EMULATOR_BITCAST(__float_as_int, float, int)
EMULATOR_BITCAST(__int_as_float, int, float)
EMULATOR_BITCAST(__double_as_longlong, double, long long)
EMULATOR_BITCAST(__longlong_as_double, long long, double)

// Loads and stores with a cache hint.
template <class T>
static inline T __ldg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldca(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
static inline void __stcg(T* p, T value) {
  *p = value;
}
template <class T>
static inline void __stcs(T* p, T value) {
  *p = value;
}
template <class T>
static inline void __stwt(T* p, T value) {
  *p = value;
}

// min and max: for floats NaN loses, as in fminf.
#define EMULATOR_MIN_MAX(T)                               \
  static inline T min(T a, T b) { return b < a ? b : a; } \
  static inline T max(T a, T b) { return a < b ? b : a; }
EMULATOR_MIN_MAX(int)
EMULATOR_MIN_MAX(unsigned)
EMULATOR_MIN_MAX(long)
EMULATOR_MIN_MAX(unsigned long)
EMULATOR_MIN_MAX(long long)
EMULATOR_MIN_MAX(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
template <class T, class U, class C = typename std::common_type<T, U>::type>
static inline typename std::enable_if<!std::is_same<T, U>::value, C>::type min(T a, U b) {
  return min((C)a, (C)b);
}
template <class T, class U, class C = typename std::common_type<T, U>::type>
static inline typename std::enable_if<!std::is_same<T, U>::value, C>::type max(T a, U b) {
  return max((C)a, (C)b);
}

// Rounded IEEE operations.
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fmaf_ieee_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __frcp_rn(float a) { return 1.f / a; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __frsqrt_rn(float a) { return (float)(1.0 / sqrt((double)a)); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline double __dsqrt_rn(double a) { return sqrt(a); }

// Conversions. From float to integer the GPU saturates; so do these.
namespace emulator {
template <class To>
static inline To saturate(double value) {
  if (value != value) return sizeof(To) == 4 ? (To)0 : (To)(1ull << 63);
  if (value <= (double)std::numeric_limits<To>::min()) return std::numeric_limits<To>::min();
  if (value >= (double)std::numeric_limits<To>::max()) return std::numeric_limits<To>::max();
  return (To)value;
}
}  // namespace emulator

#define EMULATOR_ROUNDINGS(From, from, To, to)                                                   \
  static inline To __##from##2##to##_rn(From v) { return emulator::saturate<To>(nearbyint(v)); } \
  static inline To __##from##2##to##_rz(From v) { return emulator::saturate<To>(trunc(v)); }     \
  static inline To __##from##2##to##_rd(From v) { return emulator::saturate<To>(floor(v)); }     \
  static inline To __##from##2##to##_ru(From v) { return emulator::saturate<To>(ceil(v)); }
EMULATOR_ROUNDINGS(float, float, int, int)
EMULATOR_ROUNDINGS(float, float, unsigned, uint)
EMULATOR_ROUNDINGS(float, float, long long, ll)
EMULATOR_ROUNDINGS(float, float, unsigned long long, ull)
EMULATOR_ROUNDINGS(double, double, int, int)
EMULATOR_ROUNDINGS(double, double, unsigned, uint)
EMULATOR_ROUNDINGS(double, double, long long, ll)
EMULATOR_ROUNDINGS(double, double, unsigned long long, ull)
static inline float __int2float_rn(int v) { return (float)v; }
static inline float __uint2float_rn(unsigned v) { return (float)v; }
static inline float __ll2float_rn(long long v) { return (float)v; }
static inline float __ull2float_rn(unsigned long long v) { return (float)v; }
static inline double __int2double_rn(int v) { return (double)v; }
static inline double __uint2double_rn(unsigned v) { return (double)v; }
static inline double __ll2double_rn(long long v) { return (double)v; }
static inline double __ull2double_rn(unsigned long long v) { return (double)v; }
static inline float __double2float_rn(double v) { return (float)v; }

// Functions that the host's <math.h> lacks, and the fast forms.
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline float fdividef(float a, float b) { return a / b; }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __saturatef(float x) { return x != x ? 0.f : fminf(fmaxf(x, 0.f), 1.f); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
static inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
static inline double sinpi(double x) { return sin(3.14159265358979323846 * fmod(x, 2.0)); }
static inline double cospi(double x) { return cos(3.14159265358979323846 * fmod(x, 2.0)); }
static inline float sinpif(float x) { return (float)sinpi(x); }
static inline float cospif(float x) { return (float)cospi(x); }
static inline void sincospif(float x, float* s, float* c) {
  *s = sinpif(x);
  *c = cospif(x);
}
static inline void sincospi(double x, double* s, double* c) {
  *s = sinpi(x);
  *c = cospi(x);
}
#define __expf expf
#define __sincosf sincosf
#define __exp10f(x) powf(10.0f, (x))
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
static inline long long clock64() {
  static long long ticks = 0;
  return ++ticks;
}
