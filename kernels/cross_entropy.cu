// Cross entropy of scores x with class labels t. With lse = log(sum(exp(x))), w the class weights (1
// without), e the label smoothing and C the number of classes, a sample's loss and gradient are
//
//   loss = s (lse - x[t]) + e / C (sum(w) lse - sum(w x))      s = (1 - e) w[t]
//   dx   = (exp(x - lse) (s + e / C sum(w)) - [c == t] s - e / C w) g
//
// both 0 where t is ignored; the loss is NaN where t is no class (nobody waits for an error). g is dy,
// over the divisor for a mean: the number of labels not ignored, or the sum of their weights.
//
//   kernels    cross_entropy_{warp,block,column}   x -> losses, lse and, for the mean, counts
//              cross_entropy_partial               sums of 16384 samples each
//              cross_entropy_total                 the sum or mean of up to 16384 of either, one block
//              cross_entropy_{row,column}_backward
//   rows       memory (samples, C), also of channels_last images; columns: memory (outer, C, inner)
//   launch     a multiple of 32 threads up to 512 (column: 256); any grid and block, same results
//   memory     forward reads x once, and writes two or three numbers per sample; backward reads x and
//              writes dx once
//   called by  lucid/backend/cuda/loss.py
#include "reduce.cuh"

const i64 CHUNK = 16384;  // samples per block of cross_entropy_partial

template <typename T> struct Loss {
    typedef typename Compute<T>::type M;
    const i64* target;
    Parameter<T> weight;
    i64 classes, ignore;
    M smoothing, weight_sum;

    __device__ Loss(const i64* target, const T* narrow, const M* wide, const M* sum, i64 classes,
                    i64 ignore, double smoothing)
        : target(target), weight{narrow, wide, M(1)}, classes(classes), ignore(ignore),
          smoothing(static_cast<M>(smoothing)), weight_sum(sum ? *sum : static_cast<M>(classes)) {}
    __device__ __forceinline__ bool smooth() const { return smoothing != M(0); }
    __device__ __forceinline__ bool wrong(i64 t) const {
        return t != ignore && (t < 0 || t >= classes);
    }
    // The label, 0 in the place of one that is ignored or wrong.
    __device__ __forceinline__ i64 label(i64 t) const { return t == ignore || wrong(t) ? 0 : t; }
    __device__ __forceinline__ M share(i64 t) const {
        return t == ignore ? M(0) : (M(1) - smoothing) * weight[label(t)];
    }
    __device__ __forceinline__ M even(i64 t) const {
        return t == ignore ? M(0) : smoothing / static_cast<M>(classes);
    }
    __device__ __forceinline__ M loss(i64 t, M lse, M picked, M weighted) const {
        if (wrong(t)) return infinity<M>() - infinity<M>();
        if (t == ignore) return M(0);
        M answer = share(t) * (lse - picked);
        if (smooth()) answer += even(t) * (weight_sum * lse - weighted);
        return answer;
    }
};

// A sample's top and sum of exp, and sum(w x) where there is smoothing.
template <typename M> struct Scores {
    Softsum<M> soft;
    Sums<M, 1> weighted;
    __device__ __forceinline__ void add(const Scores& other) {
        soft.add(other.soft);
        weighted.add(other.weighted);
    }
    __device__ __forceinline__ Scores across(int distance) const {
        Scores other;
        other.soft = soft.across(distance);
        other.weighted = weighted.across(distance);
        return other;
    }
};

template <int N, typename T>
__device__ __forceinline__ void add_scores(const T* row, i64 g, bool whole, const Loss<T>& law,
                                           Scores<typename Compute<T>::type>& r) {
    typedef typename Compute<T>::type M;
    M v[N];
    const i64 at = g * N;
    if (whole) {
        read(row + at, v);
    } else {
        read_some(row + at, v, law.classes - at, -infinity<M>());
    }
    r.soft.add(v);
    if (law.smooth()) {
#pragma unroll
        for (int j = 0; j < N; ++j) {
            if (at + j < law.classes) r.weighted.at[0] += law.weight[at + j] * v[j];
        }
    }
}

