// The dropout family, forward and backward:  y = keep ? scale * x + shift : fill.
//
//   kernels    bernoulli_affine                one decision per element, C-contiguous
//              bernoulli_affine_channel        one per channel, C-contiguous (N, C, inner)
//              bernoulli_affine_channel_last   one per channel, memory (N, inner, C)
//              bernoulli_affine_element_last   one per element, memory (N, inner, C)
//              bernoulli_affine_given          decisions given: any other order of memory
//   decisions  number i belongs to logical, C-order index i, whatever the memory layout, the grid
//              or the block; 16 of them come from one Philox block. No mask is stored.
//   launch     at most 256 threads, whole warps; any such grid and block give the same result
//   16 bits    bernoulli_affine has a way of its own for half and bfloat16: dropout_halves.cuh
//   memory     reads n, writes n elements, 16 bytes at a time where pointers and sizes allow
//   select     a dropped NaN or Inf leaves no trace; y may be x, so loads that shall be under way
//              together stand before the first store
//   called by  lucid/backend/cuda/dropout.py
#include "dropout_halves.cuh"
#include "philox.cuh"

// scale, shift and fill in the type that T computes in.
template <typename T> struct Law {
    typedef typename Compute<T>::type M;
    M scale, shift, fill;
    __device__ Law(double scale, double shift, double fill)
        : scale(static_cast<M>(scale)), shift(static_cast<M>(shift)), fill(static_cast<M>(fill)) {
        if (this->shift == M(0)) this->shift = -M(0);  // so that -0 stays -0
    }
    __device__ __forceinline__ T operator()(T x, bool keep) const {
        const M kept = multiply_add(load(x), scale, shift);
        return store<T>(keep ? kept : fill);
    }
    // Element j is kept if bit j is set.
    template <int N>
    __device__ __forceinline__ Pack<N, T> operator()(Pack<N, T> x, u32 bits) const {
#pragma unroll
        for (int j = 0; j < N; ++j) x.at[j] = (*this)(x.at[j], bits >> j & 1);
        return x;
    }
};

// The warps of the grid, and the number of this one.
__device__ __forceinline__ i64 all_warps() {
    return static_cast<i64>(gridDim.x) * (blockDim.x / 32);
}
__device__ __forceinline__ i64 this_warp() {
    return static_cast<i64>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
}

// The elements of the 512 at `chunk` * 512 that there are, by one warp.
template <typename T>
__device__ void walk_rest(const T* x, T* y, i64 n, i64 chunk, Key key, u64 threshold,
                          const Law<T>& law) {
    const int lane = threadIdx.x & 31;
    const u32 mine = keep_bits(key, static_cast<u64>(chunk) * 32 + lane, threshold);
#pragma unroll 1
    for (int at = lane; at < 512; at += 32) {
        const u32 bits = __shfl_sync(FULL_WARP, mine, at / 16) >> (at % 16);
        const i64 here = chunk * 512 + at;
        if (here < n) y[here] = law(x[here], bits & 1);
    }
}

// A warp takes 512 elements: each lane decides for 16 of them, then the lanes walk through them
// side by side, N elements each, and fetch the 16 bits that they need from the lane that has them.
template <int N, typename T>
__device__ void walk(const T* x, T* y, i64 n, Key key, u64 threshold, const Law<T>& law) {
    const int lane = threadIdx.x & 31;
    i64 chunk = this_warp();
    for (; chunk * 512 + 512 <= n; chunk += all_warps()) {
        const i64 first = chunk * 512 + lane * N;
        Pack<N, T> packs[16 / N];
#pragma unroll
        for (int step = 0; step < 16 / N; ++step)
            packs[step] = load_pack<N>(x + first + step * 32 * N);
        const u32 mine = keep_bits(key, static_cast<u64>(chunk) * 32 + lane, threshold);
#pragma unroll
        for (int step = 0; step < 16 / N; ++step) {
            const int at = (step * 32 + lane) * N;
            const u32 bits = __shfl_sync(FULL_WARP, mine, at / 16) >> (at % 16);
            store_pack<N>(y + first + step * 32 * N, law(packs[step], bits));
        }
    }
    if (chunk * 512 < n) walk_rest(x, y, n, chunk, key, threshold, law);  // it is this warp's turn
}

template <typename T>
__global__ void __launch_bounds__(256)
    bernoulli_affine(const T* x, T* y, i64 n, u64 threshold, double scale, double shift,
                     double fill, u64 seed, u64 stream, u64 offset_low, u64 offset_high,
                     const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const Law<T> law(scale, shift, fill);
    const bool aligned = is_aligned(x) && is_aligned(y);
    if constexpr (sizeof(T) == 2) {
        if (aligned && SharedDraw::suits(key, static_cast<u64>(n / 16))) {
            __shared__ SharedDraw draw;
            draw.prepare(key);
            i64 chunk = 2 * walk_pairs(x, y, n, draw, threshold, law.scale, law.shift, law.fill);
#pragma unroll 1
            for (; chunk * 512 < n; ++chunk) walk_rest(x, y, n, chunk, key, threshold, law);
            return;
        }
    }
    if (aligned && sizeof(T) > 2) {
        walk<Vector<T>::N>(x, y, n, key, threshold, law);
    } else {
        walk<1>(x, y, n, key, threshold, law);
    }
}

