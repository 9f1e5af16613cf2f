// Two frequent shapes of pooling, without the general kernels' window arithmetic.
//
//   global   y = sum(plane) / divisor         dx = dy / divisor, for all of the plane
//   pairs    windows of 2 x 2 that cover the plane, in C order: of two rows of x one of y
//
//   kernels  global_mean_rows, global_spread_rows         memory (planes, inner)
//            global_mean_columns, global_spread_columns   memory (samples, inner, channels)
//            max_pairs, max_pairs_gather                  numbers: 0 .. 3, as max_pool's
//            avg_pairs, avg_pairs_gather
//   launch   global_mean_rows: a multiple of 32 threads up to 512, `lanes` per plane (0: a block);
//            global_mean_columns: (8, 1, 2, 4, ... or 32); the rest up to 256. Any such grid and block
//            give the same result
//   memory   each element once; loads and stores of 16 bytes, but 8 of the smaller side of pairs. pairs:
//            all pointers are aligned, and width (of x) is a multiple of 16 bytes
//   called by  lucid/backend/cuda/pooling_planes.py
#include "reduce.cuh"

// As write, but never taken apart by the compiler.
template <int N, typename T, typename M>
__device__ __forceinline__ void write_whole(T* p, const M (&v)[N]) {
    Pack<N, T> pack;
#pragma unroll
    for (int j = 0; j < N; ++j) pack.at[j] = store<T>(v[j]);
    store_pack<N>(p, pack);
}

template <typename T>
__global__ void __launch_bounds__(512, 1)
    global_mean_rows(const T* x, T* y, i64 planes, i64 inner, double divisor, int lanes) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && inner % N == 0;
    const Team team(lanes);
    for (i64 plane = team.first; team.any(plane, planes); plane += team.step) {
        const bool mine = plane < planes;
        const T* from = x + plane * inner;
        const Sums<M, 1> sum =
            team.over<Sums<M, 1>>(mine ? (inner + N - 1) / N : 0, [&](i64 g, Sums<M, 1>& r) {
                M v[N];
                fetch(from, g * N, inner, whole, v, M(0));
#pragma unroll
                for (int j = 0; j < N; ++j) r.at[0] += v[j];
            });
        if (mine && team.rank == 0) y[plane] = store<T>(sum.at[0] / static_cast<M>(divisor));
    }
}

