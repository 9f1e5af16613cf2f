// What lucid's kernels are written with: it has to compile for every element type, and run.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef unsigned long long u64;

struct Settings {
  float scale;
  int count;
  const float* nothing;
};

__device__ float functions(float v) {
  float sine, cosine;
  sincosf(v, &sine, &cosine);
  v = expf(-v) + logf(v) + log1pf(v) + erff(v) + tanhf(v) + rsqrtf(v) + sqrtf(v) + cosf(v) + sinf(v);
  v += fmaxf(v, 0.f) + fminf(v, 1.f) + powf(2.f, -v) + max(v, 0) + min(v, 1.f) + abs(v) + sine;
  v += __expf(-v) + __logf(v) + __fdividef(v, 2.f) + __saturatef(v) + cosine;
  return isnan(v) || isinf(v) ? 0.f : __fmul_rn(v, __fadd_rn(1.f, __uint2float_rn(3u)));
}

__device__ double functions(double v) {
  v = exp(-v) + log(v) + erf(v) + sqrt(v) + fma(v, v, v) + rsqrt(v) + __dmul_rn(v, v);
  return isfinite(v) ? v : 0;
}

__device__ unsigned bits(unsigned v) {
  u64 high = __umul64hi(0xD2E7470EE14C6C93ULL, v);
  return __umulhi(v, 3u) + (unsigned)high + __brev(v) + __popc(v) + __clz(v) + __ffs(v);
}

__device__ float warp(float v) {
  const unsigned all = 0xffffffffu;
  v += __shfl_down_sync(all, v, 1) + __shfl_up_sync(all, v, 1) + __shfl_xor_sync(all, v, 16);
  v += __shfl_sync(all, v, 0) + __popc(__ballot_sync(all, v > 0)) + __any_sync(all, v > 0);
  return v + __all_sync(all, v > 0) + __popc(__activemask());
}

template <typename T, int N>
__global__ void __launch_bounds__(N, 2)
    words(const T* __restrict__ x, T* __restrict__ y, Settings settings, long long n) {
  extern __shared__ float4 rows[];
  __shared__ __align__(16) float row[N];
  __shared__ T first[4];
  const int i = threadIdx.x;
  float v = static_cast<float>(__ldg(x + i));
  float total = functions(v) + warp(v) + (float)functions((double)v) + bits(i);
  rows[i] = make_float4(v, v, v, v);
  uint4 raw = *reinterpret_cast<uint4*>(&rows[i]);
  row[i] = __uint_as_float(raw.x);
  if (i < 4) first[i] = T(row[i]);
  __syncthreads();
  if constexpr (sizeof(T) == 2) total += 1;
  const long long step = (long long)gridDim.x * blockDim.x;
#pragma unroll 4
  for (long long j = (long long)blockIdx.x * blockDim.x + i; j < n; j += step)
    y[j] = T(settings.scale * float(first[j & 3]) + 0.f * total);
}

// A table of pointers: the kernel may touch any live memory.
__global__ void twice_each(float* const* __restrict__ tensors, const long long* __restrict__ sizes,
                           int count, float* flag, u64* base) {
  for (int t = 0; t < count; t++)
    for (long long i = threadIdx.x; i < sizes[t]; i += blockDim.x) tensors[t][i] *= 2.f;
  if (threadIdx.x == 0) {
    atomicExch(flag, 1.f);
    atomicAdd(base, 4ULL);
  }
}

template <typename T>
__global__ void atomics(T* y) {
  atomicAdd(y, T(1));
}
