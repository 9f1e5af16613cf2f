// Batch norm per channel, and the chain batch norm + relu + dropout2d in one pass.
//
//   y  = (x - mean) scale w + b        scale = 1 / sqrt(var + eps)
//   z  = keep ? factor max(y, 0) : 0   the chain: one decision per (n, c), of philox.cuh
//
//   kernels    {planes,columns}_statistics: of parts; combine_statistics: mean and var per channel,
//              and the running ones; update_running; {planes,columns}_normalize
//   planes     memory (N, C, inner)        columns: memory (N, inner, C), and (N, C) itself
//   launch     planes_statistics: a multiple of 32 threads up to 512, `lanes` per plane (0: a block);
//              columns_statistics, combine_statistics: (8, 1, 2, 4, ... or 32) threads;
//              planes_normalize: a multiple of 32 up to 256; columns_normalize: two dimensions, up to
//              256. Any grid. No result depends on grid or block
//   memory     statistics reads x once (again from a cache); normalize reads x and writes y once
//   called by  lucid/backend/cuda/batch_norm.py, lucid/backend/cuda/batch_statistics.py
#include "batch_norm.cuh"

// Mean and sum of squared distances of one plane each.
template <typename T>
__global__ void __launch_bounds__(512, 1)
    planes_statistics(const T* x, WIDE* means, WIDE* squares, i64 planes, i64 inner, int lanes) {
    typedef WIDE M;
    typedef Sums<M, 1> R;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && inner % N == 0;
    const i64 vectors = (inner + N - 1) / N;
    const Team team(lanes);
    for (i64 plane = team.first; team.any(plane, planes); plane += team.step) {
        const i64 count = plane < planes ? vectors : 0;
        const T* from = x + plane * inner;
        const M mean = team.over<R>(count, [&](i64 i, R& r) {
            M v[N];
            fetch(from, i * N, inner, whole, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) r.at[0] += v[j];
        }).at[0] / static_cast<M>(inner);
        const Sums<M, 2> away = team.over<Sums<M, 2>>(count, [&](i64 i, Sums<M, 2>& r) {
            M v[N];
            fetch(from, i * N, inner, whole, v, mean);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[0] += v[j] - mean;
                r.at[1] += (v[j] - mean) * (v[j] - mean);
            }
        });
        if (count && team.rank == 0) {
            const M left = away.at[0] / static_cast<M>(inner);  // what rounding left of the mean
            means[plane] = mean + left;
            squares[plane] = away.at[1] - away.at[0] * left;
        }
    }
}

// The same per chunk of rows and column.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_statistics(const T* x, WIDE* means, WIDE* squares, i64 rows, i64 width, i64 chunk) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    __shared__ M centers[COLUMN_LANES][N], lefts[COLUMN_LANES][N], totals[COLUMN_LANES][N];
    const bool whole = is_aligned(x) && width % N == 0;
    const i64 chunks = (rows + chunk - 1) / chunk;
    const i64 start = static_cast<i64>(blockIdx.x) * COLUMN_LANES * N;
    const i64 column = start + threadIdx.x * N;
    for (i64 c = blockIdx.y; c < chunks; c += gridDim.y) {
        const i64 first = c * chunk, last = first + chunk < rows ? first + chunk : rows;
        const M n = static_cast<M>(last - first);
        column_sums<1, N, M>(
            first, last,
            [&](i64 row, Sums<M, N>& r) {
                if (column >= width) return;
                M v[N];
                fetch(x + row * width, column, width, whole, v, M(0));
#pragma unroll
                for (int j = 0; j < N; ++j) r.at[j] += v[j];
            },
            [&](int, int lane, int j, M sum) { centers[lane][j] = sum / n; });
        __syncthreads();
        column_sums<2, N, M>(
            first, last,
            [&](i64 row, Sums<M, 2 * N>& r) {
                if (column >= width) return;
                M v[N];
                fetch(x + row * width, column, width, whole, v, M(0));
#pragma unroll
                for (int j = 0; j < N; ++j) {
                    const M away = v[j] - centers[threadIdx.x][j];
                    r.at[j] += away;
                    r.at[N + j] += away * away;
                }
            },
            [&](int k, int lane, int j, M sum) {
                if (k == 0) lefts[lane][j] = sum;
                if (k == 1) totals[lane][j] = sum;
            });
        __syncthreads();
        for (int i = threadIdx.y * COLUMN_LANES + threadIdx.x; i < COLUMN_LANES * N;
             i += blockDim.y * COLUMN_LANES) {
            const int lane = i / N, j = i % N;
            const M left = lefts[lane][j] / n;  // what rounding left of the mean
            if (start + i < width) {
                means[c * width + start + i] = centers[lane][j] + left;
                squares[c * width + start + i] = totals[lane][j] - lefts[lane][j] * left;
            }
        }
    }
}

// One step of a running statistic towards a batch's.
template <typename T, typename M> __device__ __forceinline__ void follow(T* running, M batch, M momentum) {
    *running = store<T>(load(*running) * (M(1) - momentum) + momentum * batch);
}