template <typename T, typename M>
__device__ __forceinline__ void finish(const Scores<M>& r, const T* scores, i64 stride, i64 sample,
                                       const Loss<T>& law, M* losses, M* lse, M* counts) {
    const i64 t = law.target[sample];
    const M whole = r.soft.top + log_of(r.soft.sum);
    const M picked = load(scores[law.label(t) * stride]);
    lse[sample] = whole;
    losses[sample] = law.loss(t, whole, picked, r.weighted.at[0]);
    if (counts) counts[sample] = t == law.ignore ? M(0) : law.weight[law.label(t)];
}

#define ARGUMENTS                                                                                \
    const T *x, const i64 *target, const T *narrow, const typename Compute<T>::type *wide,       \
        const typename Compute<T>::type *weight_sum, typename Compute<T>::type *losses,          \
        typename Compute<T>::type *lse, typename Compute<T>::type *counts

template <typename T>
__global__ void __launch_bounds__(512, 2)
    cross_entropy_warp(ARGUMENTS, i64 rows, i64 classes, i64 ignore, double smoothing) {
    typedef Scores<typename Compute<T>::type> R;
    const int N = Vector<T>::N, warps = blockDim.x / 32;
    const Loss<T> law(target, narrow, wide, weight_sum, classes, ignore, smoothing);
    const bool whole = is_aligned(x) && classes % N == 0;
    i64 row = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; row < rows; row += static_cast<i64>(gridDim.x) * warps) {
        const T* scores = x + row * classes;
        const R r = warp_over<R>((classes + N - 1) / N, [&](i64 g, R& r) {
            add_scores<N>(scores, g, whole, law, r);
        });
        if ((threadIdx.x & 31) == 0) finish(r, scores, 1, row, law, losses, lse, counts);
    }
}

template <typename T>
__global__ void __launch_bounds__(512, 2)
    cross_entropy_block(ARGUMENTS, i64 rows, i64 classes, i64 ignore, double smoothing) {
    typedef Scores<typename Compute<T>::type> R;
    const int N = Vector<T>::N;
    const Loss<T> law(target, narrow, wide, weight_sum, classes, ignore, smoothing);
    const bool whole = is_aligned(x) && classes % N == 0;
    for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* scores = x + row * classes;
        const R r = block_over<R>((classes + N - 1) / N, [&](i64 g, R& r) {
            add_scores<N>(scores, g, whole, law, r);
        });
        if (threadIdx.x == 0) finish(r, scores, 1, row, law, losses, lse, counts);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2) cross_entropy_column(ARGUMENTS, i64 outer, i64 classes, u32 inner,
                                                            i64 ignore, double smoothing) {
    typedef typename Compute<T>::type M;
    const Loss<T> law(target, narrow, wide, weight_sum, classes, ignore, smoothing);
    i64 sample = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; sample < outer * inner; sample += static_cast<i64>(gridDim.x) * blockDim.x) {
        u32 rest;
        const i64 block = static_cast<i64>(divide(sample, inner, rest));
        const T* scores = x + block * classes * inner + rest;
        Scores<M> r;
        for (i64 c = 0; c < classes; ++c) {
            const M v[1] = {load(scores[c * inner])};
            r.soft.add(v);
            if (law.smooth()) r.weighted.at[0] += law.weight[c] * v[0];
        }
        finish(r, scores, inner, sample, law, losses, lse, counts);
    }
}

template <typename M> struct Totals {
    const M* losses;
    const M* counts;
    __device__ __forceinline__ Sums<M, 2> over(i64 first, i64 n) const {
        return block_over<Sums<M, 2>>(n, [&](i64 i, Sums<M, 2>& r) {
            r.at[0] += losses[first + i];
            if (counts) r.at[1] += counts[first + i];
        });
    }
};

// partial: the losses of all chunks, then their counts.
template <typename T>
__global__ void __launch_bounds__(512, 2)
    cross_entropy_partial(const typename Compute<T>::type* losses,
                          const typename Compute<T>::type* counts,
                          typename Compute<T>::type* partial, i64 samples) {
    typedef typename Compute<T>::type M;
    const Totals<M> totals = {losses, counts};
    const i64 chunks = (samples + CHUNK - 1) / CHUNK;
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        const i64 first = chunk * CHUNK, left = samples - first;
        const Sums<M, 2> r = totals.over(first, left < CHUNK ? left : CHUNK);
        if (threadIdx.x == 0) {
            partial[chunk] = r.at[0];
            partial[chunks + chunk] = r.at[1];
        }
    }
}

