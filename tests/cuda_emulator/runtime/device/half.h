// __half and __nv_bfloat16: 16 bits in memory, arithmetic in float, rounded once to nearest even.
//
// The conversions are integer arithmetic (g++ 11 has no _Float16) and agree with NVIDIA's host code
// in all bits, NaN (0x7fff) and subnormals included.
#pragma once

namespace emulator {

// double -> float, rounded to odd, so that a second rounding to 16 bits rounds correctly.
static inline float narrow_to_odd(double value) {
  float nearest = (float)value;
  if ((double)nearest == value || nearest != nearest || fabsf(nearest) > FLT_MAX) return nearest;
  uint32_t bits = __float_as_uint(nearest);
  if (fabs((double)nearest) > fabs(value)) bits--;
  return __uint_as_float(bits | 1);
}

struct Binary16 {
  static uint16_t encode(float value) {
    uint32_t bits = __float_as_uint(value), sign = (bits >> 16) & 0x8000,
             magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return 0x7fff;                      // NaN
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);  // rounds to infinity
    if (magnitude >= 0x38800000) {
      uint32_t rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1);
      return (uint16_t)(sign | (rounded >> 13));
    }
    // Subnormal: adding 0.5 lets the floating point unit round at the right place.
    return (uint16_t)(sign | (__float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000));
  }
  static float decode(uint16_t code) {
    uint32_t sign = (uint32_t)(code & 0x8000) << 16, magnitude = code & 0x7fff;
    if (magnitude > 0x7c00) return __uint_as_float(0x7fffffff);
    if (magnitude == 0x7c00) return __uint_as_float(sign | 0x7f800000);
    if (magnitude >= 0x400) return __uint_as_float(sign | ((magnitude << 13) + 0x38000000));
    return __uint_as_float(sign | __float_as_uint((float)magnitude * 5.9604644775390625e-08f));
  }
};

struct Brain16 {
  static uint16_t encode(float value) {
    uint32_t bits = __float_as_uint(value);
    if (value != value) return 0x7fff;
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
  static float decode(uint16_t code) { return __uint_as_float((uint32_t)code << 16); }
};

template <class Format>
struct RawHalf {
  unsigned short x;
};

template <class Format>
struct alignas(2) HalfType {
  uint16_t __x;

  HalfType() = default;
  HalfType(float v) : __x(Format::encode(v)) {}
  HalfType(double v) : __x(Format::encode(narrow_to_odd(v))) {}
  HalfType(int v) : HalfType((double)v) {}
  HalfType(unsigned v) : HalfType((double)v) {}
  HalfType(RawHalf<Format> raw) : __x(raw.x) {}
  operator float() const { return Format::decode(__x); }

  HalfType& operator+=(HalfType o) { return *this = *this + o; }
  HalfType& operator-=(HalfType o) { return *this = *this - o; }
  HalfType& operator*=(HalfType o) { return *this = *this * o; }
  HalfType& operator/=(HalfType o) { return *this = *this / o; }

  friend HalfType operator+(HalfType a, HalfType b) { return HalfType((float)a + (float)b); }
  friend HalfType operator-(HalfType a, HalfType b) { return HalfType((float)a - (float)b); }
  friend HalfType operator*(HalfType a, HalfType b) { return HalfType((float)a * (float)b); }
  friend HalfType operator/(HalfType a, HalfType b) { return HalfType((float)a / (float)b); }
  friend HalfType operator-(HalfType a) {
    a.__x ^= 0x8000;
    return a;
  }
  friend bool operator<(HalfType a, HalfType b) { return (float)a < (float)b; }
  friend bool operator>(HalfType a, HalfType b) { return (float)a > (float)b; }
  friend bool operator<=(HalfType a, HalfType b) { return (float)a <= (float)b; }
  friend bool operator>=(HalfType a, HalfType b) { return (float)a >= (float)b; }
  friend bool operator==(HalfType a, HalfType b) { return (float)a == (float)b; }
  friend bool operator!=(HalfType a, HalfType b) { return (float)a != (float)b; }
};

template <class Format>
struct alignas(4) HalfPair {
  HalfType<Format> x, y;
};

}  // namespace emulator

typedef emulator::HalfType<emulator::Binary16> __half, half;
typedef emulator::HalfPair<emulator::Binary16> __half2, half2;
typedef emulator::RawHalf<emulator::Binary16> __half_raw;
typedef emulator::HalfType<emulator::Brain16> __nv_bfloat16, nv_bfloat16;
typedef emulator::HalfPair<emulator::Brain16> __nv_bfloat162, nv_bfloat162;
typedef emulator::RawHalf<emulator::Brain16> __nv_bfloat16_raw;

