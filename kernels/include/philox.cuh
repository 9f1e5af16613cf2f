// Philox4x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011),
// bit for bit numpy.random.Philox. The stream is frozen: lucid/backend/philox.py defines it.
#pragma once

#include "types.cuh"

// A draw's address. Block b of the draw is Philox of the counter offset + b + 1, of 128 bits.
struct Key {
    u64 seed, stream, offset_low, offset_high;
};

// The key as kernels get it. In a captured graph the offset counts from the two words at `base`,
// which the host moves on between replays; elsewhere base is null.
__device__ __forceinline__ Key key_of(u64 seed, u64 stream, u64 offset_low, u64 offset_high,
                                      const u64* base) {
    if (base) {
        offset_low += base[0];
        offset_high += base[1] + (offset_low < base[0]);
    }
    return Key{seed, stream, offset_low, offset_high};
}

struct Block {
    u64 word[4];
};

__device__ __forceinline__ Block philox(Key key, u64 block) {
    const u64 low = key.offset_low + block;
    const u64 counter = low + 1;
    u64 c0 = counter;
    u64 c1 = key.offset_high + (low < block) + (counter == 0);  // carries
    u64 c2 = 0, c3 = 0;
    u64 k0 = key.seed, k1 = key.stream;
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const u64 m0 = 0xD2E7470EE14C6C93ull, m1 = 0xCA5A826395121157ull;
        const u64 high0 = __umul64hi(m0, c0), low0 = m0 * c0;
        const u64 high1 = __umul64hi(m1, c2), low1 = m1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ull;
        k1 += 0xBB67AE8584CAA73Bull;
    }
    return Block{{c0, c1, c2, c3}};
}

// The block's 16 decisions as bits, decision i in bit i: 1 = keep. With u the 16-bit lane and X the
// xor of all lanes, a decision is a drop when v = (u << 16) | (u ^ X) is below the threshold.
__device__ __forceinline__ u32 keep_bits(Key key, u64 block, u64 threshold) {
    const Block b = philox(key, block);
    const u64 folded = b.word[0] ^ b.word[1] ^ b.word[2] ^ b.word[3];
    const u32 halves = static_cast<u32>(folded) ^ static_cast<u32>(folded >> 32);
    const u32 both = halves ^ (halves << 16 | halves >> 16);  // X in either half
    const u32 last = static_cast<u32>(threshold - 1);         // the last v that drops
    u32 bits = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const u32 u = static_cast<u32>(b.word[i / 2] >> (32 * (i % 2))), x = u ^ both;
        bits |= static_cast<u32>(__byte_perm(u, x, 0x1054) > last) << (2 * i);      // low lanes
        bits |= static_cast<u32>(__byte_perm(u, x, 0x3276) > last) << (2 * i + 1);  // high lanes
    }
    return threshold ? bits : 0xFFFFu;
}