// Division by inner, for numbers below 2^31: place * magic >> (32 + shift).
struct Channels {
    u32 inner, magic, shift;
    __device__ __forceinline__ u32 operator()(u32 place) const {
        return __umulhi(place, magic) >> shift;
    }
};

// N bits for the N elements from `place` on, which counts from the beginning of a channel; lane l
// of the warp holds the decisions for channels 16 l to 16 l + 15; this one is number `skipped`.
template <int N>
__device__ __forceinline__ u32 channel_bits(u32 place, u32 skipped, u32 mine, Channels channels) {
    const u32 channel = channels(place) + skipped;
    u32 bits = 0;
    if (channels.inner >= N) {  // the elements belong to two channels at most
        const u32 after = channel + 1;
        const u32 here = __shfl_sync(FULL_WARP, mine, channel / 16) >> (channel % 16) & 1;
        const u32 next = __shfl_sync(FULL_WARP, mine, after / 16) >> (after % 16) & 1;
        const u32 left = (channel - skipped + 1) * channels.inner - place;
        const u32 ours = left < N ? (1u << left) - 1 : 0xFFFFFFFFu;
        bits = ((0u - here) & ours) | ((0u - next) & ~ours);
    } else {
#pragma unroll
        for (int j = 0; j < N; ++j) {
            const u32 c = channels(place + j) + skipped;
            bits |= (__shfl_sync(FULL_WARP, mine, c / 16) >> (c % 16) & 1) << j;
        }
    }
    return bits;
}