template <int N, typename T>
__device__ void mean_columns(const T* x, T* y, i64 samples, i64 inner, u32 channels, double divisor) {
    typedef typename Compute<T>::type M;
    const u32 tile = COLUMN_LANES * N;
    for (i64 sample = blockIdx.y; sample < samples; sample += gridDim.y) {
        for (u32 left = blockIdx.x * tile; left < channels; left += gridDim.x * tile) {
            const u32 channel = left + threadIdx.x * N;
            column_sums<1, N, M>(
                sample * inner, (sample + 1) * inner,
                [&](i64 row, Sums<M, N>& r) {
                    if (channel >= channels) return;
                    M v[N];
                    read(x + row * channels + channel, v);
#pragma unroll
                    for (int j = 0; j < N; ++j) r.at[j] += v[j];
                },
                [&](int, int lane, int j, M sum) {
                    const u32 at = left + lane * N + j;
                    if (at < channels)
                        y[sample * channels + at] = store<T>(sum / static_cast<M>(divisor));
                });
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    global_mean_columns(const T* x, T* y, i64 samples, i64 inner, u32 channels, double divisor) {
    if (is_aligned(x) && channels % Vector<T>::N == 0) {
        mean_columns<Vector<T>::N>(x, y, samples, inner, channels, divisor);
    } else {
        mean_columns<1>(x, y, samples, inner, channels, divisor);
    }
}

// n: elements of dx; N neighbours may lie in several planes.
template <int N, typename T>
__device__ void spread_rows(const T* dy, T* dx, i64 n, u32 inner, double divisor) {
    typedef typename Compute<T>::type M;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i * N < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        u32 inside;
        u64 plane = divide(i * N, inner, inside);
        M value = load(dy[plane]) / static_cast<M>(divisor), v[N];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            if (inside == inner && i * N + j < n) {
                inside = 0;
                value = load(dy[++plane]) / static_cast<M>(divisor);
            }
            v[j] = value;
            ++inside;
        }
        if (i * N + N <= n) {
            write_whole(dx + i * N, v);
        } else {
            write_some(dx + i * N, v, n - i * N);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    global_spread_rows(const T* dy, T* dx, i64 n, u32 inner, double divisor) {
    if (is_aligned(dx)) {
        spread_rows<Vector<T>::N>(dy, dx, n, inner, divisor);
    } else {
        spread_rows<1>(dy, dx, n, inner, divisor);
    }
}

template <int N, typename T>
__device__ void spread_columns(const T* dy, T* dx, i64 samples, u32 inner, u32 channels,
                               double divisor) {
    typedef typename Compute<T>::type M;
    const u32 vectors = channels / N;
    const i64 n = samples * inner * vectors;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        u32 which, position;
        const u64 sample = divide(divide(i, vectors, which), inner, position);
        M v[N];
        read(dy + sample * channels + static_cast<u64>(which) * N, v);
#pragma unroll
        for (int j = 0; j < N; ++j) v[j] /= static_cast<M>(divisor);
        write_whole(dx + i * N, v);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    global_spread_columns(const T* dy, T* dx, i64 samples, u32 inner, u32 channels, double divisor) {
    if (is_aligned(dy) && is_aligned(dx) && channels % Vector<T>::N == 0) {
        spread_columns<Vector<T>::N>(dy, dx, samples, inner, channels, divisor);
    } else {
        spread_columns<1>(dy, dx, samples, inner, channels, divisor);
    }
}

// A thread's place: N elements of two rows of x, and N / 2 of a row of y. rows: of y, in all planes.
#define FOR_EVERY_PAIR                                                                       \
    const int N = Vector<T>::N;                                                              \
    const u32 vectors = width / N;                                                           \
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;                         \
    for (; i < rows * vectors; i += static_cast<i64>(gridDim.x) * blockDim.x)
#define PAIR_PLACE                                                                           \
    u32 which;                                                                               \
    const i64 row = static_cast<i64>(divide(i, vectors, which));                             \
    const i64 upper = row * 2 * width + static_cast<i64>(which) * N, lower = upper + width;  \
    const i64 small = row * (width / 2) + static_cast<i64>(which) * (N / 2);

template <typename T>
__global__ void __launch_bounds__(256)
    max_pairs(const T* x, T* y, unsigned char* numbers, i64 rows, u32 width) {
    typedef typename Compute<T>::type M;
    FOR_EVERY_PAIR {
        PAIR_PLACE
        M v[2][N], best[N / 2];
        read(x + upper, v[0]);
        read(x + lower, v[1]);
        Pack<N / 2, unsigned char> number;
#pragma unroll
        for (int j = 0; j < N / 2; ++j) {
            best[j] = v[0][2 * j];
            number.at[j] = 0;
#pragma unroll
            for (int k = 1; k < 4; ++k) {
                const M next = v[k / 2][2 * j + k % 2];
                if (next > best[j] || (is_nan(next) && !is_nan(best[j]))) {
                    best[j] = next;
                    number.at[j] = static_cast<unsigned char>(k);
                }
            }
        }
        write_whole(y + small, best);
        if (numbers) *reinterpret_cast<Pack<N / 2, unsigned char>*>(numbers + small) = number;
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    max_pairs_gather(const T* dy, const unsigned char* numbers, T* dx, i64 rows, u32 width) {
    typedef typename Compute<T>::type M;
    FOR_EVERY_PAIR {
        PAIR_PLACE
        M g[N / 2], v[2][N];
        read(dy + small, g);
        const Pack<N / 2, unsigned char> number =
            *reinterpret_cast<const Pack<N / 2, unsigned char>*>(numbers + small);
#pragma unroll
        for (int j = 0; j < N / 2; ++j) {
#pragma unroll
            for (int k = 0; k < 4; ++k) v[k / 2][2 * j + k % 2] = number.at[j] == k ? g[j] : M(0);
        }
        write_whole(dx + upper, v[0]);
        write_whole(dx + lower, v[1]);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    avg_pairs(const T* x, T* y, i64 rows, u32 width, double divisor) {
    typedef typename Compute<T>::type M;
    FOR_EVERY_PAIR {
        PAIR_PLACE
        M v[2][N], mean[N / 2];
        read(x + upper, v[0]);
        read(x + lower, v[1]);
#pragma unroll
        for (int j = 0; j < N / 2; ++j) {
            const M sum = ((v[0][2 * j] + v[0][2 * j + 1]) + v[1][2 * j]) + v[1][2 * j + 1];
            mean[j] = sum / static_cast<M>(divisor);
        }
        write_whole(y + small, mean);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    avg_pairs_gather(const T* dy, T* dx, i64 rows, u32 width, double divisor) {
    typedef typename Compute<T>::type M;
    FOR_EVERY_PAIR {
        PAIR_PLACE
        M g[N / 2], v[N];
        read(dy + small, g);
#pragma unroll
        for (int j = 0; j < N; ++j) v[j] = g[j / 2] / static_cast<M>(divisor);
        write_whole(dx + upper, v);
        write_whole(dx + lower, v);
    }
}
