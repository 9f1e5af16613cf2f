// Layer, group, instance and rms norm: a row is a sample, or a group of its channels.
//
//   y  = (x - mean) scale w + b        scale = 1 / sqrt(var + eps)
//   g  = dy w,  away = x - mean        (rms norm: mean = 0 and no b; var is the mean of x^2)
//   dx = g scale - (sum(g) scale - dmean) / n - away scale (sum(g away) scale^2 - 2 dvar / scale) / n
//   dw = sum(dy away scale)            db = sum(dy)
//
//   kernels    norm_forward, norm_backward    rows of `length` neighbours
//              norm_columns, norm_planes      the two sums of chunks of rows, or of whole planes
//              norm_totals                    their totals: dw and db
//   parameter  of element i of row r: r % groups * (length / inner) + i / inner
//   launch     rows and planes: a multiple of 32 threads up to 512, `team` lanes per row (0: a block);
//              columns and totals: (8, 1, 2, 4, ... or 32) threads. Sums are ordered by shape alone
//   memory     forward reads a row from memory once and twice from the cache, writes it once; backward
//              reads dy and x the same way, once more for dw and db, and writes dx once
//   called by  lucid/backend/cuda/normalization.py
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

template <typename T>
__global__ void __launch_bounds__(512, 1)
    norm_forward(const T* x, T* y, WIDE* means, WIDE* vars, const T* w_narrow, const WIDE* w_wide,
                 const T* b_narrow, const WIDE* b_wide, i64 rows, i64 length, u32 groups, u32 inner,
                 double eps, int lanes) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    const Parameter<T> w = {w_narrow, w_wide, M(1)}, b = {b_narrow, b_wide, M(0)};
    const bool whole = is_aligned(x) && is_aligned(y) && length % N == 0;
    const bool vector = whole && inner == 1 && w.aligned() && b.aligned();
    const i64 vectors = (length + N - 1) / N, per = length / inner;
    const M n = static_cast<M>(length);
    const Team team(lanes);
    for (i64 row = team.first; team.any(row, rows); row += team.step) {
        const i64 count = row < rows ? vectors : 0;
        const T* from = x + row * length;
        M mean = M(0);
        if (means) {
            mean = team.over<Sums<M, 1>>(count, [&](i64 g, Sums<M, 1>& r) {
                M v[N];
                fetch(from, g * N, length, whole, v, M(0));
#pragma unroll
                for (int j = 0; j < N; ++j) r.at[0] += v[j];
            }).at[0] / n;
        }
        const Sums<M, 2> away = team.over<Sums<M, 2>>(count, [&](i64 g, Sums<M, 2>& r) {
            M v[N];
            fetch(from, g * N, length, whole, v, mean);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[0] += v[j] - mean;
                r.at[1] += (v[j] - mean) * (v[j] - mean);
            }
        });
        const M left = means ? away.at[0] / n : M(0);  // what rounding left of the mean
        const M var = away.at[1] / n - left * left;
        mean += left;
        const M scale = M(1) / root(var + static_cast<M>(eps));
        if (count && team.rank == 0) {
            if (means) means[row] = mean;
            vars[row] = var;
        }
        const i64 start = row % groups * per;
        for (i64 g = team.rank; g < count; g += team.size) {
            const i64 at = g * N;
            M v[N];
            fetch(from, at, length, whole, v, M(0));
            if (vector) {
                M steep[N], level[N];
                w.get(start + at, true, steep);
                b.get(start + at, true, level);
#pragma unroll
                for (int j = 0; j < N; ++j) v[j] = (v[j] - mean) * scale * steep[j] + level[j];
            } else {
#pragma unroll
                for (int j = 0; j < N; ++j) {
                    const i64 i = at + j < length ? at + j : length - 1;
                    const i64 p = start + (inner == 1 ? i : static_cast<u32>(i) / inner);
                    v[j] = (v[j] - mean) * scale * w[p] + b[p];
                }
            }
            put(y + row * length, at, length, whole, v);
        }
    }
}

