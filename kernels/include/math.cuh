// Functions that a kernel template calls for float and double alike, and what needs no std header.
#pragma once

#include "types.cuh"

#define UNARY(name, single, twice)                                             \
    __device__ __forceinline__ float name(float x) { return single(x); }       \
    __device__ __forceinline__ double name(double x) { return twice(x); }
UNARY(exp_of, expf, exp)
UNARY(expm1_of, expm1f, expm1)
UNARY(log_of, logf, log)
UNARY(log1p_of, log1pf, log1p)
UNARY(tanh_of, tanhf, tanh)
UNARY(erf_of, erff, erf)
UNARY(root, sqrtf, sqrt)
UNARY(size_of, fabsf, fabs)
#undef UNARY

template <typename M> __device__ __forceinline__ M infinity();
template <> __device__ __forceinline__ float infinity<float>() { return __int_as_float(0x7f800000); }
template <> __device__ __forceinline__ double infinity<double>() {
    return __longlong_as_double(0x7ff0000000000000ll);
}

template <typename M> __device__ __forceinline__ bool is_nan(M x) { return x != x; }
template <typename M> __device__ __forceinline__ bool is_finite(M x) {
    return size_of(x) < infinity<M>();
}

// As NumPy's: NaN wins.
template <typename M> __device__ __forceinline__ M maximum(M a, M b) {
    return a > b || is_nan(a) ? a : b;
}
template <typename M> __device__ __forceinline__ M minimum(M a, M b) {
    return a < b || is_nan(a) ? a : b;
}

// Written with exp of what is negative only where that matters: exp(-x) may be inf, 1 / inf is 0.
template <typename M> __device__ __forceinline__ M sigmoid_of(M x) {
    return M(1) / (M(1) + exp_of(-x));
}

// a / b and the rest, in 32 bits where a has no more: a 64-bit division takes four times as long.
__device__ __forceinline__ u64 divide(u64 a, u32 b, u32& rest) {
    if (a >> 32 == 0) {
        const u32 q = static_cast<u32>(a) / b;
        rest = static_cast<u32>(a) - q * b;
        return q;
    }
    const u64 q = a / b;
    rest = static_cast<u32>(a - q * b);
    return q;
}

// N elements as the compute type, moved as one access.
template <int N, typename T, typename M>
__device__ __forceinline__ void read(const T* p, M (&v)[N]) {
    const Pack<N, T> pack = *reinterpret_cast<const Pack<N, T>*>(p);
#pragma unroll
    for (int j = 0; j < N; ++j) v[j] = load(pack.at[j]);
}

template <int N, typename T, typename M>
__device__ __forceinline__ void write(T* p, const M (&v)[N]) {
    Pack<N, T> pack;
#pragma unroll
    for (int j = 0; j < N; ++j) pack.at[j] = store<T>(v[j]);
    *reinterpret_cast<Pack<N, T>*>(p) = pack;
}

// The same where only the first `count` elements exist, or the address is not a multiple: one by one.
template <int N, typename T, typename M>
__device__ __forceinline__ void read_some(const T* p, M (&v)[N], i64 count, M otherwise) {
#pragma unroll
    for (int j = 0; j < N; ++j) v[j] = j < count ? load(p[j]) : otherwise;
}

template <int N, typename T, typename M>
__device__ __forceinline__ void write_some(T* p, const M (&v)[N], i64 count) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
        if (j < count) p[j] = store<T>(v[j]);
    }
}

// N elements from `at` of a row, with `otherwise` beyond its end. whole: every row is a multiple of 16
// bytes at a multiple of 16.
template <int N, typename T, typename M>
__device__ __forceinline__ void fetch(const T* row, i64 at, i64 length, bool whole, M (&v)[N],
                                      M otherwise) {
    if (whole) {
        read(row + at, v);
    } else {
        read_some(row + at, v, length - at, otherwise);
    }
}

template <int N, typename T, typename M>
__device__ __forceinline__ void put(T* row, i64 at, i64 length, bool whole, const M (&v)[N]) {
    if (whole) {
        write(row + at, v);
    } else {
        write_some(row + at, v, length - at);
    }
}

// A parameter of a layer, in T or (float for a half T) in the compute type; one value if neither.
template <typename T> struct Parameter {
    typedef typename Compute<T>::type M;
    const T* narrow;
    const M* wide;
    M otherwise;
    __device__ __forceinline__ M operator[](i64 i) const {
        if (narrow) return load(narrow[i]);
        return wide ? wide[i] : otherwise;
    }
    __device__ __forceinline__ bool aligned() const { return is_aligned(narrow) && is_aligned(wide); }
    // N of them from i on; vector: i is a multiple of N, and the parameter is aligned.
    template <int N> __device__ __forceinline__ void get(i64 i, bool vector, M (&v)[N]) const {
        if (vector && narrow) {
            read(narrow + i, v);
        } else if (vector && wide) {
            const int n = N * sizeof(M) > 16 ? 16 / sizeof(M) : N;
#pragma unroll
            for (int j = 0; j < N; j += n) {
                M part[n];
                read(wide + i + j, part);
#pragma unroll
                for (int k = 0; k < n; ++k) v[j + k] = part[k];
            }
        } else {
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = (*this)[i + j];
        }
    }
};
