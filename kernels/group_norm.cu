// Group and instance norm of channels-last memory: (samples, inner, channels), a group being `per`
// neighbouring channels of a sample. Formulas as in layer_norm.cu.
//
//   kernels    group_moments      sums of pieces of `chunk` positions, per channel: of x - first, and
//                                 squared, where first is the channel's first element in the piece
//              group_statistics   their mean and variance per group
//              group_apply        y
//              group_slopes       sums of pieces again: of dy (x - mean), and of dy
//              group_totals       the two numbers per group that dx needs
//              group_parameters   dw and db
//              group_gradient     dx
//   exact      |x - first| is at most sqrt(chunk) deviations of its piece, which bounds what the
//              difference of sums loses to a factor of `chunk`, whatever the mean
//   launch     moments, slopes, parameters: (8, 1, 2, 4, ... or 32) threads; statistics, totals: a
//              multiple of 32 up to 256, `lanes` per group (0: a block); apply, gradient: up to 256
//              in two dimensions. Sums are ordered by shape alone
//   memory     forward reads x twice and writes y; backward reads dy and x twice and writes dx; 16
//              bytes at a time where channels and pointers allow
//   called by  lucid/backend/cuda/group_norm.py
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

// How much of what, from where, and by how many.
template <typename M> struct Moments {
    M count, mean, away;  // away: the sum of squared distances from the mean
    __device__ __forceinline__ Moments() : count(M(0)), mean(M(0)), away(M(0)) {}
    // Chan, Golub, LeVeque, 1979.
    __device__ __forceinline__ void add(const Moments& other) {
        if (other.count == M(0)) return;
        const M both = count + other.count, step = other.mean - mean;
        mean += step * (other.count / both);
        away += other.away + step * step * (count * (other.count / both));
        count = both;
    }
    __device__ __forceinline__ Moments across(int distance) const {
        Moments other;
        other.count = __shfl_xor_sync(FULL_WARP, count, distance);
        other.mean = __shfl_xor_sync(FULL_WARP, mean, distance);
        other.away = __shfl_xor_sync(FULL_WARP, away, distance);
        return other;
    }
};

// The mean (k = 0) or the factor 1 / sqrt(var + eps) of N neighbouring channels' groups.
template <int N, typename M>
__device__ __forceinline__ void of_groups(const M* values, i64 sample, u32 channel, u32 channels,
                                          u32 per, M (&v)[N]) {
    const M* row = values + sample * (channels / per);
    if (per % N == 0) {
        const M one = row[channel / per];
#pragma unroll
        for (int j = 0; j < N; ++j) v[j] = one;
    } else {
#pragma unroll
        for (int j = 0; j < N; ++j) v[j] = row[(channel + j) / per];
    }
}
template <int N, typename M>
__device__ __forceinline__ void factors(const M* vars, i64 sample, u32 channel, u32 channels, u32 per,
                                        double eps, M (&v)[N]) {
    of_groups(vars, sample, channel, channels, per, v);
#pragma unroll
    for (int j = 0; j < N; ++j) v[j] = M(1) / root(v[j] + static_cast<M>(eps));
}

// Two sums over each piece, for N channels per thread; start(sample, first row) prepares a thread.
// partial: 2 x samples x pieces x channels.
template <int N, typename M, typename S, typename F>
__device__ __forceinline__ void over_pieces(M* partial, i64 samples, i64 inner, u32 channels,
                                            i64 chunk, S start, F each) {
    const i64 pieces = (inner + chunk - 1) / chunk;
    const u32 tile = COLUMN_LANES * N;
    for (i64 sample = blockIdx.z; sample < samples; sample += gridDim.z) {
        for (i64 piece = blockIdx.y; piece < pieces; piece += gridDim.y) {
            const i64 row = sample * inner + piece * chunk, end = sample * inner + inner;
            for (u32 left = blockIdx.x * tile; left < channels; left += gridDim.x * tile) {
                const u32 channel = left + threadIdx.x * N;
                if (channel < channels) start(channel, sample, row);
                column_sums<2, N, M>(
                    row, row + chunk < end ? row + chunk : end,
                    [&](i64 at, Sums<M, 2 * N>& r) {
                        if (channel < channels) each(at * channels + channel, r);
                    },
                    [&](int k, int lane, int j, M sum) {
                        const u32 at = left + lane * N + j;
                        const i64 part = (k * samples + sample) * pieces + piece;
                        if (at < channels) partial[part * channels + at] = sum;
                    });
            }
        }
    }
}

