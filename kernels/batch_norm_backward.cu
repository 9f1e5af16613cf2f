// The gradient of batch norm per channel, and of the chain batch norm + relu + dropout2d.
//
//   g  = dy, or of the chain, whose output is z: z == 0 ? 0 : factor dy. Nothing is drawn again
//   dx = g scale w, or, where mean and var are x's own (n elements each),
//        g scale w - (scale w sum(g) - dmean) / n
//        - (x - mean) (scale w scale^2 sum(g (x - mean)) - 2 dvar) / n
//   dw = sum(g (x - mean)) scale       db = sum(g)
//
//   kernels    {planes,columns}_sums: parts of both sums; combine_sums: totals, and dw and db;
//              {planes,columns}_backward: dx
//   planes     memory (N, C, inner)        columns: memory (N, inner, C), and (N, C) itself
//   launch     planes_sums: a multiple of 32 threads up to 512, `lanes` per plane (0: a block);
//              columns_sums and combine_sums: (8, 1, 2, 4, ... or 32) threads; planes_backward: up to
//              256; columns_backward: two dimensions, up to 256. No result depends on grid or block
//   memory     dy and x (and z) are read twice, dx is written once
//   called by  lucid/backend/cuda/batch_norm.py
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

// N elements of g.
template <int N, typename T, typename M>
__device__ __forceinline__ void upstream(const T* dy, const T* z, i64 at, i64 length, bool whole,
                                         M factor, M (&g)[N]) {
    fetch(dy, at, length, whole, g, M(0));
    if (z == nullptr) return;
    M kept[N];
    fetch(z, at, length, whole, kept, M(0));
#pragma unroll
    for (int j = 0; j < N; ++j) g[j] = kept[j] == M(0) ? M(0) : g[j] * factor;
}

// partial: sums of g (x - mean) of all planes, then of g.
template <typename T>
__global__ void __launch_bounds__(512, 1)
    planes_sums(const T* dy, const T* x, const T* z, const WIDE* mean, WIDE* partial, i64 planes,
                i64 inner, u32 channels, double factor, int lanes) {
    typedef WIDE M;
    typedef Sums<M, 2> R;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && is_aligned(dy) && is_aligned(z) && inner % N == 0;
    const i64 vectors = (inner + N - 1) / N;
    const Team team(lanes);
    for (i64 plane = team.first; team.any(plane, planes); plane += team.step) {
        const bool mine = plane < planes;
        const i64 start = plane * inner;
        const M center = mean[plane % channels];
        const T* kept = z ? z + start : nullptr;
        const R sums = team.over<R>(mine ? vectors : 0, [&](i64 i, R& r) {
            M g[N], v[N];
            upstream(dy + start, kept, i * N, inner, whole, static_cast<M>(factor), g);
            fetch(x + start, i * N, inner, whole, v, center);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[0] += g[j] * (v[j] - center);
                r.at[1] += g[j];
            }
        });
        if (mine && team.rank == 0) {
            partial[plane] = sums.at[0];
            partial[planes + plane] = sums.at[1];
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_sums(const T* dy, const T* x, const T* z, const WIDE* mean, WIDE* partial, i64 rows,
                 i64 width, i64 chunk, double factor) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && is_aligned(dy) && is_aligned(z) && width % N == 0;
    const i64 chunks = (rows + chunk - 1) / chunk;
    const i64 start = static_cast<i64>(blockIdx.x) * COLUMN_LANES * N, column = start + threadIdx.x * N;
    M center[N];
#pragma unroll
    for (int j = 0; j < N; ++j) center[j] = column + j < width ? mean[column + j] : M(0);
    for (i64 c = blockIdx.y; c < chunks; c += gridDim.y) {
        const i64 last = (c + 1) * chunk < rows ? (c + 1) * chunk : rows;
        column_sums<2, N, M>(
            c * chunk, last,
            [&](i64 row, Sums<M, 2 * N>& r) {
                if (column >= width) return;
                M g[N], v[N];
                const T* kept = z ? z + row * width : nullptr;
                upstream(dy + row * width, kept, column, width, whole, static_cast<M>(factor), g);
                fetch(x + row * width, column, width, whole, v, M(0));
#pragma unroll
                for (int j = 0; j < N; ++j) {
                    r.at[j] += g[j] * (v[j] - center[j]);
                    r.at[N + j] += g[j];
                }
            },
            [&](int k, int lane, int j, M sum) {
                const i64 at = start + lane * N + j;
                if (at < width) partial[(k * chunks + c) * width + at] = sum;
            });
    }
}

// along = sum(g (x - mean)) and total = sum(g) per channel; dw.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    combine_sums(const T*, const WIDE* partial, const WIDE* var, WIDE* along, WIDE* total, WIDE* dw,
                 i64 parts, i64 width, double eps) {
    typedef WIDE M;
    const i64 start = static_cast<i64>(blockIdx.x) * COLUMN_LANES, column = start + threadIdx.x;
    column_sums<2, 1, M>(
        0, parts,
        [&](i64 part, Sums<M, 2>& r) {
            if (column >= width) return;
            r.at[0] += partial[part * width + column];
            r.at[1] += partial[(parts + part) * width + column];
        },
        [&](int k, int lane, int, M sum) {
            const i64 at = start + lane;
            if (at >= width) return;
            if (k == 1) {
                total[at] = sum;
            } else {
                along[at] = sum;
                dw[at] = sum / root(var[at] + static_cast<M>(eps));
            }
        });
}

