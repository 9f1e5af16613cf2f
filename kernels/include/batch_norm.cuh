// The line of batch norm, and what may follow it in the same pass; forward and backward share them.
#pragma once

#include "by_channel.cuh"
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

template <typename T> struct Norm {
    typedef WIDE M;
    const M* mean;
    const M* var;
    Parameter<T> w, b;
    M eps;
    __device__ __forceinline__ M scale(i64 c) const { return M(1) / root(var[c] + eps); }
};

// y = (x - mean) steep + level of one channel.
template <typename M> struct Line {
    M mean, steep, level;
    Line() = default;
    template <typename T>
    __device__ __forceinline__ Line(const Norm<T>& norm, i64 c)
        : mean(norm.mean[c]), steep(norm.scale(c) * norm.w[c]), level(norm.b[c]) {}
    // Once rounded by name, so that backward finds the very y of forward, and so its sign.
    static __device__ __forceinline__ float add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
    static __device__ __forceinline__ double add(double a, double b, double c) {
        return __fma_rn(a, b, c);
    }
    __device__ __forceinline__ M at(M x) const { return add(x - mean, steep, level); }
};

// What becomes of y: nothing, relu, or relu and dropout of channels.
struct Chain {
    int relu;
    double factor;
    Decisions drawn;
    template <typename M> __device__ __forceinline__ M forward(M y, bool keep) const {
        if (relu) y = maximum(y, M(0));
        return keep ? y * static_cast<M>(factor) : M(0);
    }
    // A NaN passes, as relu's own gradient lets it.
    template <typename M> __device__ __forceinline__ M backward(M dy, M y, bool keep) const {
        return keep && !(y <= M(0)) ? dy * static_cast<M>(factor) : M(0);
    }
};

#define NORM_ARGUMENTS                                                                            \
    const WIDE *mean, const WIDE *var, const T *w_narrow, const WIDE *w_wide, const T *b_narrow,  \
        const WIDE *b_wide, double eps
#define NORM                                                                                  \
    const Norm<T> norm = {mean, var, {w_narrow, w_wide, WIDE(1)}, {b_narrow, b_wide, WIDE(0)}, \
                          static_cast<WIDE>(eps)};
#define CHAIN_ARGUMENTS                                                                       \
    int relu, u64 threshold, double factor, u64 seed, u64 stream, u64 offset_low, u64 offset_high, \
        const u64 *base
#define CHAIN                                                                                    \
    const Chain chain = {relu, factor, {key_of(seed, stream, offset_low, offset_high, base), threshold}};
