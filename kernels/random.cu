// Random numbers by address: block b of a draw is Philox of its offset + b + 1, as defined in
// lucid/backend/philox.py.
//
//   kernels    decisions   16 per block   1 = drop, as bytes
//              uniform      8 per block   [0, 1): top 24 bits of a uint32 half (float16: 11,
//                                         bfloat16: 8)
//                           4 per block   double: top 53 bits of a word
//              normal       8 or 4        Box-Muller on pairs of such halves or words
//              integers     4 per block   low + floor(word * range / 2^64); range 0 stands for 2^64
//              words        4 per block
//   launch     256 threads, one per Philox block; any grid and block give the same result
//   memory     writes `count` numbers, 16 bytes at a time; y is 16-byte aligned
//   exact      all but normal: bit for bit the CPU's; normal to a few ulp (log, sin, cos)
//   called by  lucid/backend/cuda/random.py
#include "philox.cuh"

// Stores the M numbers of block b; a draw may end within a block.
template <int M, typename T>
__device__ __forceinline__ void put(T* y, i64 block, i64 count, const T (&numbers)[M]) {
    const int N = Vector<T>::N < M ? Vector<T>::N : M;
    const i64 first = block * M;
    if (first + M <= count) {
#pragma unroll
        for (int i = 0; i < M; i += N) {
            Pack<N, T> pack;
#pragma unroll
            for (int j = 0; j < N; ++j) pack.at[j] = numbers[i + j];
            store_pack<N>(y + first + i, pack);
        }
    } else {
#pragma unroll
        for (int i = 0; i < M; ++i)
            if (first + i < count) y[first + i] = numbers[i];
    }
}

// make(block) -> numbers, for every block of the draw.
#define FOR_EVERY_BLOCK(block, per_block)                                              \
    for (i64 block = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;          \
         block * per_block < count; block += static_cast<i64>(gridDim.x) * blockDim.x)

__device__ __forceinline__ u32 half_word(const Block& b, int i) {
    return static_cast<u32>(b.word[i / 2] >> (32 * (i % 2)));
}

// The top bits of an unsigned integer as a fraction in [0, 1): exact.
__device__ __forceinline__ float fraction(u32 word, int bits) {
    return __uint2float_rn(word >> (32 - bits)) * (1.0f / static_cast<float>(1u << bits));
}
__device__ __forceinline__ double fraction(u64 word) {
    return __ull2double_rn(word >> 11) * (1.0 / 9007199254740992.0);
}

template <typename T> struct Bits { static const int value = 24; };
template <> struct Bits<half_t> { static const int value = 11; };
template <> struct Bits<bfloat16_t> { static const int value = 8; };

// What a block yields for T: 8 numbers, for double 4.
template <typename T> struct Make {
    static const int M = 8;
    static __device__ __forceinline__ void uniform(const Block& b, T (&y)[M]) {
#pragma unroll
        for (int i = 0; i < M; ++i) y[i] = store<T>(fraction(half_word(b, i), Bits<T>::value));
    }
    // u in (0, 1], r = sqrt(-2 log u), t in [0, 2 pi): the pair (r cos t, r sin t), each step
    // rounded.
    static __device__ __forceinline__ void normal(const Block& b, T (&y)[M]) {
#pragma unroll
        for (int i = 0; i < M; i += 2) {
            const float u = __fadd_rn(__uint2float_rn(half_word(b, i)) * 0x1p-32f, 0x1p-33f);
            const float r = __fsqrt_rn(logf(u) * -2.0f);
            const float t = __fmul_rn(fraction(half_word(b, i + 1), 24), 6.2831853071795864769f);
            float sine, cosine;
            sincosf(t, &sine, &cosine);
            y[i] = store<T>(__fmul_rn(r, cosine));
            y[i + 1] = store<T>(__fmul_rn(r, sine));
        }
    }
};
template <> struct Make<double> {
    static const int M = 4;
    static __device__ __forceinline__ void uniform(const Block& b, double (&y)[M]) {
#pragma unroll
        for (int i = 0; i < M; ++i) y[i] = fraction(b.word[i]);
    }
    static __device__ __forceinline__ void normal(const Block& b, double (&y)[M]) {
#pragma unroll
        for (int i = 0; i < M; i += 2) {
            const double u = __dadd_rn(__ull2double_rn(b.word[i]) * 0x1p-64, 0x1p-65);
            const double r = __dsqrt_rn(log(u) * -2.0);
            const double t = __dmul_rn(fraction(b.word[i + 1]), 6.2831853071795864769);
            double sine, cosine;
            sincos(t, &sine, &cosine);
            y[i] = __dmul_rn(r, cosine);
            y[i + 1] = __dmul_rn(r, sine);
        }
    }
};

template <typename T>
__global__ void __launch_bounds__(256)
    uniform(T* y, i64 count, u64 seed, u64 stream, u64 offset_low, u64 offset_high,
            const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    FOR_EVERY_BLOCK(block, Make<T>::M) {
        T numbers[Make<T>::M];
        Make<T>::uniform(philox(key, block), numbers);
        put(y, block, count, numbers);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    normal(T* y, i64 count, u64 seed, u64 stream, u64 offset_low, u64 offset_high,
           const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    FOR_EVERY_BLOCK(block, Make<T>::M) {
        T numbers[Make<T>::M];
        Make<T>::normal(philox(key, block), numbers);
        put(y, block, count, numbers);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    decisions(T* y, i64 count, u64 threshold, u64 seed, u64 stream, u64 offset_low, u64 offset_high,
              const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    FOR_EVERY_BLOCK(block, 16) {
        const u32 bits = keep_bits(key, block, threshold);
        if (block * 16 + 16 <= count) {
            Pack<4, u32> pack;  // four bytes from four bits: their copies don't overlap
#pragma unroll
            for (int i = 0; i < 4; ++i)
                pack.at[i] = ((~bits >> (4 * i) & 15) * 0x00204081u) & 0x01010101u;
            store_pack<4>(reinterpret_cast<u32*>(y) + block * 4, pack);
        } else {
            for (int i = 0; block * 16 + i < count; ++i) y[block * 16 + i] = ~bits >> i & 1;
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    integers(T* y, i64 count, i64 low, u64 range, u64 seed, u64 stream, u64 offset_low,
             u64 offset_high, const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    FOR_EVERY_BLOCK(block, 4) {
        const Block b = philox(key, block);
        T numbers[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const u64 scaled = range ? __umul64hi(b.word[i], range) : b.word[i];
            numbers[i] = static_cast<T>(scaled + static_cast<u64>(low));
        }
        put(y, block, count, numbers);
    }
}

template <typename T>
__global__ void __launch_bounds__(256)
    words(T* y, i64 count, u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64* base) {
    const Key key = key_of(seed, stream, offset_low, offset_high, base);
    FOR_EVERY_BLOCK(block, 4) {
        const Block b = philox(key, block);
        const T numbers[4] = {b.word[0], b.word[1], b.word[2], b.word[3]};
        put(y, block, count, numbers);
    }
}
