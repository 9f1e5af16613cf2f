// Optimizers over many tensors at once, the norm of their gradients, clipping and unscaling.
//
//   sgd     g += decay p;  b = first ? g : momentum b + (1 - dampening) g;  p -= lr (nesterov ?
//           g + momentum b : b)
//   adam    p *= shrink;  g += decay p;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;
//           p -= size m / (sqrt(v) / root + eps)         (amsgrad: the largest v so far)
//   norm    total = sqrt(sum(g^2)), or the largest |g|; g *= min(1, limit / (total + 1e-6))
//   unscale g *= factor, if there is one; found = 1 if any g is not finite
//
//   table      tensors x COLUMNS addresses (parameter, gradient, states), in device memory
//   first      tensors + 1: the number of each tensor's first chunk; a chunk has CHUNK elements
//   sizes      elements per tensor
//   launch     256 threads, a block per chunk; any grid and block give the same result
//   memory     sgd reads p, g, (b), writes p, (b); adam reads p, g, m, v, writes p, m, v; norm reads g;
//              16 bytes at a time where all of a tensor's addresses allow
//   skip       nothing is changed where *found is not 0; else the gradient is divided by *scale first,
//              where it lies
//   rate       lr, from float or double device memory where a pointer is given
//   counted    adam whose step counts lie on the device, the table's last column: count_steps adds 1
//              and writes per tensor what the host otherwise passes: size, root, shrink
//   called by  lucid/backend/cuda/optimizer.py
#include "reduce.cuh"

#define WIDE typename Compute<T>::type

const i64 CHUNK = 8192;

struct Tensors {
    void* const* table;
    const i64* first;
    const i64* sizes;
    int count, columns;

    __device__ __forceinline__ int of_chunk(i64 chunk) const {
        int low = 0, high = count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            if (first[middle] <= chunk) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }
    template <typename T> __device__ __forceinline__ T* at(int tensor, int column) const {
        return static_cast<T*>(table[tensor * columns + column]);
    }
};

// f(M (&v)[K][N]) on N elements of each of the first K columns; then columns in `written` are stored.
template <int K, int N, typename T, typename F>
__device__ __forceinline__ void update_by(T* const (&p)[K], u32 written, i64 start, i64 stop,
                                          const F& f) {
    typedef WIDE M;
    for (i64 i = start + threadIdx.x * N; i < stop; i += blockDim.x * N) {
        M v[K][N];
        const bool all = i + N <= stop;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            if (all) {
                read(p[k] + i, v[k]);
            } else {
                read_some(p[k] + i, v[k], stop - i, M(0));
            }
        }
#pragma unroll
        for (int j = 0; j < N; ++j) {
            M one[K];
#pragma unroll
            for (int k = 0; k < K; ++k) one[k] = v[k][j];
            f(one);
#pragma unroll
            for (int k = 0; k < K; ++k) v[k][j] = one[k];
        }
#pragma unroll
        for (int k = 0; k < K; ++k) {
            if (!(written >> k & 1)) continue;
            if (all) {
                write(p[k] + i, v[k]);
            } else {
                write_some(p[k] + i, v[k], stop - i);
            }
        }
    }
}

// Tells f which tensor comes next; most don't care.
template <typename F> __device__ __forceinline__ void begin_tensor(F&, int) {}

// f on every element of the columns column .. column + K - 1 of all tensors.
template <int K, typename T, typename F>
__device__ __forceinline__ void update(const Tensors& tensors, int column, u32 written, F f) {
    const i64 chunks = tensors.first[tensors.count];
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        const int t = tensors.of_chunk(chunk);
        begin_tensor(f, t);
        const i64 start = (chunk - tensors.first[t]) * CHUNK, size = tensors.sizes[t];
        const i64 stop = start + CHUNK < size ? start + CHUNK : size;
        T* p[K];
        bool aligned = true;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            p[k] = tensors.at<T>(t, column + k);
            aligned = aligned && is_aligned(p[k]);
        }
        if (aligned) {
            update_by<K, Vector<T>::N>(p, written, start, stop, f);
        } else {
            update_by<K, 1>(p, written, start, stop, f);
        }
    }
}

