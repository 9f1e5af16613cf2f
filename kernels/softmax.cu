// softmax and log_softmax along one dimension, and their gradients.
//
//   y  = exp(x - top) / sum(exp(x - top))      dx = y (dy - sum(y dy))
//   y  = x - top - log(sum(exp(x - top)))      dx = dy - exp(y) sum(dy)
//
//   kernels    softmax_{warp,block,column}_{forward,backward}
//   rows       of `length` neighbours. warp: one warp per row of at most 1024, in registers; block:
//              one block per row, read twice
//   columns    memory (outer, length, inner): a thread per column, or per N neighbouring columns
//   launch     warp: a multiple of 32 threads up to 256; block: up to 1024; column: up to 256.
//              The order of each sum is fixed by the shape: results do not depend on grid or block
//   memory     forward reads n (block and column 2 n, the second time from a cache if the row fits),
//              writes n; backward reads 2 n (4 n) and writes n elements
//   called by  lucid/backend/cuda/softmax.py
#include "reduce.cuh"

const int HELD = 32;  // elements of a row that a lane keeps in registers

template <int K, typename T>
__device__ void hold_forward(const T* x, T* y, i64 length, bool whole, bool logarithm) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N, lane = threadIdx.x & 31;
    M v[K][N];
    Softsum<M> r;
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const i64 at = (k * 32 + lane) * N;
        if (at < length) {
            fetch(x, at, length, whole, v[k], -infinity<M>());
            r.add(v[k]);
        }
    }
    r = warp_reduce(r);
    const M shift = logarithm ? log_of(r.sum) : M(0), factor = M(1) / r.sum;
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const i64 at = (k * 32 + lane) * N;
        if (at < length) {
#pragma unroll
            for (int j = 0; j < N; ++j) {
                const M z = v[k][j] - r.top;
                v[k][j] = logarithm ? z - shift : exp_of(z) * factor;
            }
            put(y, at, length, whole, v[k]);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 1)
    softmax_warp_forward(const T* x, T* y, i64 rows, i64 length, int logarithm) {
    const int N = Vector<T>::N, warps = blockDim.x / 32;
    const bool whole = is_aligned(x) && is_aligned(y) && length % N == 0;
    i64 row = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; row < rows; row += static_cast<i64>(gridDim.x) * warps) {
        const T* from = x + row * length;
        T* to = y + row * length;
        if (length <= 32 * N) {
            hold_forward<1>(from, to, length, whole, logarithm);
        } else {
            hold_forward<HELD / N>(from, to, length, whole, logarithm);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_block_forward(const T* x, T* y, i64 rows, i64 length, int logarithm) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && is_aligned(y) && length % N == 0;
    const i64 groups = (length + N - 1) / N;
    for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* from = x + row * length;
        T* to = y + row * length;
        const Softsum<M> r = block_over<Softsum<M>>(groups, [&](i64 g, Softsum<M>& r) {
            M v[N];
            fetch(from, g * N, length, whole, v, -infinity<M>());
            r.add(v);
        });
        const M shift = logarithm ? log_of(r.sum) : M(0), factor = M(1) / r.sum;
        for (i64 g = threadIdx.x; g < groups; g += blockDim.x) {
            M v[N];
            fetch(from, g * N, length, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) {
                const M z = v[j] - r.top;
                v[j] = logarithm ? z - shift : exp_of(z) * factor;
            }
            put(to, g * N, length, whole, v);
        }
    }
}

template <typename M> __device__ __forceinline__ M share_of(M dy, M y, bool logarithm) {
    return logarithm ? dy : dy * y;
}

template <typename M> __device__ __forceinline__ M slope(M dy, M y, M total, bool logarithm) {
    return logarithm ? dy - exp_of(y) * total : y * (dy - total);
}

