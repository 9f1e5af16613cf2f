// SELU and AlphaDropout or FeatureAlphaDropout in one pass, forward and backward.
//
//   y  = keep ? scale selu(x) + shift : fill        dx = keep ? scale dy selu'(x) : 0
//
//   kernels    selu_dropout            one decision per element, C-contiguous
//              selu_dropout_planes     one per channel, memory (N, C, inner)
//              selu_dropout_columns    one per channel, memory (N, inner, C)
//              and each with _backward
//   decisions  as in dropout.cu: number i belongs to C-order index i. No mask is stored
//   launch     a multiple of 32 threads up to 256; columns: two dimensions, up to 256. Any grid and
//              block give the same result
//   memory     forward reads n, backward 2 n, both write n elements; y may be x
//   select     a dropped NaN or Inf leaves no trace
//   called by  lucid/backend/cuda/selu_dropout.py
#include "by_channel.cuh"

// Each step is rounded as by the kernels that run apart, in activation.cu and dropout.cu, so that in
// float and double the result is theirs to the last bit.
template <typename M> struct Selu {
    M scale, shift, fill;
    static __device__ __forceinline__ M lambda() { return M(1.0507009873554805); }
    static __device__ __forceinline__ M low() { return M(1.6732632423543772) * lambda(); }
    __device__ __forceinline__ M operator()(M x, M) const {
        const M y = x > M(0) ? x * lambda() : expm1_of(x) * low();
        return multiply_add(y, scale, shift);
    }
};

template <typename M> struct SeluSlope : Selu<M> {
    __device__ SeluSlope(M scale) : Selu<M>{scale, M(0), M(0)} {}
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M g = dy * this->scale;
        return x > M(0) ? g * Selu<M>::lambda() : g * (exp_of(x) * Selu<M>::low());
    }
};

// N elements: y = f(a, b), b if there is one, where their bit of `keep` is set.
template <int N, typename T, typename F>
__device__ __forceinline__ void apply(const T* a, const T* b, T* y, u32 keep, const F& f) {
    typedef typename Compute<T>::type M;
    M u[N], v[N];
    read(a, u);
    if (b) read(b, v);
#pragma unroll
    for (int j = 0; j < N; ++j) u[j] = keep >> j & 1 ? f(u[j], b ? v[j] : M(0)) : f.fill;
    write(y, u);
}

// A warp takes 512 elements: each lane decides for 16, then they walk side by side, N each.
template <int N, typename T, typename F>
__device__ void walk(const T* a, const T* b, T* y, i64 n, const Decisions& drawn, const F& f) {
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32;
    i64 chunk = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; chunk * 512 < n; chunk += static_cast<i64>(gridDim.x) * warps) {
        const u32 mine = keep_bits(drawn.key, static_cast<u64>(chunk) * 32 + lane, drawn.threshold);
#pragma unroll
        for (int step = 0; step < 16 / N; ++step) {
            const int at = (step * 32 + lane) * N;
            const u32 bits = __shfl_sync(FULL_WARP, mine, at / 16) >> (at % 16);
            const i64 first = chunk * 512 + at;
            const T* second = b ? b + first : nullptr;
            if (first + N <= n) {
                apply<N>(a + first, second, y + first, bits, f);
            } else {
                for (int j = 0; j < N && first + j < n; ++j) {
                    apply<1>(a + first + j, b ? second + j : nullptr, y + first + j, bits >> j, f);
                }
            }
        }
    }
}

template <int N, typename T, typename F>
__device__ void planes(const T* a, const T* b, T* y, i64 n, u32 inner, const Decisions& drawn,
                       const F& f) {
    over_planes<N>(n, inner, 1, drawn, [&](i64 at, u32, bool keep) {
        apply<N>(a + at, b ? b + at : nullptr, y + at, keep ? ~0u : 0u, f);
    });
}

template <int N, typename T, typename F>
__device__ void columns(const T* a, const T* b, T* y, i64 samples, i64 inner, u32 channels,
                        const Decisions& drawn, const F& f) {
    over_columns<N>(samples, inner, channels, drawn, [&](i64 corner, u32, u32 keep) {
        for (i64 i = first_position(); i < inner; i += all_positions()) {
            const i64 at = corner + i * channels;
            apply<N>(a + at, b ? b + at : nullptr, y + at, keep, f);
        }
    });
}

// The widest access that addresses and sizes allow; `length` elements lie together.
#define WIDEST(walk, length, ...)                                                                \
    if (is_aligned(a) && is_aligned(b) && is_aligned(y) && (length) % Vector<T>::N == 0) {       \
        walk<Vector<T>::N>(a, b, y, __VA_ARGS__);                                                \
    } else {                                                                                     \
        walk<1>(a, b, y, __VA_ARGS__);                                                           \
    }
#define KEY_ARGUMENTS \
    u64 threshold, u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64 *base
#define DRAWN const Decisions drawn = {key_of(seed, stream, offset_low, offset_high, base), threshold};
#define LAW_ARGUMENTS double scale, double shift, double fill
#define LAW                                                                                      \
    typedef typename Compute<T>::type M;                                                         \
    const Selu<M> f = {static_cast<M>(scale), static_cast<M>(shift), static_cast<M>(fill)};      \
    const T *b = nullptr;
#define SLOPE const SeluSlope<typename Compute<T>::type> f(scale);

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout(const T* a, T* y, i64 n, LAW_ARGUMENTS, KEY_ARGUMENTS) {
    LAW DRAWN WIDEST(walk, 0, n, drawn, f)
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_backward(const T* a, const T* b, T* y, i64 n, double scale, KEY_ARGUMENTS) {
    SLOPE DRAWN WIDEST(walk, 0, n, drawn, f)
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_planes(const T* a, T* y, i64 n, u32 inner, LAW_ARGUMENTS, KEY_ARGUMENTS) {
    LAW DRAWN WIDEST(planes, inner, n, inner, drawn, f)
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_planes_backward(const T* a, const T* b, T* y, i64 n, u32 inner, double scale,
                                 KEY_ARGUMENTS) {
    SLOPE DRAWN WIDEST(planes, inner, n, inner, drawn, f)
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_columns(const T* a, T* y, i64 samples, i64 inner, u32 channels, LAW_ARGUMENTS,
                         KEY_ARGUMENTS) {
    LAW DRAWN WIDEST(columns, channels, samples, inner, channels, drawn, f)
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    selu_dropout_columns_backward(const T* a, const T* b, T* y, i64 samples, i64 inner, u32 channels,
                                  double scale, KEY_ARGUMENTS) {
    SLOPE DRAWN WIDEST(columns, channels, samples, inner, channels, drawn, f)
}
