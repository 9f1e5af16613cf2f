// Functions whose results must be those of the GPU, bit for bit.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef unsigned long long u64;

#define INDEX ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define STEP ((long long)gridDim.x * blockDim.x)

// Philox4x64-10: the four words of one block of numpy.random.Philox.
__device__ __forceinline__ void philox(u64* c, u64 k0, u64 k1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    if (round) {
      k0 += 0x9E3779B97F4A7C15ULL;
      k1 += 0xBB67AE8584CAA73BULL;
    }
    u64 high0 = __umul64hi(0xD2E7470EE14C6C93ULL, c[0]), low0 = 0xD2E7470EE14C6C93ULL * c[0];
    u64 high1 = __umul64hi(0xCA5A826395121157ULL, c[2]), low1 = 0xCA5A826395121157ULL * c[2];
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
  }
}

// NumPy increments its 256-bit counter before it generates.
extern "C" __global__ void philox_words(u64* out, long long blocks, u64 k0, u64 k1, u64 c0, u64 c1,
                                        u64 c2, u64 c3) {
  for (long long b = INDEX; b < blocks; b += STEP) {
    u64 c[4];
    c[0] = c0 + (u64)b + 1;
    u64 carry = c[0] <= c0 ? 1 : 0;
    c[1] = c1 + carry;
    carry = carry && c[1] == 0;
    c[2] = c2 + carry;
    carry = carry && c[2] == 0;
    c[3] = c3 + carry;
    philox(c, k0, k1);
    ulonglong2* to = reinterpret_cast<ulonglong2*>(out + 4 * b);
    to[0] = {c[0], c[1]};
    to[1] = {c[2], c[3]};
  }
}

extern "C" __global__ void half_to_float(const unsigned short* x, float* y, long long n) {
  for (long long i = INDEX; i < n; i += STEP) y[i] = __half2float(__ushort_as_half(x[i]));
}
extern "C" __global__ void float_to_half(const float* x, unsigned short* y, long long n) {
  for (long long i = INDEX; i < n; i += STEP) y[i] = __half_as_ushort(__float2half_rn(x[i]));
}
extern "C" __global__ void double_to_half(const double* x, unsigned short* y, long long n) {
  for (long long i = INDEX; i < n; i += STEP) y[i] = __half_as_ushort(__double2half(x[i]));
}
extern "C" __global__ void bfloat16_to_float(const unsigned short* x, float* y, long long n) {
  for (long long i = INDEX; i < n; i += STEP) y[i] = __bfloat162float(__ushort_as_bfloat16(x[i]));
}
extern "C" __global__ void float_to_bfloat16(const float* x, unsigned short* y, long long n) {
  for (long long i = INDEX; i < n; i += STEP)
    y[i] = __bfloat16_as_ushort(__float2bfloat16_rn(x[i]));
}

// a * b + c must be rounded twice where it is written so, and once in fmaf.
extern "C" __global__ void multiply_add(const float* a, const float* b, const float* c,
                                        float* twice, float* once, long long n) {
  for (long long i = INDEX; i < n; i += STEP) {
    twice[i] = a[i] * b[i] + c[i];
    once[i] = __fmaf_rn(a[i], b[i], c[i]);
  }
}
