// The gradient of batch norm per channel, and of the chain batch norm + relu + dropout2d.
//
//   g  = dy, or of the chain: keep and y > 0 ? factor dy : 0. y is computed and keep drawn again
//   dx = g scale w, or, where mean and var are x's own (n elements each),
//        g scale w - (scale w sum(g) - dmean) / n
//        - (x - mean) (scale w scale^2 sum(g (x - mean)) - 2 dvar) / n
//   dw = sum(g (x - mean)) scale       db = sum(g)
//
//   kernels    {planes,columns}_sums: parts of both sums; combine_sums: totals, and dw and db;
//              {planes,columns}_backward: dx
//   planes     memory (N, C, inner)        columns: memory (N, inner, C), and (N, C) itself
//   launch     planes_sums: a multiple of 32 threads up to 512, `lanes` per plane (0: a block);
//              columns_sums and combine_sums: (8, 1, 2, 4, ... or 32) threads; planes_backward: a
//              multiple of 32 up to 256; columns_backward: two dimensions, up to 256. No result
//              depends on grid or block
//   memory     dy and x are read twice, dx is written once
//   called by  lucid/backend/cuda/batch_norm.py
#include "batch_norm.cuh"

// Decisions for a block: bits of 16 per word, from `first` on. All threads call it.
__device__ __forceinline__ void draw_for_block(const Decisions& drawn, u64 first, int count,
                                               u32* words) {
    const int words_in_all = (static_cast<int>(first % 16) + count + 15) / 16;
    __syncthreads();  // the last ones may still be read
    for (int i = threadIdx.x; i < words_in_all; i += blockDim.x) {
        words[i] = keep_bits(drawn.key, first / 16 + i, drawn.threshold);
    }
    __syncthreads();
}

// partial: sums of g (x - mean) of all planes, then of g.
template <typename T>
__global__ void __launch_bounds__(512, 1)
    planes_sums(const T* dy, const T* x, WIDE* partial, i64 planes, i64 inner, u32 channels, int lanes,
                NORM_ARGUMENTS, CHAIN_ARGUMENTS) {
    typedef WIDE M;
    typedef Sums<M, 2> R;
    const int N = Vector<T>::N;
    __shared__ u32 words[512 / 16 + 1];
    NORM CHAIN
    const bool whole = is_aligned(x) && is_aligned(dy) && inner % N == 0;
    const i64 vectors = (inner + N - 1) / N;
    const Team team(lanes);
    const int teams = lanes ? blockDim.x / lanes : 1, mine = lanes ? threadIdx.x / lanes : 0;
    for (i64 base = team.first - mine; base < planes; base += team.step) {
        const i64 plane = base + mine;
        const bool real = plane < planes;
        bool keep = true;
        if (chain.drawn.threshold) {
            draw_for_block(chain.drawn, base, teams, words);
            const u32 decision = static_cast<u32>(base % 16) + mine;
            keep = words[decision / 16] >> (decision % 16) & 1;
        }
        Line<M> line(norm, plane % channels);
        const i64 start = plane * inner;
        const R sums = team.over<R>(real ? vectors : 0, [&](i64 i, R& r) {
            M g[N], v[N];
            fetch(dy + start, i * N, inner, whole, g, M(0));
            fetch(x + start, i * N, inner, whole, v, line.mean);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                if (chain.relu) g[j] = chain.backward(g[j], line.at(v[j]), keep);
                r.at[0] += g[j] * (v[j] - line.mean);
                r.at[1] += g[j];
            }
        });
        if (real && team.rank == 0) {
            partial[plane] = sums.at[0];
            partial[planes + plane] = sums.at[1];
        }
    }
}

// Decisions of columns_sums: a chunk of rows reaches into this many samples at most.
const int SAMPLES = 256;

