// Each kernel has one bug. test_seeded_bugs.py launches it and expects the check to name it.

typedef unsigned long long u64;

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)

__device__ float warp_sum(float v) {
  for (int offset = 16; offset; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
  return v;
}

// Bounds, alignment, pointers.

extern "C" __global__ void read_past_the_end(const float* x, float* y, int n) {
  int i = INDEX;
  if (i < n) y[i] = x[i + 1];
}
extern "C" __global__ void write_without_guard(float* y, int n) { y[INDEX] = 1; }
extern "C" __global__ void negative_index(float* y, int n) { y[(int)threadIdx.x - 1] = 1; }
extern "C" __global__ void far_out_of_bounds(float* y, const float* z, int n) {
  y[threadIdx.x + 4096] = 1;
}
extern "C" __global__ void write_at_a_distance(float* y, long long distance) { y[distance] = 1; }
extern "C" __global__ void null_pointer(float* y, int n) { y[threadIdx.x] = 1; }
extern "C" __global__ void misaligned_float4(const float* x, float* y, int n) {
  int i = threadIdx.x;
  float4 v = *(const float4*)(x + 1 + 4 * i);
  y[i] = v.x + v.y + v.z + v.w;
}
extern "C" __global__ void misaligned_view(const float4* x, float* y, int n) {
  float4 v = x[threadIdx.x];
  y[threadIdx.x] = v.x;
}
extern "C" __global__ void host_pointer(float** table, float* y, int n) {
  y[0] = 1;
  table[0][0] = 1;
}

// Shared memory.

extern "C" __global__ void missing_barrier(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  s[i] = x[i];
  y[i] = s[63 - i];
}
extern "C" __global__ void missing_second_barrier_in_loop(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  float a = 0;
  for (int round = 0; round < 4; round++) {
    s[i] = x[i] + round;
    __syncthreads();
    a += s[(i + 33) & 63];
  }
  y[i] = a;
}
extern "C" __global__ void warp_synchronous(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  s[i] = x[i];
  __syncthreads();
  if (i < 32) {
    s[i] += s[i + 32];
    s[i] += s[(i + 16) & 31];
    s[i] += s[(i + 8) & 31];
  }
  __syncthreads();
  y[i] = s[0];
}
extern "C" __global__ void static_shared_overflow(const float* x, float* y, int n) {
  __shared__ float s[32];
  __shared__ float t[32];
  int i = threadIdx.x;
  if (i < 32) t[i] = 0;
  s[i] = x[i];
  __syncthreads();
  y[i] = s[i & 31] + t[0];
}
extern "C" __global__ void dynamic_shared_too_small(const float* x, float* y, int n) {
  extern __shared__ float row[];
  int i = threadIdx.x;
  row[i] = x[i];
  __syncthreads();
  y[i] = row[63 - i];
}
extern "C" __global__ void uninitialised_shared(float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  if (i < 32) s[i] = 1;
  __syncthreads();
  y[i] = s[i];
}

// Barriers and warps.

extern "C" __global__ void barrier_in_branch(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  s[i] = x[i];
  if (i < 40) {
    __syncthreads();
    y[i] = s[i];
  }
}
extern "C" __global__ void return_before_barrier(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  if (i >= n) return;
  s[i] = x[i];
  __syncthreads();
  y[i] = s[n - 1 - i];
}
extern "C" __global__ void two_different_barriers(const float* x, float* y, int n) {
  __shared__ float s[64];
  int i = threadIdx.x;
  s[i] = x[i];
  if (i < 32) {
    __syncthreads();
    y[i] = s[63 - i];
  } else {
    __syncthreads();
    y[i] = 0;
  }
}
extern "C" __global__ void shuffle_of_exited_lanes(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (i < n) {
    float v = warp_sum(x[i]);
    if (i == 0) y[0] = v;
  }
}
extern "C" __global__ void shuffle_of_absent_lanes(const float* x, float* y, int n) {
  int i = threadIdx.x;
  float v = warp_sum(i < n ? x[i] : 0.f);
  if ((i & 31) == 0) atomicAdd(y, v);
}
extern "C" __global__ void shuffle_outside_the_mask(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (i < 16) y[i] = __shfl_sync(0x0000ffffu, x[i], i + 16);
}

// Global memory between threads and blocks.

extern "C" __global__ void lost_update(const float* x, float* y, int n) { y[0] += x[threadIdx.x]; }
extern "C" __global__ void lost_update_across_blocks(const float* x, float* y, int n) {
  if (threadIdx.x == 0) y[0] += x[blockIdx.x];
}
extern "C" __global__ void read_of_another_block(float* x, int n) {
  int i = INDEX;
  x[i] = i;
  __syncthreads();
  if (i >= 32) x[i] = x[i - 32] + 1;
}
// Elements of 2 bytes: of a word that two threads have touched, each remembers its own half.
extern "C" __global__ void half_written_after_read(unsigned short* y, unsigned short* z, int n) {
  int i = threadIdx.x;
  if (i < 32) z[i] = y[i];
  if (i >= 32 && i % 2) y[i - 32] = 1;
}
extern "C" __global__ void half_read_after_write(unsigned short* y, unsigned short* z, int n) {
  int i = threadIdx.x;
  if (i < 32) y[i] = 1;
  if (i >= 32 && i % 2 == 0) z[i] = y[i - 32];
}
extern "C" __global__ void stencil_in_place(float* x, int n) {
  int i = threadIdx.x;
  if (i + 1 < n) x[i] = x[i] + x[i + 1];
}
extern "C" __global__ void atomic_and_plain_write(float* y, int n) {
  if (threadIdx.x == 0) y[0] = 0;
  atomicAdd(y, 1.f);
}
__device__ unsigned unfenced_ticket = 0;
extern "C" __global__ void last_block_without_fence(const float* x, float* partial, float* y,
                                                    int n) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    last = atomicInc(&unfenced_ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0;
    for (unsigned b = 0; b < gridDim.x; b++) sum += partial[b];
    y[0] = sum;
  }
}
extern "C" __global__ void unwritten_memory(const float* x, float* y, int n) {
  y[threadIdx.x] = x[threadIdx.x] * 2;
}

// Undefined arithmetic.

extern "C" __global__ void int_overflow(float* y, int n) {
  int big = 65536 + threadIdx.x;
  y[(big * big) & 31] = 1;
}
extern "C" __global__ void shift_by_width(unsigned* y, int n) {
  y[threadIdx.x] = 1u << (threadIdx.x + 1);
}
extern "C" __global__ void local_array_overflow(float* y, int n) {
  float a[4];
  for (int j = 0; j < 4; j++) a[j] = j;
  y[threadIdx.x] = a[threadIdx.x];
}
extern "C" __global__ void division_by_zero(int* y, int n) {
  y[threadIdx.x] = 100 / (int)threadIdx.x;
}
