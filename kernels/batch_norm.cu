// Batch norm per channel, and the chain batch norm + relu + dropout2d in one pass.
//
//   y  = (x - mean) scale w + b        scale = 1 / sqrt(var + eps)
//   z  = keep ? factor max(y, 0) : 0   the chain: one decision per (n, c), of philox.cuh
//
//   kernels    {planes,columns}_statistics: of parts; combine_statistics: mean and var per channel;
//              update_running; {planes,columns}_normalize
//   planes     memory (N, C, inner)        columns: memory (N, inner, C), and (N, C) itself
//   launch     planes_statistics: a multiple of 32 threads up to 512, `lanes` per plane (0: a block);
//              columns_statistics, combine_statistics: (8, 1, 2, 4, ... or 32) threads;
//              planes_normalize: a multiple of 32 up to 256; columns_normalize: two dimensions, up to
//              256. Any grid. No result depends on grid or block
//   memory     statistics reads x once (again from a cache); normalize reads x and writes y once
//   called by  lucid/backend/cuda/batch_norm.py
#include "philox.cuh"
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

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

// Mean and (biased) variance of each channel from those of its parts, which have `count` elements, the
// last one `rest` (Chan, Golub and LeVeque, 1979).
template <typename T>
__global__ void __launch_bounds__(256, 2)
    combine_statistics(const T*, const WIDE* means, const WIDE* squares, WIDE* mean, WIDE* var,
                       i64 parts, i64 width, i64 count, i64 rest) {
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
            if (start + lane >= width) return;
            mean[start + lane] = centers[lane];
            var[start + lane] = sum / n;
        });
}

// running = (1 - momentum) running + momentum batch, var as the unbiased estimate.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    update_running(T* running_mean, T* running_var, const WIDE* mean, const WIDE* var, i64 channels,
                   double momentum, double correction) {
    typedef WIDE M;
    const M m = static_cast<M>(momentum), c = static_cast<M>(correction);
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < channels; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        if (running_mean) running_mean[i] = store<T>(load(running_mean[i]) * (M(1) - m) + m * mean[i]);
        if (running_var) running_var[i] = store<T>(load(running_var[i]) * (M(1) - m) + m * (var[i] * c));
    }
}

// What becomes of y after the norm: nothing, relu, or relu and dropout2d.
struct Chain {
    int relu;
    u64 threshold;  // 0: no decisions
    double factor;
    Key key;
};

template <typename T> struct Norm {
    typedef WIDE M;
    const M* mean;
    const M* var;
    Parameter<T> w, b;
    M eps;
    __device__ __forceinline__ M scale(i64 c) const { return M(1) / root(var[c] + eps); }
};

template <typename M> __device__ __forceinline__ M finish(M y, bool keep, const Chain& chain) {
    if (chain.relu) y = maximum(y, M(0));
    return keep ? y * static_cast<M>(chain.factor) : M(0);
}

// A warp takes `chunk` elements, as bernoulli_affine_channel does: its lanes decide for all channels
// in reach, then walk side by side.
template <int N, typename T>
__device__ void normalize_planes(const T* x, T* y, i64 n, u32 inner, u32 channels, const Norm<T>& norm,
                                 const Chain& chain) {
    typedef WIDE M;
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32, chunk = inner < 8 ? 512 : 2048;
    i64 base = (static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32) * chunk;
    for (; base < n; base += static_cast<i64>(gridDim.x) * warps * chunk) {
        u32 inside, channel;
        const u64 plane = divide(base, inner, inside);
        divide(plane, channels, channel);
        const u32 skipped = plane & 15;
        u32 mine = ~0u;
        if (chain.threshold && lane <= (skipped + (inside + chunk - 1) / inner) / 16) {
            mine = keep_bits(chain.key, plane / 16 + lane, chain.threshold);
        }
        for (int at = lane * N; at < chunk; at += 32 * N) {
            const u32 behind = (inside + at) / inner;  // planes
            u32 keep = 1;
            if (chain.threshold) {
                const u32 decision = skipped + behind;
                keep = __shfl_sync(FULL_WARP, mine, decision / 16) >> (decision % 16) & 1;
            }
            if (base + at >= n) continue;
            const u32 c = (channel + behind) % channels;
            const M mean = norm.mean[c], steep = norm.scale(c) * norm.w[c], level = norm.b[c];
            M v[N];
            read(x + base + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) v[j] = finish((v[j] - mean) * steep + level, keep, chain);
            write(y + base + at, v);
        }
    }
}

#define NORM_ARGUMENTS                                                                            \
    const WIDE *mean, const WIDE *var, const T *w_narrow, const WIDE *w_wide, const T *b_narrow,  \
        const WIDE *b_wide, double eps
#define NORM                                                                                  \
    const Norm<T> norm = {mean, var, {w_narrow, w_wide, WIDE(1)}, {b_narrow, b_wide, WIDE(0)}, \
                          static_cast<WIDE>(eps)};
#define CHAIN_ARGUMENTS                                                                       \
    int relu, u64 threshold, double factor, u64 seed, u64 stream, u64 offset_low, u64 offset_high, \
        const u64 *base
#define CHAIN                               \
    const Chain chain = {relu, threshold, factor, key_of(seed, stream, offset_low, offset_high, base)};

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

// Decisions first .. first + count - 1 (count <= 16) as bits; they may lie in two Philox blocks.
__device__ __forceinline__ u32 decisions(const Chain& chain, u64 first) {
    if (!chain.threshold) return ~0u;
    const u32 offset = first % 16;
    u32 bits = keep_bits(chain.key, first / 16, chain.threshold) >> offset;
    if (offset) bits |= keep_bits(chain.key, first / 16 + 1, chain.threshold) << (16 - offset);
    return bits;
}

// A thread keeps N neighbouring channels of a sample and walks over its positions.
template <int N, typename T>
__device__ void normalize_columns(const T* x, T* y, i64 samples, i64 inner, u32 channels,
                                  const Norm<T>& norm, const Chain& chain) {
    typedef WIDE M;
    const i64 groups = channels / N, tiles = samples * groups;
    i64 tile = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; tile < tiles; tile += static_cast<i64>(gridDim.x) * blockDim.x) {
        const i64 sample = tile / groups;
        const u32 channel = static_cast<u32>(tile - sample * groups) * N;
        const u32 keep = decisions(chain, static_cast<u64>(sample) * channels + channel);
        M mean[N], steep[N], level[N];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            mean[j] = norm.mean[channel + j];
            steep[j] = norm.scale(channel + j) * norm.w[channel + j];
            level[j] = norm.b[channel + j];
        }
        for (i64 i = static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y; i < inner;
             i += static_cast<i64>(gridDim.y) * blockDim.y) {
            const i64 at = (sample * inner + i) * channels + channel;
            M v[N];
            read(x + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                v[j] = finish((v[j] - mean[j]) * steep[j] + level[j], keep >> j & 1, chain);
            }
            write(y + at, v);
        }
    }
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
