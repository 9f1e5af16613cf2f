// Philox4x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011),
// bit for bit numpy.random.Philox. The stream is frozen: lucid/backend/philox.py defines it.
#pragma once

#include "types.cuh"

// A draw's address. Block b of the draw is Philox of the counter offset + b + 1, of 128 bits.
struct Key {
    u64 seed, stream, offset_low, offset_high;
};

// The key as kernels get it. In a captured graph `base` holds the generator's state as the replay
// found it: two words of offset, from which this one counts, the seed and the stream. Elsewhere it
// is null.
__device__ __forceinline__ Key key_of(u64 seed, u64 stream, u64 offset_low, u64 offset_high,
                                      const u64* base) {
    if (base) {
        offset_low += base[0];
        offset_high += base[1] + (offset_low < base[0]);
        seed = base[2];
        stream = base[3];
    }
    return Key{seed, stream, offset_low, offset_high};
}

struct Block {
    u64 word[4];
};

// Round keys: the seed and the stream plus a multiple of Weyl's increments.
struct RoundKey {
    u64 at[2];
};
__device__ __forceinline__ RoundKey round_key(Key key, u32 round) {
    return RoundKey{{key.seed + round * 0x9E3779B97F4A7C15ull,
                     key.stream + round * 0xBB67AE8584CAA73Bull}};
}

// What the first state word is multiplied by, and the third.
#define PHILOX_M0 0xD2E7470EE14C6C93ull
#define PHILOX_M1 0xCA5A826395121157ull

// The rounds from `first` on; key_at(round) -> RoundKey.
template <int first, typename F>
__device__ __forceinline__ Block rounds(u64 c0, u64 c1, u64 c2, u64 c3, F key_at) {
#pragma unroll
    for (int round = first; round < 10; ++round) {
        const u64 high0 = __umul64hi(PHILOX_M0, c0), low0 = PHILOX_M0 * c0;
        const u64 high1 = __umul64hi(PHILOX_M1, c2), low1 = PHILOX_M1 * c2;
        const RoundKey key = key_at(round);
        c0 = high1 ^ c1 ^ key.at[0];
        c1 = low1;
        c2 = high0 ^ c3 ^ key.at[1];
        c3 = low0;
    }
    return Block{{c0, c1, c2, c3}};
}

__device__ __forceinline__ Block philox(Key key, u64 block) {
    const u64 low = key.offset_low + block;
    const u64 counter = low + 1;
    const u64 high = key.offset_high + (low < block) + (counter == 0);  // carries
    return rounds<0>(counter, high, 0, 0, [&](u32 round) { return round_key(key, round); });
}

// A draw whose counters don't carry into the upper word, for kernels that make very many blocks: its
// round keys, and the products that depend on the upper word only, wait in shared memory.
struct SharedDraw {
    struct alignas(16) Pair {
        u64 at[2];
    };
    Pair keys[10], product;
    u64 start;

    // By a whole thread block; it ends with a barrier.
    __device__ __forceinline__ void prepare(Key key) {
        for (u32 round = threadIdx.x; round < 10; round += blockDim.x) {
            const RoundKey both = round_key(key, round);
            keys[round].at[0] = both.at[0];
            keys[round].at[1] = both.at[1];
        }
        if (threadIdx.x == 0) {
            start = key.offset_low + 1;
            const u64 c0 = (key.offset_high + (start == 0)) ^ key.seed;  // of round 1
            product.at[0] = __umul64hi(PHILOX_M0, c0) ^ round_key(key, 1).at[1];
            product.at[1] = PHILOX_M0 * c0;
        }
        __syncthreads();
    }
    // Whether `blocks` blocks can be drawn so.
    __device__ __forceinline__ static bool suits(Key key, u64 blocks) {
        return key.offset_low + 1 < ~0ull - blocks;
    }
    // Rounds 0 and 1 by hand: of the four words of their states two are zero, and one is constant.
    __device__ __forceinline__ Block operator()(u64 block) const {
        const u64 counter = start + block;
        const u64 c2 = __umul64hi(PHILOX_M0, counter) ^ keys[0].at[1];
        const u64 c0 = __umul64hi(PHILOX_M1, c2) ^ keys[1].at[0];
        return rounds<2>(c0, PHILOX_M1 * c2, product.at[0] ^ PHILOX_M0 * counter, product.at[1],
                         [this](int round) {
                             return RoundKey{{keys[round].at[0], keys[round].at[1]}};
                         });
    }
};

// Decisions. With u a 16-bit lane of a block, X the xor of its 16 lanes and T the threshold, a
// decision is a drop when (u << 16 | (u ^ X)) < T. Where u = T >> 16 the lower half decides: u ^ X, the
// same number for all such lanes of a block. So they drop all or none, and a drop is u < limit, with a
// limit for each block.
struct Threshold {
    u32 high, low;  // T >> 16, and T << 16
    __device__ __forceinline__ explicit Threshold(u64 threshold)
        : high(static_cast<u32>(threshold >> 16)), low(static_cast<u32>(threshold) << 16) {}
    __device__ __forceinline__ u32 limit(const u32 (&words)[8]) const {
        const u32 folded = words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5] ^
                           words[6] ^ words[7];
        // X in the upper half; what is in the lower one can't matter.
        return high + ((folded ^ folded << 16 ^ high << 16) < low);
    }
};
__device__ __forceinline__ void take_apart(const Block& b, u32 (&words)[8]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        words[2 * i] = static_cast<u32>(b.word[i]);
        words[2 * i + 1] = static_cast<u32>(b.word[i] >> 32);
    }
}
// Of the word's two lanes: lane - limit, negative for a drop. less = -limit.
__device__ __forceinline__ u32 low_lane(u32 word, u32 less) { return __dp2a_lo(word, 1u, less); }
__device__ __forceinline__ u32 high_lane(u32 word, u32 less) { return (word >> 16) + less; }

// The block's 16 decisions as bits, decision i in bit i: 1 = keep.
__device__ __forceinline__ u32 keep_bits(Key key, u64 block, u64 threshold) {
    u32 words[8];
    take_apart(philox(key, block), words);
    const u32 less = 0u - Threshold(threshold).limit(words);
    u32 drop = 0;
#pragma unroll
    for (int i = 7; i >= 0; --i) {  // the sign of each moves in from below
        drop = __funnelshift_l(high_lane(words[i], less), drop, 1);
        drop = __funnelshift_l(low_lane(words[i], less), drop, 1);
    }
    return drop ^ 0xFFFFu;
}
