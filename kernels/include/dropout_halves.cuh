// y = keep ? scale * x + shift : fill for the 16-bit types, where a decision per element costs more
// instructions than memory leaves time for: decisions become masks for pairs of elements, without a
// bit or a predicate per element.
//
//   layout     a warp takes 1024 elements, which need 64 Philox blocks, two per lane. 16 bytes are 8
//              elements, half a block's: of the four vectors that a lane walks through it decides
//              for two, and its neighbour for the other two.
#pragma once

#include "philox.cuh"

#define FULL_WARP 0xFFFFFFFFu

__device__ __forceinline__ u32 word_of(__half2 pair) { return reinterpret_cast<const u32&>(pair); }
__device__ __forceinline__ u32 word_of(__nv_bfloat162 pair) {
    return reinterpret_cast<const u32&>(pair);
}

template <typename T> struct Pair;
template <> struct Pair<half_t> {
    typedef __half2 type;
    static const int most = 15;  // 2^15 is a number of the type
    static __device__ __forceinline__ float2 load(u32 x) {
        const __half2 pair = reinterpret_cast<const __half2&>(x);
        return make_float2(__low2float(pair), __high2float(pair));
    }
    static __device__ __forceinline__ u32 store(float low, float high) {
        return word_of(__floats2half2_rn(low, high));
    }
    static __device__ __forceinline__ u32 both(float x) { return store(x, x); }
};
template <> struct Pair<bfloat16_t> {
    typedef __nv_bfloat162 type;
    static const int most = 127;
    static __device__ __forceinline__ float2 load(u32 x) {
        return make_float2(__uint_as_float(x << 16), __uint_as_float(x & 0xFFFF0000u));
    }
    static __device__ __forceinline__ u32 store(float low, float high) {
        return word_of(__floats2bfloat162_rn(low, high));
    }
    static __device__ __forceinline__ u32 both(float x) { return store(x, x); }
};

// What becomes of a pair of kept elements, each as Law has it: three ways to the same bits.
struct Shifted {  // rounded after the product, after the sum, and to T
    float scale, shift;
    template <typename T> __device__ __forceinline__ u32 kept(u32 x) const {
        const float2 v = Pair<T>::load(x);
        return Pair<T>::store(multiply_add(v.x, scale, shift), multiply_add(v.y, scale, shift));
    }
};
struct Scaled {  // there is no shift
    float scale;
    template <typename T> __device__ __forceinline__ u32 kept(u32 x) const {
        const float2 v = Pair<T>::load(x);
        return Pair<T>::store(__fmaf_ieee_rn(v.x, scale, -0.0f), __fmaf_ieee_rn(v.y, scale, -0.0f));
    }
};
struct Doubled {  // and the scale is 1, 2, 4, ...: products are exact, or infinite, in T itself
    float scale;
    template <typename T> __device__ __forceinline__ u32 kept(u32 x) const {
        typedef typename Pair<T>::type P;
        const u32 factor = Pair<T>::both(scale);
        return word_of(__hmul2(reinterpret_cast<const P&>(x), reinterpret_cast<const P&>(factor)));
    }
    template <typename T> static __device__ __forceinline__ bool suits(float scale) {
        const u32 bits = __float_as_uint(scale), power = bits >> 23;
        return (bits & 0x7FFFFF) == 0 && power >= 127 && power <= 127 + Pair<T>::most;
    }
};

// The block's 16 decisions as bytes, number i in byte i % 4 of marks[i / 4]: 0xFF = drop.
__device__ __forceinline__ void drop_bytes(const Block& block, const Threshold& threshold,
                                           u32 (&marks)[4]) {
    u32 words[8];
    take_apart(block, words);
    const u32 less = 0u - threshold.limit(words);
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // the top byte of a difference is 0 or 0xFF
        const u32 a = words[2 * i], b = words[2 * i + 1];
        marks[i] = __byte_perm(__byte_perm(low_lane(a, less), high_lane(a, less), 0x73),
                               __byte_perm(low_lane(b, less), high_lane(b, less), 0x73), 0x5410);
    }
}

// The whole 1024s of x that are this warp's; -> the number of the next one, which may be the broken
// one at the end. x and y are aligned.
template <typename T, typename F>
__device__ i64 walk_pairs(const T* x, T* y, i64 n, const SharedDraw& draw, u64 drop_below,
                           const F& law, u32 fill) {
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32;
    const Threshold threshold(drop_below);
    // Even lanes have blocks 0 .. 15 and 32 .. 47, odd ones those between and after.
    const bool odd = lane & 1;
    const u32 place = lane / 2 + lane % 2 * 16;
    // Two marks of ours, or of the neighbour's, become two masks of 16 bits.
    const u32 first[2] = {odd ? 0x5544u : 0x1100u, odd ? 0x7766u : 0x3322u};
    const u32 second[2] = {odd ? 0x1100u : 0x5544u, odd ? 0x3322u : 0x7766u};
    i64 chunk = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
#pragma unroll 1
    for (; chunk * 1024 + 1024 <= n; chunk += static_cast<i64>(gridDim.x) * warps) {
        const i64 here = chunk * 1024 + lane * 8;
        Pack<4, u32> v[4];
#pragma unroll
        for (int i = 0; i < 4; ++i)
            v[i] = load_pack<4>(reinterpret_cast<const u32*>(x + here + i * 256));
        const u64 block = static_cast<u64>(chunk) * 64 + place;
        const Block blocks[2] = {draw(block), draw(block + 32)};
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            u32 ours[4], theirs[2];
            drop_bytes(blocks[i], threshold, ours);
#pragma unroll
            for (int j = 0; j < 2; ++j)
                theirs[j] = __shfl_xor_sync(FULL_WARP, odd ? ours[j] : ours[2 + j], 1);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                Pack<4, u32>& pack = v[2 * i + half];
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    const u32 drop = __byte_perm(ours[2 * half + j / 2], theirs[j / 2],
                                                 half ? second[j % 2] : first[j % 2]);
                    pack.at[j] = (law.template kept<T>(pack.at[j]) & ~drop) | (fill & drop);
                }
                store_pack<4>(reinterpret_cast<u32*>(y + here + (2 * i + half) * 256), pack);
            }
        }
    }
    return chunk;
}

template <typename T>
__device__ __forceinline__ i64 walk_pairs(const T* x, T* y, i64 n, const SharedDraw& draw,
                                           u64 threshold, float scale, float shift, float fill) {
    const u32 filling = Pair<T>::both(fill);
    if (shift != 0)
        return walk_pairs(x, y, n, draw, threshold, Shifted{scale, shift}, filling);
    if (Doubled::suits<T>(scale))
        return walk_pairs(x, y, n, draw, threshold, Doubled{scale}, filling);
    return walk_pairs(x, y, n, draw, threshold, Scaled{scale}, filling);
}