// The mean's divisor is inf in the place of 0: ignored labels alone have no gradient.
template <typename T>
__global__ void __launch_bounds__(512, 2)
    cross_entropy_total(const typename Compute<T>::type* losses,
                        const typename Compute<T>::type* counts, T* loss,
                        typename Compute<T>::type* divisor, i64 n) {
    typedef typename Compute<T>::type M;
    const Totals<M> totals = {losses, counts};
    const Sums<M, 2> r = totals.over(0, n);
    if (threadIdx.x == 0) {
        loss[0] = store<T>(counts ? r.at[0] / r.at[1] : r.at[0]);
        if (divisor) divisor[0] = r.at[1] == M(0) ? infinity<M>() : r.at[1];
    }
}

// What a sample's gradient needs.
template <typename T> struct Slope {
    typedef typename Compute<T>::type M;
    i64 label;
    M lse, share, mass, even, g;
    __device__ __forceinline__ Slope(const Loss<T>& law, i64 sample, const M* all, M upstream) {
        const i64 t = law.target[sample];
        label = law.label(t);
        lse = all[sample];
        share = law.share(t);
        even = law.even(t);
        mass = share + even * law.weight_sum;
        g = upstream;
    }
    __device__ __forceinline__ M operator()(M x, i64 c, const Loss<T>& law) const {
        M p = exp_of(x - lse) * mass;
        if (law.smooth()) p -= even * law.weight[c];
        return (c == label ? p - share : p) * g;
    }
};

#define BACKWARD_ARGUMENTS                                                                       \
    const T *x, const i64 *target, const T *narrow, const typename Compute<T>::type *wide,       \
        const typename Compute<T>::type *weight_sum, const typename Compute<T>::type *lse,       \
        const T *dy, const typename Compute<T>::type *divisor, T *dx

// `team` threads (32, or the block) share a row. dy is one number, or one per sample.
template <typename T>
__global__ void __launch_bounds__(512, 1)
    cross_entropy_row_backward(BACKWARD_ARGUMENTS, i64 rows, i64 classes, i64 ignore,
                               double smoothing, int per_sample, int team) {
    typedef typename Compute<T>::type M;
    const int N = Vector<T>::N, teams = blockDim.x / team;
    const Loss<T> law(target, narrow, wide, weight_sum, classes, ignore, smoothing);
    const bool whole = is_aligned(x) && is_aligned(dx) && classes % N == 0;
    const M over = divisor ? divisor[0] : M(1);
    i64 row = static_cast<i64>(blockIdx.x) * teams + threadIdx.x / team;
    for (; row < rows; row += static_cast<i64>(gridDim.x) * teams) {
        const Slope<T> slope(law, row, lse, load(dy[per_sample ? row : 0]) / over);
        const T* scores = x + row * classes;
        T* to = dx + row * classes;
        for (i64 at = threadIdx.x % team * N; at < classes; at += team * N) {
            M v[N];
            if (whole) {
                read(scores + at, v);
            } else {
                read_some(scores + at, v, classes - at, M(0));
            }
#pragma unroll
            for (int j = 0; j < N; ++j) {
                if (at + j < classes) v[j] = slope(v[j], at + j, law);
            }
            if (whole) {
                write(to + at, v);
            } else {
                write_some(to + at, v, classes - at);
            }
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    cross_entropy_column_backward(BACKWARD_ARGUMENTS, i64 outer, i64 classes, u32 inner, i64 ignore,
                                  double smoothing, int per_sample) {
    typedef typename Compute<T>::type M;
    const Loss<T> law(target, narrow, wide, weight_sum, classes, ignore, smoothing);
    const M over = divisor ? divisor[0] : M(1);
    i64 sample = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; sample < outer * inner; sample += static_cast<i64>(gridDim.x) * blockDim.x) {
        const Slope<T> slope(law, sample, lse, load(dy[per_sample ? sample : 0]) / over);
        u32 rest;
        const i64 start = static_cast<i64>(divide(sample, inner, rest)) * classes * inner + rest;
        for (i64 c = 0; c < classes; ++c) {
            const i64 at = start + c * inner;
            dx[at] = store<T>(slope(load(x[at]), c, law));
        }
    }
}