// A warp takes `chunk` elements, a multiple of 1024 that needs no more than the 32 Philox blocks
// that its lanes can hold. inner is from 2 to 2^31 - 4096.
template <int N, typename T>
__device__ void walk_channels(const T* x, T* y, i64 n, Channels channels, u32 chunk, Key key,
                              u64 threshold, const Law<T>& law) {
    const u32 lane = threadIdx.x & 31;
    for (i64 start = this_warp() * chunk; start < n; start += all_warps() * chunk) {
        const i64 channel =
            n < 0x7FFFFFFF ? channels(static_cast<u32>(start)) : start / channels.inner;
        const u32 inside = static_cast<u32>(start - channel * channels.inner);
        const u32 skipped = static_cast<u32>(channel & 15);
        u32 mine = 0;
        if (lane * 16 <= skipped + channels(inside + chunk - 1))
            mine = keep_bits(key, static_cast<u64>(channel / 16) + lane, threshold);
        if (start + chunk <= n) {
            for (u32 at = lane * N; at < chunk; at += 4 * 32 * N) {
                Pack<N, T> packs[4];
#pragma unroll
                for (u32 k = 0; k < 4; ++k) packs[k] = load_pack<N>(x + start + at + k * 32 * N);
#pragma unroll
                for (u32 k = 0; k < 4; ++k) {
                    const u32 here = at + k * 32 * N;
                    const u32 bits = channel_bits<N>(inside + here, skipped, mine, channels);
                    store_pack<N>(y + start + here, law(packs[k], bits));
                }
            }
        } else {
#pragma unroll 1
            for (u32 at = lane; at < chunk; at += 32) {
                const u32 bits = channel_bits<1>(inside + at, skipped, mine, channels);
                if (start + at < n) y[start + at] = law(x[start + at], bits & 1);
            }
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    bernoulli_affine_channel(const T* x, T* y, i64 n, u32 inner, u32 magic, u32 shift_by, u32 chunk,
                             u64 threshold, double scale, double shift, double fill, u64 seed,
                             u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const Law<T> law(scale, shift, fill);
    const Channels channels = {inner, magic, shift_by};
    if (is_aligned(x) && is_aligned(y)) {
        walk_channels<Vector<T>::N>(x, y, n, channels, chunk, key, threshold, law);
    } else {
        walk_channels<1>(x, y, n, channels, chunk, key, threshold, law);
    }
}

// Memory (samples, inner, channels). A thread keeps N neighbouring channels and walks over
// positions. N divides 16 and the first decision, so that its bits come from one Philox block.
template <int N, typename T>
__device__ void walk_channels_last(const T* x, T* y, i64 samples, i64 inner, u32 channels, Key key,
                                   u64 threshold, const Law<T>& law) {
    const i64 groups = channels / N;  // of N channels, per sample
    const i64 columns = samples * groups;
    const i64 stride = static_cast<i64>(gridDim.y) * blockDim.y;
    i64 column = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; column < columns; column += static_cast<i64>(gridDim.x) * blockDim.x) {
        const i64 sample = column / groups;
        const i64 channel = (column - sample * groups) * N;
        const u64 decision = static_cast<u64>(sample * channels + channel);
        const u32 bits = keep_bits(key, decision / 16, threshold) >> (decision % 16);
        const i64 corner = sample * inner * channels + channel;
        i64 i = static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y;
        for (; i < inner; i += 4 * stride) {
            Pack<N, T> packs[4];
#pragma unroll
            for (int k = 0; k < 4; ++k)
                if (i + k * stride < inner)
                    packs[k] = load_pack<N>(x + corner + (i + k * stride) * channels);
#pragma unroll
            for (int k = 0; k < 4; ++k)
                if (i + k * stride < inner)
                    store_pack<N>(y + corner + (i + k * stride) * channels, law(packs[k], bits));
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    bernoulli_affine_channel_last(const T* x, T* y, i64 samples, i64 inner, u32 channels,
                                  u64 threshold, double scale, double shift, double fill, u64 seed,
                                  u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const Law<T> law(scale, shift, fill);
    if (is_aligned(x) && is_aligned(y) && channels % Vector<T>::N == 0) {
        walk_channels_last<Vector<T>::N>(x, y, samples, inner, channels, key, threshold, law);
    } else {
        walk_channels_last<1>(x, y, samples, inner, channels, key, threshold, law);
    }
}

// Memory (samples, inner, channels), a decision per element. Sixteen decisions lie along the inner
// dimension of one channel: a thread takes N neighbouring channels and `run` times 16 positions, so
// that of run + 1 Philox blocks per channel one is for the ends. The blocks wait in shared memory,
// each thread's own: registers can't be indexed by the loop over channels, which is kept a loop
// because a Philox block is 250 instructions.
template <int N, typename T>
__device__ void walk_elements_last(const T* x, T* y, i64 samples, i64 inner, u32 channels, u32 run,
                                   u32 (*held)[256], Key key, u64 threshold, const Law<T>& law) {
    const i64 groups = channels / N;
    const i64 rows = (inner + 16 * static_cast<i64>(run) - 1) / (16 * static_cast<i64>(run));
    const i64 tiles = samples * rows * groups;
    i64 tile = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; tile < tiles; tile += static_cast<i64>(gridDim.x) * blockDim.x) {
        const i64 row = tile / groups;
        const i64 sample = row / rows;
        const i64 channel = (tile - row * groups) * N;
        i64 position = (row - sample * rows) * 16 * run;
        const i64 end = inner - position < 16 * static_cast<i64>(run) ? inner : position + 16 * run;
        const u64 decision = static_cast<u64>(sample * channels + channel) * inner + position;
#pragma unroll 1
        for (int j = 0; j < N; ++j)
            held[j][threadIdx.x] = keep_bits(key, (decision + j * inner) / 16, threshold);
        for (u32 turn = 1; position < end; position += 16, ++turn) {
            const u32 count = end - position < 16 ? static_cast<u32>(end - position) : 16;
#pragma unroll 1
            for (int j = 0; j < N; ++j) {
                const u64 of_channel = decision + j * inner;
                if (of_channel % 16 + count > 16 || position + 16 < end)
                    held[j][threadIdx.x] |= keep_bits(key, of_channel / 16 + turn, threshold) << 16;
            }
            u32 along[N];  // per channel: bit i for position i
#pragma unroll
            for (int j = 0; j < N; ++j) {
                along[j] = held[j][threadIdx.x] >> ((decision + j * inner) % 16);
                held[j][threadIdx.x] >>= 16;
            }
            const i64 corner = (sample * inner + position) * channels + channel;
#pragma unroll 1
            for (u32 i = 0; i < count; i += 4) {
                Pack<N, T> packs[4];
#pragma unroll
                for (u32 k = 0; k < 4; ++k)
                    if (i + k < count)
                        packs[k] = load_pack<N>(x + corner + static_cast<i64>(i + k) * channels);
#pragma unroll
                for (u32 k = 0; k < 4; ++k) {
                    u32 bits = 0;
#pragma unroll
                    for (int j = 0; j < N; ++j) bits |= (along[j] >> (i + k) & 1) << j;
                    if (i + k < count)
                        store_pack<N>(y + corner + static_cast<i64>(i + k) * channels,
                                      law(packs[k], bits));
                }
            }
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    bernoulli_affine_element_last(const T* x, T* y, i64 samples, i64 inner, u32 channels, u32 run,
                                  u64 threshold, double scale, double shift, double fill, u64 seed,
                                  u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    __shared__ u32 held[Vector<T>::N][256];
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    const Law<T> law(scale, shift, fill);
    if (is_aligned(x) && is_aligned(y) && channels % Vector<T>::N == 0) {
        walk_elements_last<Vector<T>::N>(x, y, samples, inner, channels, run, held, key, threshold,
                                         law);
    } else {
        walk_elements_last<1>(x, y, samples, inner, channels, run, held, key, threshold, law);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    bernoulli_affine_given(const T* x, T* y, const bool* drop, i64 n, double scale, double shift,
                           double fill) {
    const Law<T> law(scale, shift, fill);
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) y[i] = law(x[i], !drop[i]);
}
