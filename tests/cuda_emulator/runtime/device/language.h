// CUDA's additions to the language: vector types, qualifiers, built-in variables.
#pragma once

#define EMULATOR_VECTOR(T, name)                                                     \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                 \
  struct name##3 { T x, y, z; };                                                     \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; }; \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                  \
  static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }          \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

EMULATOR_VECTOR(signed char, char)
EMULATOR_VECTOR(unsigned char, uchar)
EMULATOR_VECTOR(short, short)
EMULATOR_VECTOR(unsigned short, ushort)
EMULATOR_VECTOR(int, int)
EMULATOR_VECTOR(unsigned int, uint)
EMULATOR_VECTOR(long long, longlong)
EMULATOR_VECTOR(unsigned long long, ulonglong)
EMULATOR_VECTOR(float, float)
EMULATOR_VECTOR(double, double)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct EmulatorIndices {
  uint3 thread, block, block_size, grid_size;
};

// What the runtime offers to kernels. Places are file and line, for messages.
extern "C" {
extern EmulatorIndices emulator_indices;
void emulator_barrier(const char* file, int line);
int emulator_barrier_vote(int vote, int predicate, const char* file, int line);
uint64_t emulator_warp(int operation, unsigned mask, uint64_t value, int argument, int width,
                       const char* file, int line);
unsigned emulator_active_mask();
void emulator_fence();
void* emulator_dynamic_shared();
void emulator_atomic(const void* address, unsigned size, const void* caller);
void emulator_fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
}

#define threadIdx (emulator_indices.thread)
#define blockIdx (emulator_indices.block)
#define blockDim (emulator_indices.block_size)
#define gridDim (emulator_indices.grid_size)
static constexpr int warpSize = 32;

// Words that no C++ compiler takes become markers; build.py rewrites them after the preprocessor.
#define __global__ __emulator_global__
#define __shared__ __emulator_shared__
#define __launch_bounds__(...) __emulator_bounds__(__VA_ARGS__)
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __trap() emulator_fail("__trap() at %s:%d", __FILE__, __LINE__)
#define __builtin_assume(condition)