// Mean and (biased) variance of each channel from those of its parts, which have `count` elements, the
// last one `rest` (Chan, Golub and LeVeque, 1979). What a training step wants besides, if asked: the
// running statistics updated as by update_running, in T or in the computing type; and b copied, for a
// backward that does not see what became of it since.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    combine_statistics(const WIDE* means, const WIDE* squares, WIDE* mean, WIDE* var, i64 parts,
                       i64 width, i64 count, i64 rest, T* running_mean, T* running_var,
                       WIDE* wide_running_mean, WIDE* wide_running_var, i64* batches, double momentum,
                       double correction, const T* b_narrow, const WIDE* b_wide, WIDE* b_copy) {
    typedef WIDE M;
    __shared__ M centers[COLUMN_LANES];
    const i64 start = static_cast<i64>(blockIdx.x) * COLUMN_LANES, column = start + threadIdx.x;
    const M n = static_cast<M>((parts - 1) * count + rest);
    column_sums<1, 1, M>(
        0, parts,
        [&](i64 part, Sums<M, 1>& r) {
            const M size = static_cast<M>(part + 1 < parts ? count : rest);
            if (column < width) r.at[0] += (means[part * width + column] - means[column]) * (size / n);
        },
        // Relative to the first part's: a mean much larger than the deviation loses nothing.
        [&](int, int lane, int, M sum) {
            if (start + lane < width) centers[lane] = means[start + lane] + sum;
        });
    __syncthreads();
    column_sums<1, 1, M>(
        0, parts,
        [&](i64 part, Sums<M, 1>& r) {
            if (column >= width) return;
            const M size = static_cast<M>(part + 1 < parts ? count : rest);
            const M away = means[part * width + column] - centers[threadIdx.x];
            r.at[0] += squares[part * width + column] + size * away * away;
        },
        [&](int, int lane, int, M sum) {
            const i64 c = start + lane;
            if (c >= width) return;
            const M average = centers[lane], spread = sum / n, m = static_cast<M>(momentum);
            const M unbiased = spread * static_cast<M>(correction);
            mean[c] = average;
            var[c] = spread;
            if (running_mean) follow(running_mean + c, average, m);
            if (running_var) follow(running_var + c, unbiased, m);
            if (wide_running_mean) follow(wide_running_mean + c, average, m);
            if (wide_running_var) follow(wide_running_var + c, unbiased, m);
            if (batches && c == 0) ++*batches;
            if (b_copy) b_copy[c] = Parameter<T>{b_narrow, b_wide, M(0)}[c];
        });
}

// running = (1 - momentum) running + momentum batch, var as the unbiased estimate; and one more in
// batches. A negative momentum: 1 / batches, so that they become the mean over all batches; then the
// grid must be one block, as others could read the counter after it was written.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    update_running(T* running_mean, T* running_var, const WIDE* mean, const WIDE* var, i64* batches,
                   i64 channels, double momentum, double correction) {
    typedef WIDE M;
    if (momentum < 0) {
        momentum = 1.0 / static_cast<double>(*batches + 1);
        __syncthreads();
    }
    const M m = static_cast<M>(momentum), c = static_cast<M>(correction);
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i == 0 && batches) ++*batches;
    for (; i < channels; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        if (running_mean) follow(running_mean + i, mean[i], m);
        if (running_var) follow(running_var + i, var[i] * c, m);
    }
}

template <int N, typename T>
__device__ void normalize_planes(const T* x, T* y, i64 n, u32 inner, u32 channels, const Norm<T>& norm,
                                 const Chain& chain) {
    typedef WIDE M;
    over_planes<N>(n, inner, channels, chain.drawn, [&](i64 at, u32 c, bool keep) {
        const Line<M> line(norm, c);
        M v[N];
        read(x + at, v);
#pragma unroll
        for (int j = 0; j < N; ++j) v[j] = chain.forward(line.at(v[j]), keep);
        write(y + at, v);
    });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    planes_normalize(const T* x, T* y, i64 n, u32 inner, u32 channels, NORM_ARGUMENTS, CHAIN_ARGUMENTS) {
    NORM CHAIN
    if (is_aligned(x) && is_aligned(y) && inner % Vector<T>::N == 0) {
        normalize_planes<Vector<T>::N>(x, y, n, inner, channels, norm, chain);
    } else {
        normalize_planes<1>(x, y, n, inner, channels, norm, chain);
    }
}

template <int N, typename T>
__device__ void normalize_columns(const T* x, T* y, i64 samples, i64 inner, u32 channels,
                                  const Norm<T>& norm, const Chain& chain) {
    typedef WIDE M;
    over_columns<N>(samples, inner, channels, chain.drawn, [&](i64 corner, u32 channel, u32 keep) {
        Line<M> line[N];
#pragma unroll
        for (int j = 0; j < N; ++j) line[j] = Line<M>(norm, channel + j);
        for (i64 i = first_position(); i < inner; i += all_positions()) {
            M v[N];
            read(x + corner + i * channels, v);
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = chain.forward(line[j].at(v[j]), keep >> j & 1);
            write(y + corner + i * channels, v);
        }
    });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_normalize(const T* x, T* y, i64 samples, i64 inner, u32 channels, NORM_ARGUMENTS,
                      CHAIN_ARGUMENTS) {
    NORM CHAIN
    if (is_aligned(x) && is_aligned(y) && channels % Vector<T>::N == 0) {
        normalize_columns<Vector<T>::N>(x, y, samples, inner, channels, norm, chain);
    } else {
        normalize_columns<1>(x, y, samples, inner, channels, norm, chain);
    }
}
