// Correct kernels that a checker could take for wrong ones. test_legitimate_idioms.py expects
// silence.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void transpose_in_tiles(const float* x, float* y, int n) {
  __shared__ float tile[32][33];
  int i = blockIdx.x * 32 + threadIdx.x, j = blockIdx.y * 32 + threadIdx.y;
  for (int r = 0; r < 32; r += 8)
    if (i < n && j + r < n) tile[threadIdx.y + r][threadIdx.x] = x[(j + r) * n + i];
  __syncthreads();
  i = blockIdx.y * 32 + threadIdx.x;
  j = blockIdx.x * 32 + threadIdx.y;
  for (int r = 0; r < 32; r += 8)
    if (i < n && j + r < n) y[(j + r) * n + i] = tile[threadIdx.x][threadIdx.y + r];
}

extern "C" __global__ void matmul_in_tiles(const float* a, const float* b, float* c, int n) {
  __shared__ float s[16][16], t[16][16];
  int x = threadIdx.x, y = threadIdx.y, i = blockIdx.y * 16 + y, j = blockIdx.x * 16 + x;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    s[y][x] = a[i * n + k + x];
    t[y][x] = b[(k + y) * n + j];
    __syncthreads();
#pragma unroll
    for (int q = 0; q < 16; q++) sum += s[y][q] * t[q][x];
    __syncthreads();
  }
  c[i * n + j] = sum;
}

extern "C" __global__ void __launch_bounds__(256, 2)
    two_arrays_in_dynamic_shared(const float* x, float* y, int n) {
  extern __shared__ __align__(16) unsigned char raw[];
  float* values = reinterpret_cast<float*>(raw);
  int* indices = reinterpret_cast<int*>(raw + n * 4);
  int i = threadIdx.x;
  values[i] = x[i];
  indices[i] = n - 1 - i;
  __syncthreads();
  y[i] = values[indices[i]];
}

extern "C" __global__ void neighbouring_bytes(const unsigned char* x, bool* y, int n) {
  __shared__ unsigned char s[256];
  int i = threadIdx.x;
  s[i] = x[i];
  __syncthreads();
  y[i] = s[255 - i] > 128;
}

extern "C" __global__ void pairs_of_halves(const __half* x, __half* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i * 2 + 1 < n) {
    __half2 v = reinterpret_cast<const __half2*>(x)[i];
    reinterpret_cast<__half2*>(y)[i] = __hmul2(v, __floats2half2_rn(2.f, 2.f));
  }
  if (i == 0 && (n & 1)) y[n - 1] = __hadd(x[n - 1], x[n - 1]);
}

extern "C" __global__ void part_of_a_warp(const float* x, float* y, int n) {
  int i = threadIdx.x;
  unsigned mask = __ballot_sync(0xffffffffu, i < n);
  if (i < n) {
    float v = x[i];
    for (int offset = 16; offset; offset >>= 1) {
      float other = __shfl_down_sync(mask, v, offset);
      if ((i & 31) + offset < __popc(mask)) v += other;
    }
    if ((i & 31) == 0) atomicAdd(y, v);
  }
}

extern "C" __global__ void groups_of_eight(const float* x, float* y, int n) {
  float v = x[threadIdx.x];
  for (int offset = 4; offset; offset >>= 1) v += __shfl_xor_sync(0xffffffffu, v, offset, 8);
  y[threadIdx.x] = v;
}

extern "C" __global__ void warp_reductions(const int* x, int* y, int n) {
  int i = threadIdx.x;
  y[i] = __reduce_add_sync(0xffffffffu, x[i]) + __reduce_max_sync(0xffffffffu, x[i]);
}

extern "C" __global__ void shared_within_a_warp(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  s[i] = x[i];
  __syncwarp();
  float v = s[(i & ~31) | ((i + 1) & 31)];
  __syncwarp();
  s[i] = v * 2;
  __syncwarp();
  y[i] = s[i ^ 1];
}

extern "C" __global__ void whole_block_leaves(const float* x, float* y, int n) {
  __shared__ float s[32];
  if (blockIdx.x * 32 >= n) return;
  s[threadIdx.x] = x[blockIdx.x * 32 + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 32 + threadIdx.x] = s[31 - threadIdx.x];
}

__constant__ float table[4] = {1, 2, 3, 4};
extern "C" __global__ void constant_table(float* y, int n) {
  y[threadIdx.x] = table[threadIdx.x & 3];
}

__device__ void atomic_max(float* p, float v) {
  int* bits = (int*)p;
  int old = *(volatile int*)bits, assumed;
  do {
    assumed = old;
    if (__int_as_float(assumed) >= v) break;
    old = atomicCAS(bits, assumed, __float_as_int(v));
  } while (assumed != old);
}
extern "C" __global__ void compare_and_swap(const float* x, float* y, int n) {
  atomic_max(y, x[blockIdx.x * blockDim.x + threadIdx.x]);
}

extern "C" __global__ void voting_barriers(const float* x, int* y, int n) {
  int count = __syncthreads_count(x[threadIdx.x] > 10);
  int any = __syncthreads_or(x[threadIdx.x] > 1000);
  y[threadIdx.x] = count * 2 + (any != 0);
}

__device__ unsigned ticket = 0;
extern "C" __global__ void last_block_sums(const float* x, float* partial, float* y, int n) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    __threadfence();
    last = atomicAdd(&ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0;
    for (unsigned b = 0; b < gridDim.x; b++) sum += partial[b];
    y[0] = sum;
    ticket = 0;
  }
}

extern "C" __global__ void same_flag_by_all(const float* x, int* y, int n) {
  __shared__ int found;
  if (threadIdx.x == 0) found = 0;
  __syncthreads();
  if (x[threadIdx.x] > 3) found = 1;  // emulator: race allowed (all write the same value)
  __syncthreads();
  if (threadIdx.x == 0) y[0] = found;
}

template <typename T>
__global__ void __launch_bounds__(128)
    scale(const T* __restrict__ x, T* __restrict__ y, float by, long long n) {
  long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
    y[i] = T(__fmul_rn(float(x[i]), by));
}