template <int N, typename T>
__device__ void moments(const T* x, WIDE* partial, i64 samples, i64 inner, u32 channels, i64 chunk) {
    typedef WIDE M;
    M first[N];
    over_pieces<N>(
        partial, samples, inner, channels, chunk,
        [&](u32 channel, i64, i64 row) { read(x + row * channels + channel, first); },
        [&](i64 at, Sums<M, 2 * N>& r) {
            M v[N];
            read(x + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                const M away = v[j] - first[j];
                r.at[j] += away;
                r.at[N + j] += away * away;
            }
        });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_moments(const T* x, WIDE* partial, i64 samples, i64 inner, u32 channels, i64 chunk) {
    if (is_aligned(x) && channels % Vector<T>::N == 0) {
        moments<Vector<T>::N>(x, partial, samples, inner, channels, chunk);
    } else {
        moments<1>(x, partial, samples, inner, channels, chunk);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_statistics(const T* x, const WIDE* partial, WIDE* means, WIDE* vars, i64 samples, i64 inner,
                     u32 channels, u32 per, i64 chunk, int lanes) {
    typedef WIDE M;
    const i64 pieces = (inner + chunk - 1) / chunk, groups = channels / per;
    const Team team(lanes);
    for (i64 row = team.first; team.any(row, samples * groups); row += team.step) {
        const bool mine = row < samples * groups;
        const i64 sample = row / groups;
        const u32 channel = static_cast<u32>(row - sample * groups) * per;
        const Moments<M> all = team.over<Moments<M>>(mine ? pieces * per : 0, [&](i64 i, Moments<M>& r) {
            u32 which;
            const i64 piece = divide(i, per, which);
            const i64 at = piece * chunk;
            const i64 part = (sample * pieces + piece) * channels + channel + which;
            const M sum = partial[part], squares = partial[samples * pieces * channels + part];
            Moments<M> one;
            one.count = static_cast<M>(inner - at < chunk ? inner - at : chunk);
            one.mean = load(x[(sample * inner + at) * channels + channel + which]) + sum / one.count;
            one.away = squares - sum * (sum / one.count);
            if (one.away < M(0)) one.away = M(0);  // by rounding; NaN stays
            r.add(one);
        });
        if (mine && team.rank == 0) {
            means[row] = all.mean;
            vars[row] = all.away / all.count;
        }
    }
}

// out = f(number of the channel, a, b) over positions, by threads that keep N neighbouring channels of a sample, for which
// begin(sample, channel) prepares them. two: b is read. The loads that shall be under way together
// stand before the first store.
template <int N, bool two, typename M, typename T, typename B, typename F>
__device__ __forceinline__ void over_samples(const T* a, const T* b, T* out, i64 samples, i64 inner,
                                             u32 channels, B begin, F f) {
    const int K = two ? 2 : 4;
    const i64 vectors = channels / N;
    const i64 stride = static_cast<i64>(gridDim.y) * blockDim.y;
    i64 column = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; column < samples * vectors; column += static_cast<i64>(gridDim.x) * blockDim.x) {
        const i64 sample = column / vectors;
        const u32 channel = static_cast<u32>(column - sample * vectors) * N;
        begin(sample, channel);
        const i64 corner = sample * inner * channels + channel;
        i64 i = static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y;
        for (; i < inner; i += K * stride) {
            Pack<N, T> u[K], v[K];
#pragma unroll
            for (int k = 0; k < K; ++k) {
                const i64 at = corner + (i + k * stride) * channels;
                if (i + k * stride < inner) u[k] = load_pack<N>(a + at);
                if (two && i + k * stride < inner) v[k] = load_pack<N>(b + at);
            }
#pragma unroll
            for (int k = 0; k < K; ++k) {
                if (i + k * stride >= inner) break;
#pragma unroll
                for (int j = 0; j < N; ++j)
                    u[k].at[j] = store<T>(f(j, load(u[k].at[j]), two ? load(v[k].at[j]) : M(0)));
                store_pack<N>(out + corner + (i + k * stride) * channels, u[k]);
            }
        }
    }
}

template <int N, typename T>
__device__ void apply(const T* x, T* y, const WIDE* means, const WIDE* vars, const Parameter<T>& w,
                      const Parameter<T>& b, i64 samples, i64 inner, u32 channels, u32 per,
                      double eps) {
    typedef WIDE M;
    M mean[N], scale[N], level[N];
    over_samples<N, false, M>(
        x, x, y, samples, inner, channels,
        [&](i64 sample, u32 channel) {
            of_groups(means, sample, channel, channels, per, mean);
            factors(vars, sample, channel, channels, per, eps, scale);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                scale[j] *= w[channel + j];
                level[j] = b[channel + j];
            }
        },
        [&](int j, M v, M) { return (v - mean[j]) * scale[j] + level[j]; });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_apply(const T* x, T* y, const WIDE* means, const WIDE* vars, const T* w_narrow,
                const WIDE* w_wide, const T* b_narrow, const WIDE* b_wide, i64 samples, i64 inner,
                u32 channels, u32 per, double eps) {
    typedef WIDE M;
    const Parameter<T> w = {w_narrow, w_wide, M(1)}, b = {b_narrow, b_wide, M(0)};
    if (is_aligned(x) && is_aligned(y) && channels % Vector<T>::N == 0) {
        apply<Vector<T>::N>(x, y, means, vars, w, b, samples, inner, channels, per, eps);
    } else {
        apply<1>(x, y, means, vars, w, b, samples, inner, channels, per, eps);
    }
}

template <int N, typename T>
__device__ void slopes(const T* dy, const T* x, const WIDE* means, WIDE* partial, i64 samples,
                       i64 inner, u32 channels, u32 per, i64 chunk) {
    typedef WIDE M;
    M mean[N];
    over_pieces<N>(
        partial, samples, inner, channels, chunk,
        [&](u32 channel, i64 sample, i64) {
            of_groups(means, sample, channel, channels, per, mean);
        },
        [&](i64 at, Sums<M, 2 * N>& r) {
            M g[N], v[N];
            read(dy + at, g);
            read(x + at, v);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.at[j] += g[j] * (v[j] - mean[j]);
                r.at[N + j] += g[j];
            }
        });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_slopes(const T* dy, const T* x, const WIDE* means, WIDE* partial, i64 samples, i64 inner,
                 u32 channels, u32 per, i64 chunk) {
    if (is_aligned(dy) && is_aligned(x) && channels % Vector<T>::N == 0) {
        slopes<Vector<T>::N>(dy, x, means, partial, samples, inner, channels, per, chunk);
    } else {
        slopes<1>(dy, x, means, partial, samples, inner, channels, per, chunk);
    }
}

// totals: per group what dx takes off: a level, and a multiple of x - mean.
template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_totals(const T* w_narrow, const WIDE* w_wide, const WIDE* partial, const WIDE* vars,
                 const WIDE* dmeans, const WIDE* dvars, WIDE* totals, i64 samples, i64 inner,
                 u32 channels, u32 per, i64 chunk, double eps, int lanes) {
    typedef WIDE M;
    const Parameter<T> w = {w_narrow, w_wide, M(1)};
    const i64 pieces = (inner + chunk - 1) / chunk, rows = samples * (channels / per);
    const M n = static_cast<M>(inner) * per;
    const Team team(lanes);
    for (i64 row = team.first; team.any(row, rows); row += team.step) {
        const bool mine = row < rows;
        const i64 sample = row / (channels / per);
        const u32 channel = static_cast<u32>(row - sample * (channels / per)) * per;
        const Sums<M, 2> sums = team.over<Sums<M, 2>>(mine ? pieces * per : 0, [&](i64 i, Sums<M, 2>& r) {
            u32 which;
            const i64 piece = divide(i, per, which);
            const i64 part = (sample * pieces + piece) * channels + channel + which;
            const M steep = w[channel + which];
            r.at[0] += steep * partial[part];
            r.at[1] += steep * partial[samples * pieces * channels + part];
        });
        if (mine && team.rank == 0) {
            const M scale = M(1) / root(vars[row] + static_cast<M>(eps));
            M along = sums.at[0] * scale * scale, level = sums.at[1] * scale;
            if (dvars) along -= dvars[row] * M(2) / scale;
            if (dmeans) level -= dmeans[row];
            totals[row] = level / n;
            totals[rows + row] = along * (scale / n);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_parameters(const WIDE* partial, const WIDE* vars, WIDE* dw, WIDE* db, i64 samples,
                     i64 pieces, u32 channels, u32 per, double eps) {
    typedef WIDE M;
    const u32 channel = blockIdx.x * COLUMN_LANES + threadIdx.x;
    column_sums<2, 1, M>(
        0, samples * pieces,
        [&](i64 row, Sums<M, 2>& r) {
            if (channel >= channels) return;
            M scale[1];
            factors(vars, row / pieces, channel, channels, per, eps, scale);
            r.at[0] += partial[row * channels + channel] * scale[0];
            r.at[1] += partial[(samples * pieces + row) * channels + channel];
        },
        [&](int k, int lane, int, M sum) {
            const u32 at = blockIdx.x * COLUMN_LANES + lane;
            if (at < channels) (k == 0 ? dw : db)[at] = sum;
        });
}

template <int N, typename T>
__device__ void gradient(const T* dy, const T* x, T* dx, const WIDE* means, const WIDE* vars,
                         const WIDE* totals, const Parameter<T>& w, i64 samples, i64 inner,
                         u32 channels, u32 per, double eps) {
    typedef WIDE M;
    M mean[N], scale[N], level[N], along[N];
    over_samples<N, true, M>(
        dy, x, dx, samples, inner, channels,
        [&](i64 sample, u32 channel) {
            of_groups(means, sample, channel, channels, per, mean);
            of_groups(totals, sample, channel, channels, per, level);
            of_groups(totals + samples * (channels / per), sample, channel, channels, per, along);
            factors(vars, sample, channel, channels, per, eps, scale);
#pragma unroll
            for (int j = 0; j < N; ++j) scale[j] *= w[channel + j];
        },
        [&](int j, M g, M v) { return g * scale[j] - level[j] - (v - mean[j]) * along[j]; });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    group_gradient(const T* dy, const T* x, T* dx, const WIDE* means, const WIDE* vars,
                   const WIDE* totals, const T* w_narrow, const WIDE* w_wide, i64 samples, i64 inner,
                   u32 channels, u32 per, double eps) {
    const Parameter<T> w = {w_narrow, w_wide, WIDE(1)};
    if (is_aligned(dy) && is_aligned(x) && is_aligned(dx) && channels % Vector<T>::N == 0) {
        gradient<Vector<T>::N>(dy, x, dx, means, vars, totals, w, samples, inner, channels, per, eps);
    } else {
        gradient<1>(dy, x, dx, means, vars, totals, w, samples, inner, channels, per, eps);
    }
}