#define TABLE void *const *table, const i64 *first, const i64 *sizes, int count, int columns
#define TENSORS const Tensors tensors = {table, first, sizes, count, columns};
#define SCALE_AND_FOUND const float *scale, const float *found
#define FACTOR \
    if (found && *found != 0.0f) return; \
    const M sign = maximize ? M(-1) : M(1); \
    const M factor = scale ? M(1) / static_cast<M>(*scale) : M(1); \
    const u32 unscaled = scale ? 2 : 0;  // column 1, the gradient, is written too
#define RATE double lr_, const float *rate, const double *wide_rate

// A learning rate, from wherever it lies.
__device__ __forceinline__ double rate_of(RATE) {
    return rate ? static_cast<double>(*rate) : wide_rate ? *wide_rate : lr_;
}

// No 0 * inf where there is no decay.
template <typename M> __device__ __forceinline__ M decayed(M g, M p, M decay) {
    return decay == M(0) ? g : g + decay * p;
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    sgd_plain(const T*, TABLE, SCALE_AND_FOUND, RATE, double decay_, int maximize) {
    typedef WIDE M;
    TENSORS FACTOR
    const M lr = static_cast<M>(rate_of(lr_, rate, wide_rate)), decay = static_cast<M>(decay_);
    update<2, T>(tensors, 0, 1 | unscaled, [&](M (&v)[2]) {
        v[1] *= factor;
        v[0] -= lr * decayed(v[1] * sign, v[0], decay);
    });
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    sgd_momentum(const T*, TABLE, SCALE_AND_FOUND, RATE, double decay_, double momentum_,
                 double dampening, int nesterov, int maximize, int begins) {
    typedef WIDE M;
    TENSORS FACTOR
    const M lr = static_cast<M>(rate_of(lr_, rate, wide_rate)), decay = static_cast<M>(decay_);
    const M momentum = static_cast<M>(momentum_), fresh = static_cast<M>(1 - dampening);
    update<3, T>(tensors, 0, 5 | unscaled, [&](M (&v)[3]) {
        v[1] *= factor;
        const M g = decayed(v[1] * sign, v[0], decay);
        v[2] = begins ? g : v[2] * momentum + g * fresh;
        v[0] -= lr * (nesterov ? g + v[2] * momentum : v[2]);
    });
}

// What an Adam step takes besides lr and betas, per tensor: 3 numbers.
struct Counted {
    double size, root, shrink;
};

template <typename M, int K> struct AdamStep {
    M decay, shrink, beta1, beta2, eps, size, root_of, factor, sign;
    const Counted* counted;
    __device__ __forceinline__ void operator()(M (&v)[K]) const {
        v[1] *= factor;
        const M p = v[0] * shrink, g = decayed(v[1] * sign, p, decay);
        v[2] += (g - v[2]) * (M(1) - beta1);
        v[3] = v[3] * beta2 + g * g * (M(1) - beta2);
        M square = v[3];
        if (K == 5) square = v[K - 1] = maximum(v[K - 1], square);
        v[0] = p - size * (v[2] / (root(square) / root_of + eps));
    }
};

template <typename M, int K>
__device__ __forceinline__ void begin_tensor(AdamStep<M, K>& step, int tensor) {
    if (!step.counted) return;
    const Counted now = step.counted[tensor];
    step.size = static_cast<M>(now.size);
    step.root_of = static_cast<M>(now.root);
    step.shrink = static_cast<M>(now.shrink);
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    adam(const T*, TABLE, SCALE_AND_FOUND, const double* counted, double decay, double shrink,
         double beta1, double beta2, double eps, double size, double root_of, int maximize,
         int largest) {
    typedef WIDE M;
    TENSORS FACTOR
    const Counted* per_tensor = reinterpret_cast<const Counted*>(counted);
#define ADAM(K)                                                                                 \
    AdamStep<M, K> {                                                                            \
        static_cast<M>(decay), static_cast<M>(shrink), static_cast<M>(beta1),                   \
            static_cast<M>(beta2), static_cast<M>(eps), static_cast<M>(size),                   \
            static_cast<M>(root_of), factor, sign, per_tensor                                   \
    }
    if (largest) {
        update<5, T>(tensors, 0, 29 | unscaled, ADAM(5));
    } else {
        update<4, T>(tensors, 0, 13 | unscaled, ADAM(4));
    }
}

// One thread per tensor: its step is counted, unless it is skipped.
template <typename T>
__global__ void __launch_bounds__(128)
    count_steps(const T*, TABLE, const float* found, double* counted, RATE, double decoupled,
                double beta1, double beta2) {
    TENSORS
    if (found && *found != 0.0f) return;
    const double lr = rate_of(lr_, rate, wide_rate);
    for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < count; t += gridDim.x * blockDim.x) {
        float* step = tensors.at<float>(t, columns - 1);
        const double now = *step += 1.0f;
        reinterpret_cast<Counted*>(counted)[t] =
            Counted{lr / (1.0 - pow(beta1, now)), sqrt(1.0 - pow(beta2, now)), 1.0 - lr * decoupled};
    }
}

// Per chunk the sum of squares of column 0, or the largest size (NaN wins).
template <typename M> struct Extent {
    M sum, top;
    __device__ __forceinline__ Extent() : sum(M(0)), top(M(0)) {}
    __device__ __forceinline__ void add(const Extent& other) {
        sum += other.sum;
        top = maximum(top, other.top);
    }
    __device__ __forceinline__ Extent across(int distance) const {
        Extent other;
        other.sum = __shfl_xor_sync(FULL_WARP, sum, distance);
        other.top = __shfl_xor_sync(FULL_WARP, top, distance);
        return other;
    }
};

template <typename T>
__global__ void __launch_bounds__(1024) chunk_norms(const T*, TABLE, WIDE* partial, int largest) {
    typedef WIDE M;
    const int N = Vector<T>::N;
    TENSORS
    const i64 chunks = first[count];
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        const int t = tensors.of_chunk(chunk);
        const i64 start = (chunk - first[t]) * CHUNK;
        const i64 length = sizes[t] - start < CHUNK ? sizes[t] - start : CHUNK;
        const T* g = tensors.at<T>(t, 0) + start;
        const bool aligned = is_aligned(g);
        const Extent<M> r = block_over<Extent<M>>((length + N - 1) / N, [&](i64 i, Extent<M>& r) {
            M v[N];
            fetch(g, i * N, length, aligned && (i + 1) * N <= length, v, M(0));
#pragma unroll
            for (int j = 0; j < N; ++j) {
                r.sum += v[j] * v[j];
                r.top = maximum(r.top, size_of(v[j]));
            }
        });
        if (threadIdx.x == 0) partial[chunk] = largest ? r.top : r.sum;
    }
}

// The norm of all chunks. One block.
template <typename T>
__global__ void __launch_bounds__(1024)
    total_norm(const WIDE* partial, WIDE* total, i64 n, int largest) {
    typedef WIDE M;
    const Extent<M> r = block_over<Extent<M>>(n, [&](i64 i, Extent<M>& r) {
        r.sum += partial[i];
        r.top = maximum(r.top, partial[i]);
    });
    if (threadIdx.x == 0) *total = largest ? r.top : root(r.sum);
}

// g *= min(1, limit / (total + 1e-6)); a NaN total makes all gradients NaN, as PyTorch does.
template <typename T>
__global__ void __launch_bounds__(256, 2) clip(const T*, TABLE, const WIDE* total, double limit) {
    typedef WIDE M;
    TENSORS
    const M factor = minimum(static_cast<M>(limit) / (*total + M(1e-6)), M(1));
    if (factor == M(1)) return;
    update<1, T>(tensors, 0, 1, [&](M (&v)[1]) { v[0] *= factor; });
}

template <typename T>
__global__ void __launch_bounds__(256, 2) unscale(const T*, TABLE, const float* scale, float* found) {
    typedef WIDE M;
    TENSORS
    const M factor = scale ? static_cast<M>(*scale) : M(1);
    bool wrong = false;
    update<1, T>(tensors, 0, scale ? 1 : 0, [&](M (&v)[1]) {
        wrong = wrong || !is_finite(v[0]);
        v[0] *= factor;
    });
    // Whoever comes first, the answer is 1.
    if (wrong) atomicExch(reinterpret_cast<int*>(found), __float_as_int(1.0f));
}
