// SELU and AlphaDropout in one pass, forward and backward.
//
//   y  = keep ? scale selu(x) + shift : fill        dx = keep ? scale dy selu'(x) : 0
//
//   decisions  one per element, as in dropout.cu: number i belongs to C-order index i. No mask is stored
//   launch     a multiple of 32 threads up to 256; any grid and block give the same result
//   memory     C-contiguous. forward reads n, backward 2 n, both write n elements; y may be x
//   select     a dropped NaN or Inf leaves no trace
//   called by  lucid/backend/cuda/activation.py
#include "math.cuh"
#include "philox.cuh"

#define FULL_WARP 0xFFFFFFFFu

template <typename M> struct Selu {
    M scale, shift, fill;
    static __device__ __forceinline__ M alpha() { return M(1.7580993408473766); }  // times lambda
    static __device__ __forceinline__ M lambda() { return M(1.0507009873554805); }
    __device__ __forceinline__ M operator()(M x, M) const {
        const M y = x > M(0) ? x * lambda() : expm1_of(x) * alpha();
        return y * scale + shift;
    }
};

template <typename M> struct SeluSlope : Selu<M> {
    __device__ SeluSlope(M scale) : Selu<M>{scale, M(0), M(0)} {}
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M slope = x > M(0) ? Selu<M>::lambda() : exp_of(x) * Selu<M>::alpha();
        return dy * slope * this->scale;
    }
};

// A warp takes 512 elements: each lane decides for 16, then they walk side by side, N each.
template <int N, typename T, typename F>
__device__ void walk(const T* a, const T* b, T* y, i64 n, Key key, u64 threshold, const F& f) {
    typedef typename Compute<T>::type M;
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32;
    i64 chunk = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; chunk * 512 < n; chunk += static_cast<i64>(gridDim.x) * warps) {
        const u32 mine = keep_bits(key, static_cast<u64>(chunk) * 32 + lane, threshold);
#pragma unroll
        for (int step = 0; step < 16 / N; ++step) {
            const int at = (step * 32 + lane) * N;
            const u32 bits = __shfl_sync(FULL_WARP, mine, at / 16) >> (at % 16);
            const i64 first = chunk * 512 + at;
            M u[N], v[N];
            if (first + N <= n) {
                read(a + first, u);
                if (b) read(b + first, v);
            } else {
                read_some(a + first, u, n - first, M(0));
                if (b) read_some(b + first, v, n - first, M(0));
            }
#pragma unroll
            for (int j = 0; j < N; ++j) u[j] = bits >> j & 1 ? f(u[j], b ? v[j] : M(0)) : f.fill;
            if (first + N <= n) {
                write(y + first, u);
            } else {
                write_some(y + first, u, n - first);
            }
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout(const T* x, T* y, i64 n, u64 threshold, double scale, double shift, double fill,
                 u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    typedef typename Compute<T>::type M;
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const Selu<M> f = {static_cast<M>(scale), static_cast<M>(shift), static_cast<M>(fill)};
    const T* none = nullptr;
    if (is_aligned(x) && is_aligned(y)) {
        walk<Vector<T>::N>(x, none, y, n, key, threshold, f);
    } else {
        walk<1>(x, none, y, n, key, threshold, f);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_backward(const T* dy, const T* x, T* dx, i64 n, u64 threshold, double scale, u64 seed,
                          u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    typedef typename Compute<T>::type M;
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const SeluSlope<M> f(static_cast<M>(scale));
    if (is_aligned(dy) && is_aligned(x) && is_aligned(dx)) {
        walk<Vector<T>::N>(dy, x, dx, n, key, threshold, f);
    } else {
        walk<1>(dy, x, dx, n, key, threshold, f);
    }
}