template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_sums(const T* dy, const T* x, WIDE* partial, i64 rows, u32 inner, i64 width, i64 chunk,
                 NORM_ARGUMENTS, CHAIN_ARGUMENTS) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    __shared__ unsigned char bits[SAMPLES][COLUMN_LANES];
    NORM CHAIN
    const bool whole = is_aligned(x) && is_aligned(dy) && width % N == 0;
    const i64 chunks = (rows + chunk - 1) / chunk;
    const i64 start = static_cast<i64>(blockIdx.x) * COLUMN_LANES * N, column = start + threadIdx.x * N;
    __shared__ Line<M> lines[COLUMN_LANES][N];  // in registers they would leave too few
    for (int i = threadIdx.y * COLUMN_LANES + threadIdx.x; i < COLUMN_LANES * N;
         i += blockDim.y * COLUMN_LANES) {
        lines[i / N][i % N] = Line<M>(norm, start + i < width ? start + i : width - 1);
    }
    __syncthreads();
    for (i64 c = blockIdx.y; c < chunks; c += gridDim.y) {
        const i64 first = c * chunk, last = first + chunk < rows ? first + chunk : rows;
        const i64 sample = first / inner, corner = sample * inner;
        if (chain.drawn.threshold) {
            const int samples = static_cast<int>((last - 1) / inner - sample) + 1;
            __syncthreads();  // the last chunk's may still be read
            for (int i = threadIdx.y * COLUMN_LANES + threadIdx.x; i < samples * COLUMN_LANES;
                 i += blockDim.y * COLUMN_LANES) {
                const u64 decision = (sample + i / COLUMN_LANES) * width + start + i % COLUMN_LANES * N;
                bits[i / COLUMN_LANES][i % COLUMN_LANES] = chain.drawn.bits(decision, N);
            }
            __syncthreads();
        }
        column_sums<2, N, M>(
            first, last,
            [&](i64 row, Sums<M, 2 * N>& r) {
                if (column >= width) return;
                M g[N], v[N];
                fetch(dy + row * width, column, width, whole, g, M(0));
                fetch(x + row * width, column, width, whole, v, M(0));
                u32 keep = ~0u;
                if (chain.drawn.threshold) {
                    keep = bits[static_cast<u32>(row - corner) / inner][threadIdx.x];
                }
#pragma unroll
                for (int j = 0; j < N; ++j) {
                    const Line<M>& line = lines[threadIdx.x][j];
                    if (chain.relu) g[j] = chain.backward(g[j], line.at(v[j]), keep >> j & 1);
                    r.at[j] += g[j] * (v[j] - line.mean);
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
    combine_sums(const WIDE* partial, const WIDE* var, WIDE* along, WIDE* total, WIDE* dw,
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
    const M *along, *total, *dmean, *dvar;  // along is null for given statistics
    M n;
    __device__ __forceinline__ void at(const Norm<T>& norm, i64 c, M steep, M& bend, M& level) const {
        bend = level = M(0);
        if (along == nullptr) return;
        bend = -steep * along[c] / (norm.var[c] + norm.eps);
        level = -steep * total[c];
        if (dvar) bend += M(2) * dvar[c];
        if (dmean) level += dmean[c];
        bend /= n;
        level /= n;
    }
};

#define SLOPE_ARGUMENTS \
    const WIDE *along, const WIDE *total, const WIDE *dmean, const WIDE *dvar, double n
#define SLOPE const Slope<T> slope = {along, total, dmean, dvar, static_cast<WIDE>(n)};

template <int N, typename T>
__device__ void planes_dx(const T* dy, const T* x, T* dx, i64 size, u32 inner, u32 channels,
                          const Slope<T>& slope, const Norm<T>& norm, const Chain& chain) {
    typedef WIDE M;
    over_planes<N>(size, inner, channels, chain.drawn, [&](i64 at, u32 c, bool keep) {
        const Line<M> line(norm, c);
        M bend, level, g[N], v[N];
        slope.at(norm, c, line.steep, bend, level);
        read(dy + at, g);
        if (x) read(x + at, v);
#pragma unroll
        for (int j = 0; j < N; ++j) {
            if (chain.relu) g[j] = chain.backward(g[j], line.at(v[j]), keep);
            g[j] *= line.steep;
            if (slope.along) g[j] += (v[j] - line.mean) * bend + level;
        }
        write(dx + at, g);
    });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    planes_backward(const T* dy, const T* x, T* dx, i64 size, u32 inner, u32 channels, SLOPE_ARGUMENTS,
                    NORM_ARGUMENTS, CHAIN_ARGUMENTS) {
    SLOPE NORM CHAIN
    if (is_aligned(dy) && is_aligned(x) && is_aligned(dx) && inner % Vector<T>::N == 0) {
        planes_dx<Vector<T>::N>(dy, x, dx, size, inner, channels, slope, norm, chain);
    } else {
        planes_dx<1>(dy, x, dx, size, inner, channels, slope, norm, chain);
    }
}

template <int N, typename T>
__device__ void columns_dx(const T* dy, const T* x, T* dx, i64 samples, i64 inner, u32 channels,
                           const Slope<T>& slope, const Norm<T>& norm, const Chain& chain) {
    typedef WIDE M;
    over_columns<N>(samples, inner, channels, chain.drawn, [&](i64 corner, u32 channel, u32 keep) {
        Line<M> line[N];
        M bend[N], level[N];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            line[j] = Line<M>(norm, channel + j);
            slope.at(norm, channel + j, line[j].steep, bend[j], level[j]);
        }
#pragma unroll 2  // more is more than the registers hold
        for (i64 i = first_position(); i < inner; i += all_positions()) {
            const i64 at = corner + i * channels;
            M g[N], v[N];
            read(dy + at, g);
            if (x) read(x + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                if (chain.relu) g[j] = chain.backward(g[j], line[j].at(v[j]), keep >> j & 1);
                g[j] *= line[j].steep;
                if (slope.along) g[j] += (v[j] - line[j].mean) * bend[j] + level[j];
            }
            write(dx + at, g);
        }
    });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    columns_backward(const T* dy, const T* x, T* dx, i64 samples, i64 inner, u32 channels,
                     SLOPE_ARGUMENTS, NORM_ARGUMENTS, CHAIN_ARGUMENTS) {
    SLOPE NORM CHAIN
    if (is_aligned(dy) && is_aligned(x) && is_aligned(dx) && channels % Vector<T>::N == 0) {
        columns_dx<Vector<T>::N>(dy, x, dx, samples, inner, channels, slope, norm, chain);
    } else {
        columns_dx<1>(dy, x, dx, samples, inner, channels, slope, norm, chain);
    }
}