// g = dy w of N elements, and away = x - mean; both 0 beyond the row's end.
template <int N, typename T, typename M>
__device__ __forceinline__ void slopes(const T* dy, const T* x, i64 at, i64 length, bool whole,
                                       bool vector, const Parameter<T>& w, i64 start, u32 inner,
                                       M mean, M (&g)[N], M (&away)[N]) {
    fetch(dy, at, length, whole, g, M(0));
    fetch(x, at, length, whole, away, mean);
    if (vector) {
        M steep[N];
        w.get(start + at, true, steep);
#pragma unroll
        for (int j = 0; j < N; ++j) g[j] *= steep[j];
    } else {
#pragma unroll
        for (int j = 0; j < N; ++j) {
            const i64 i = at + j < length ? at + j : length - 1;
            g[j] *= w[start + (inner == 1 ? i : static_cast<u32>(i) / inner)];
        }
    }
#pragma unroll
    for (int j = 0; j < N; ++j) away[j] -= mean;
}

template <typename T>
__global__ void __launch_bounds__(512, 1)
    norm_backward(const T* dy, const T* x, T* dx, const WIDE* means, const WIDE* vars,
                  const WIDE* dmeans, const WIDE* dvars, const T* w_narrow, const WIDE* w_wide,
                  i64 rows, i64 length, u32 groups, u32 inner, double eps, int lanes) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    const Parameter<T> w = {w_narrow, w_wide, M(1)};
    const bool whole = is_aligned(x) && is_aligned(dy) && is_aligned(dx) && length % N == 0;
    const bool vector = whole && inner == 1 && w.aligned();
    const i64 vectors = (length + N - 1) / N, per = length / inner;
    const M n = static_cast<M>(length);
    const Team team(lanes);
    for (i64 row = team.first; team.any(row, rows); row += team.step) {
        const bool mine = row < rows;
        const i64 count = mine ? vectors : 0, start = row % groups * per;
        const T *g_row = dy + row * length, *x_row = x + row * length;
        const M mean = means && mine ? means[row] : M(0);
        const M scale = M(1) / root((mine ? vars[row] : M(1)) + static_cast<M>(eps));
        const Sums<M, 2> sums = team.over<Sums<M, 2>>(count, [&](i64 i, Sums<M, 2>& r) {
            M g[N], away[N];
            slopes(g_row, x_row, i * N, length, whole, vector, w, start, inner, mean, g, away);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[0] += g[j];
                r.at[1] += g[j] * away[j];
            }
        });
        M along = sums.at[1] * scale * scale, level = sums.at[0] * scale;
        if (dvars && mine) along -= dvars[row] * M(2) / scale;
        if (dmeans && mine) level -= dmeans[row];
        along *= scale / n;
        level = means ? level / n : M(0);
        for (i64 i = team.rank; i < count; i += team.size) {
            M g[N], away[N];
            slopes(g_row, x_row, i * N, length, whole, vector, w, start, inner, mean, g, away);
#pragma unroll
            for (int j = 0; j < N; ++j) g[j] = g[j] * scale - level - away[j] * along;
            put(dx + row * length, i * N, length, whole, g);
        }
    }
}

