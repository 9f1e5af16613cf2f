// y = f(x) or f(a, b), element by element: 16 bytes at a time where all pointers are multiples of it.
#pragma once

#include "math.cuh"

template <int N, typename T, typename F>
__device__ __forceinline__ void map_by(const T* x, T* y, i64 n, const F& f) {
    typedef typename Compute<T>::type M;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i * N < n; i += step) {
        const i64 first = i * N;
        M v[N];
        if (first + N <= n) {
            read(x + first, v);
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = f(v[j]);
            write(y + first, v);
        } else {
            for (i64 j = first; j < n; ++j) y[j] = store<T>(f(static_cast<M>(load(x[j]))));
        }
    }
}

template <typename T, typename F>
__device__ __forceinline__ void map(const T* x, T* y, i64 n, const F& f) {
    if (is_aligned(x) && is_aligned(y)) {
        map_by<Vector<T>::N>(x, y, n, f);
    } else {
        map_by<1>(x, y, n, f);
    }
}

template <int N, typename T, typename F>
__device__ __forceinline__ void map_by(const T* a, const T* b, T* y, i64 n, const F& f) {
    typedef typename Compute<T>::type M;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i * N < n; i += step) {
        const i64 first = i * N;
        M u[N], v[N];
        if (first + N <= n) {
            read(a + first, u);
            read(b + first, v);
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = f(u[j], v[j]);
            write(y + first, v);
        } else {
            for (i64 j = first; j < n; ++j) {
                y[j] = store<T>(f(static_cast<M>(load(a[j])), static_cast<M>(load(b[j]))));
            }
        }
    }
}

template <typename T, typename F>
__device__ __forceinline__ void map(const T* a, const T* b, T* y, i64 n, const F& f) {
    if (is_aligned(a) && is_aligned(b) && is_aligned(y)) {
        map_by<Vector<T>::N>(a, b, y, n, f);
    } else {
        map_by<1>(a, b, y, n, f);
    }
}