// dx = g steep + (x - mean) bend + level, per channel.
template <typename T> struct Slope {
    typedef WIDE M;
    const M *mean, *var, *along, *total, *dmean, *dvar;  // along is null for given statistics
    Parameter<T> w;
    M eps, n, factor;
    __device__ __forceinline__ void at(i64 c, M& steep, M& bend, M& level) const {
        const M scale = M(1) / root(var[c] + eps);
        steep = scale * w[c];
        bend = level = M(0);
        if (along == nullptr) return;
        bend = -steep * scale * scale * along[c];
        level = -steep * total[c];
        if (dvar) bend += M(2) * dvar[c];
        if (dmean) level += dmean[c];
        bend /= n;
        level /= n;
    }
};

#define SLOPE_ARGUMENTS                                                                        \
    const WIDE *mean, const WIDE *var, const WIDE *along, const WIDE *total, const WIDE *dmean, \
        const WIDE *dvar, const T *w_narrow, const WIDE *w_wide, double eps, double n, double factor
#define SLOPE                                                                                   \
    const Slope<T> slope = {mean, var, along, total, dmean, dvar, {w_narrow, w_wide, WIDE(1)},  \
                            static_cast<WIDE>(eps), static_cast<WIDE>(n), static_cast<WIDE>(factor)};

template <int N, typename T>
__device__ void planes_dx(const T* dy, const T* x, const T* z, T* dx, i64 size, u32 inner,
                          u32 channels, const Slope<T>& slope) {
    typedef WIDE M;
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x * N;
    i64 at = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * N;
    for (; at < size; at += step) {
        u32 rest, c;
        divide(divide(at, inner, rest), channels, c);
        M steep, bend, level, g[N], v[N];
        slope.at(c, steep, bend, level);
        upstream(dy, z, at, size, true, slope.factor, g);
        if (slope.along) {
            read(x + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) g[j] = g[j] * steep + (v[j] - slope.mean[c]) * bend + level;
        } else {
#pragma unroll
            for (int j = 0; j < N; ++j) g[j] *= steep;
        }
        write(dx + at, g);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    planes_backward(const T* dy, const T* x, const T* z, T* dx, i64 size, u32 inner, u32 channels,
                    SLOPE_ARGUMENTS) {
    SLOPE
    const bool aligned = is_aligned(dy) && is_aligned(x) && is_aligned(z) && is_aligned(dx);
    if (aligned && inner % Vector<T>::N == 0) {
        planes_dx<Vector<T>::N>(dy, x, z, dx, size, inner, channels, slope);
    } else {
        planes_dx<1>(dy, x, z, dx, size, inner, channels, slope);
    }
}

template <int N, typename T>
__device__ void columns_dx(const T* dy, const T* x, const T* z, T* dx, i64 rows, u32 channels,
                           const Slope<T>& slope) {
    typedef WIDE M;
    const u32 groups = channels / N;
    u32 group = blockIdx.x * blockDim.x + threadIdx.x;
    for (; group < groups; group += gridDim.x * blockDim.x) {
        const u32 c = group * N;
        M steep[N], bend[N], level[N], mean[N];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            slope.at(c + j, steep[j], bend[j], level[j]);
            mean[j] = slope.mean[c + j];
        }
        for (i64 row = static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
             row += static_cast<i64>(gridDim.y) * blockDim.y) {
            const i64 at = row * channels + c;
            M g[N], v[N];
            upstream(dy, z, at, at + N, true, slope.factor, g);
            if (slope.along) {
                read(x + at, v);
#pragma unroll
                for (int j = 0; j < N; ++j) g[j] = g[j] * steep[j] + (v[j] - mean[j]) * bend[j] + level[j];
            } else {
#pragma unroll
                for (int j = 0; j < N; ++j) g[j] *= steep[j];
            }
            write(dx + at, g);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_backward(const T* dy, const T* x, const T* z, T* dx, i64 rows, u32 channels,
                     SLOPE_ARGUMENTS) {
    SLOPE
    const bool aligned = is_aligned(dy) && is_aligned(x) && is_aligned(z) && is_aligned(dx);
    if (aligned && channels % Vector<T>::N == 0) {
        columns_dx<Vector<T>::N>(dy, x, z, dx, rows, channels, slope);
    } else {
        columns_dx<1>(dy, x, z, dx, rows, channels, slope);
    }
}