// partial: chunks x columns of sum(dy xhat), then of sum(dy). A column's statistics: row * groups +
// column / per.
template <int N, typename T>
__device__ void columns(const T* dy, const T* x, const WIDE* means, const WIDE* vars, WIDE* partial,
                        i64 rows, i64 width, i64 chunk, u32 groups, double eps, bool whole) {
    typedef WIDE M;
    const i64 chunks = (rows + chunk - 1) / chunk;
    const i64 column = (static_cast<i64>(blockIdx.x) * COLUMN_LANES + threadIdx.x) * N;
    const u32 per = static_cast<u32>(width / groups);
    const u32 group = groups == 1 || column >= width ? 0 : static_cast<u32>(column) / per;
    for (i64 c = blockIdx.y; c < chunks; c += gridDim.y) {
        const i64 last = (c + 1) * chunk < rows ? (c + 1) * chunk : rows;
        column_sums<2, N, M>(
            c * chunk, last,
            [&](i64 row, Sums<M, 2 * N>& r) {
                if (column >= width) return;
                const i64 statistic = row * groups + group;
                const M mean = means ? means[statistic] : M(0);
                const M scale = M(1) / root(vars[statistic] + static_cast<M>(eps));
                M g[N], v[N];
                fetch(dy + row * width, column, width, whole, g, M(0));
                fetch(x + row * width, column, width, whole, v, mean);
#pragma unroll
                for (int j = 0; j < N; ++j) {
                    r.at[j] += g[j] * ((v[j] - mean) * scale);
                    r.at[N + j] += g[j];
                }
            },
            [&](int k, int lane, int j, M sum) {
                const i64 at = (static_cast<i64>(blockIdx.x) * COLUMN_LANES + lane) * N + j;
                if (at < width) partial[(k * chunks + c) * width + at] = sum;
            });
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    norm_columns(const T* dy, const T* x, const WIDE* means, const WIDE* vars, WIDE* partial, i64 rows,
                 i64 width, i64 chunk, u32 groups, double eps) {
    const int N = Vector<T>::N;
    if (groups == 1) {
        const bool whole = is_aligned(dy) && is_aligned(x) && width % N == 0;
        columns<N>(dy, x, means, vars, partial, rows, width, chunk, groups, eps, whole);
    } else {
        columns<1>(dy, x, means, vars, partial, rows, width, chunk, groups, eps, true);
    }
}

// The same sums of whole planes; `shared` neighbouring planes have one mean and variance.
template <typename T>
__global__ void __launch_bounds__(512, 1)
    norm_planes(const T* dy, const T* x, const WIDE* means, const WIDE* vars, WIDE* partial, i64 planes,
                i64 inner, u32 shared, double eps, int lanes) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    const bool whole = is_aligned(x) && is_aligned(dy) && inner % N == 0;
    const i64 vectors = (inner + N - 1) / N;
    const Team team(lanes);
    for (i64 plane = team.first; team.any(plane, planes); plane += team.step) {
        const bool mine = plane < planes;
        const M mean = means && mine ? means[plane / shared] : M(0);
        const Sums<M, 2> sums = team.over<Sums<M, 2>>(mine ? vectors : 0, [&](i64 i, Sums<M, 2>& r) {
            M g[N], v[N];
            fetch(dy + plane * inner, i * N, inner, whole, g, M(0));
            fetch(x + plane * inner, i * N, inner, whole, v, mean);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[0] += g[j] * (v[j] - mean);
                r.at[1] += g[j];
            }
        });
        if (mine && team.rank == 0) {
            const M scale = M(1) / root(vars[plane / shared] + static_cast<M>(eps));
            partial[plane] = sums.at[0] * scale;
            partial[planes + plane] = sums.at[1];
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    norm_totals(const WIDE* partial, WIDE* dw, WIDE* db, i64 parts, i64 width) {
    typedef WIDE M;
    const i64 column = static_cast<i64>(blockIdx.x) * COLUMN_LANES + threadIdx.x;
    column_sums<2, 1, M>(
        0, parts,
        [&](i64 part, Sums<M, 2>& r) {
            if (column >= width) return;
            r.at[0] += partial[part * width + column];
            r.at[1] += partial[(parts + part) * width + column];
        },
        [&](int k, int lane, int, M sum) {
            const i64 at = static_cast<i64>(blockIdx.x) * COLUMN_LANES + lane;
            M* out = k == 0 ? dw : db;
            if (at < width && out) out[at] = sum;
        });
}