// Arithmetic functions, for both formats.
#define EMULATOR_HALF \
  template <class F>  \
  static inline
#define EMULATOR_H emulator::HalfType<F>
#define EMULATOR_H2 emulator::HalfPair<F>
EMULATOR_HALF EMULATOR_H __hadd(EMULATOR_H a, EMULATOR_H b) { return a + b; }
EMULATOR_HALF EMULATOR_H __hsub(EMULATOR_H a, EMULATOR_H b) { return a - b; }
EMULATOR_HALF EMULATOR_H __hmul(EMULATOR_H a, EMULATOR_H b) { return a * b; }
EMULATOR_HALF EMULATOR_H __hdiv(EMULATOR_H a, EMULATOR_H b) { return a / b; }
EMULATOR_HALF EMULATOR_H __hneg(EMULATOR_H a) { return -a; }
EMULATOR_HALF EMULATOR_H __habs(EMULATOR_H a) {
  a.__x &= 0x7fff;
  return a;
}
EMULATOR_HALF EMULATOR_H __hfma(EMULATOR_H a, EMULATOR_H b, EMULATOR_H c) {
  return EMULATOR_H((double)(float)a * (double)(float)b + (double)(float)c);
}
EMULATOR_HALF EMULATOR_H __hmax(EMULATOR_H a, EMULATOR_H b) { return EMULATOR_H(fmaxf(a, b)); }
EMULATOR_HALF EMULATOR_H __hmin(EMULATOR_H a, EMULATOR_H b) { return EMULATOR_H(fminf(a, b)); }
EMULATOR_HALF bool __heq(EMULATOR_H a, EMULATOR_H b) { return a == b; }
EMULATOR_HALF bool __hlt(EMULATOR_H a, EMULATOR_H b) { return a < b; }
EMULATOR_HALF bool __hgt(EMULATOR_H a, EMULATOR_H b) { return a > b; }
EMULATOR_HALF bool __hisnan(EMULATOR_H a) { return (float)a != (float)a; }
EMULATOR_HALF EMULATOR_H2 __hadd2(EMULATOR_H2 a, EMULATOR_H2 b) { return {a.x + b.x, a.y + b.y}; }
EMULATOR_HALF EMULATOR_H2 __hsub2(EMULATOR_H2 a, EMULATOR_H2 b) { return {a.x - b.x, a.y - b.y}; }
EMULATOR_HALF EMULATOR_H2 __hmul2(EMULATOR_H2 a, EMULATOR_H2 b) { return {a.x * b.x, a.y * b.y}; }
EMULATOR_HALF EMULATOR_H2 __hfma2(EMULATOR_H2 a, EMULATOR_H2 b, EMULATOR_H2 c) {
  return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
EMULATOR_HALF float __low2float(EMULATOR_H2 a) { return a.x; }
EMULATOR_HALF float __high2float(EMULATOR_H2 a) { return a.y; }

// Conversions of __half.
static inline float __half2float(__half h) { return h; }
static inline __half __float2half(float v) { return __half(v); }
static inline __half __float2half_rn(float v) { return __half(v); }
static inline __half __double2half(double v) { return __half(v); }
static inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
static inline __half2 __float2half2_rn(float a) { return {__half(a), __half(a)}; }
static inline __half2 __half2half2(__half a) { return {a, a}; }
static inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
static inline __half2 make_half2(__half a, __half b) { return {a, b}; }
static inline float2 __half22float2(__half2 h) { return {(float)h.x, (float)h.y}; }
static inline __half __low2half(__half2 h) { return h.x; }
static inline __half __high2half(__half2 h) { return h.y; }
static inline unsigned short __half_as_ushort(__half h) { return h.__x; }
static inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }

// Conversions of __nv_bfloat16.
static inline float __bfloat162float(__nv_bfloat16 h) { return h; }
static inline __nv_bfloat16 __float2bfloat16(float v) { return __nv_bfloat16(v); }
static inline __nv_bfloat16 __float2bfloat16_rn(float v) { return __nv_bfloat16(v); }
static inline __nv_bfloat16 __double2bfloat16(double v) { return __nv_bfloat16(v); }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return {__nv_bfloat16(a), __nv_bfloat16(b)};
}
static inline __nv_bfloat162 __float2bfloat162_rn(float a) {
  return {__nv_bfloat16(a), __nv_bfloat16(a)};
}
static inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return {a, a}; }
static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
static inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
static inline float2 __bfloat1622float2(__nv_bfloat162 h) { return {(float)h.x, (float)h.y}; }
static inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 h) { return h.x; }
static inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 h) { return h.y; }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.__x; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return __nv_bfloat16_raw{bits};
}