template <typename T>
__global__ void __launch_bounds__(256, 2) softmax_warp_backward(const T* dy, const T* y, T* dx, i64 rows,
                                                              i64 length, int logarithm) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N, warps = blockDim.x / 32, lane = threadIdx.x & 31;
    const bool whole = is_aligned(dy) && is_aligned(y) && is_aligned(dx) && length % N == 0;
    const i64 groups = (length + N - 1) / N;
    i64 row = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; row < rows; row += static_cast<i64>(gridDim.x) * warps) {
        const T* g_row = dy + row * length;
        const T* y_row = y + row * length;
        const Sums<M, 1> r = warp_over<Sums<M, 1>>(groups, [&](i64 g, Sums<M, 1>& r) {
            M u[N], v[N];
            fetch(g_row, g * N, length, whole, u, M(0));
            fetch(y_row, g * N, length, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) r.at[0] += share_of(u[j], v[j], logarithm);
        });
        for (i64 g = lane; g < groups; g += 32) {
            M u[N], v[N];
            fetch(g_row, g * N, length, whole, u, M(0));
            fetch(y_row, g * N, length, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = slope(u[j], v[j], r.at[0], logarithm);
            put(dx + row * length, g * N, length, whole, v);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(1024)
    softmax_block_backward(const T* dy, const T* y, T* dx, i64 rows, i64 length, int logarithm) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(dy) && is_aligned(y) && is_aligned(dx) && length % N == 0;
    const i64 groups = (length + N - 1) / N;
    for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* g_row = dy + row * length;
        const T* y_row = y + row * length;
        const Sums<M, 1> r = block_over<Sums<M, 1>>(groups, [&](i64 g, Sums<M, 1>& r) {
            M u[N], v[N];
            fetch(g_row, g * N, length, whole, u, M(0));
            fetch(y_row, g * N, length, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) r.at[0] += share_of(u[j], v[j], logarithm);
        });
        for (i64 g = threadIdx.x; g < groups; g += blockDim.x) {
            M u[N], v[N];
            fetch(g_row, g * N, length, whole, u, M(0));
            fetch(y_row, g * N, length, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = slope(u[j], v[j], r.at[0], logarithm);
            put(dx + row * length, g * N, length, whole, v);
        }
    }
}

// Column number c of `outer * inner`: its first element.
__device__ __forceinline__ i64 column_start(u64 c, i64 length, u32 inner) {
    u32 rest;
    const u64 outer = divide(c, inner, rest);
    return static_cast<i64>(outer) * length * inner + rest;
}

template <int N, typename T>
__device__ void columns_forward(const T* x, T* y, i64 outer, i64 length, u32 inner, bool logarithm) {
    typedef typename Compute<T>::type M;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x * N;
    i64 column = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * N;
    for (; column < outer * inner; column += step) {
        const i64 start = column_start(column, length, inner);
        Softsum<M> r[N];
        for (i64 i = 0; i < length; ++i) {
            M v[N];
            read(x + start + i * inner, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                const M one[1] = {v[j]};
                r[j].add(one);
            }
        }
        M shift[N];
#pragma unroll
        for (int j = 0; j < N; ++j) shift[j] = logarithm ? log_of(r[j].sum) : M(1) / r[j].sum;
        for (i64 i = 0; i < length; ++i) {
            M v[N];
            read(x + start + i * inner, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                const M z = v[j] - r[j].top;
                v[j] = logarithm ? z - shift[j] : exp_of(z) * shift[j];
            }
            write(y + start + i * inner, v);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    softmax_column_forward(const T* x, T* y, i64 outer, i64 length, u32 inner, int logarithm) {
    if (is_aligned(x) && is_aligned(y) && inner % Vector<T>::N == 0) {
        columns_forward<Vector<T>::N>(x, y, outer, length, inner, logarithm);
    } else {
        columns_forward<1>(x, y, outer, length, inner, logarithm);
    }
}

template <int N, typename T>
__device__ void columns_backward(const T* dy, const T* y, T* dx, i64 outer, i64 length, u32 inner,
                                 bool logarithm) {
    typedef typename Compute<T>::type M;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x * N;
    i64 column = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * N;
    for (; column < outer * inner; column += step) {
        const i64 start = column_start(column, length, inner);
        Sums<M, N> total;
        for (i64 i = 0; i < length; ++i) {
            M u[N], v[N];
            read(dy + start + i * inner, u);
            read(y + start + i * inner, v);
#pragma unroll
            for (int j = 0; j < N; ++j) total.at[j] += share_of(u[j], v[j], logarithm);
        }
        for (i64 i = 0; i < length; ++i) {
            M u[N], v[N];
            read(dy + start + i * inner, u);
            read(y + start + i * inner, v);
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = slope(u[j], v[j], total.at[j], logarithm);
            write(dx + start + i * inner, v);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256) softmax_column_backward(const T* dy, const T* y, T* dx, i64 outer,
                                                               i64 length, u32 inner, int logarithm) {
    if (is_aligned(dy) && is_aligned(y) && is_aligned(dx) && inner % Vector<T>::N == 0) {
        columns_backward<Vector<T>::N>(dy, y, dx, outer, length, inner, logarithm);
    } else {
        columns_backward<1>(dy, y, dx, outer, length, inner, logarithm);
    }
}
