// Walks over (N, C, inner) with one dropout decision per channel of each sample, in two orders of memory.
#pragma once

#include "math.cuh"
#include "philox.cuh"

#define FULL_WARP 0xFFFFFFFFu

// Decision number sample * channels + channel. threshold 0: all are kept, and nothing is drawn.
struct Decisions {
    Key key;
    u64 threshold;
    // Bits of decisions first .. first + count - 1 (count <= 16); they may lie in two Philox blocks.
    __device__ __forceinline__ u32 bits(u64 first, int count) const {
        if (!threshold) return ~0u;
        const u32 offset = first % 16;
        u32 found = keep_bits(key, first / 16, threshold) >> offset;
        if (offset + count > 16) found |= keep_bits(key, first / 16 + 1, threshold) << (16 - offset);
        return found;
    }
};

// Memory (N, C, inner), n elements: each(at, channel, keep) for the W elements at `at`, which are of one
// channel. W divides inner or is 1. A warp takes `chunk` elements: its lanes draw for all channels in
// reach, 16 each, then walk side by side. Blocks are whole warps.
template <int W, typename F>
__device__ __forceinline__ void over_planes(i64 n, u32 inner, u32 channels, const Decisions& drawn,
                                            F each) {
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32, chunk = inner < 8 ? 512 : 2048;
    i64 base = (static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32) * chunk;
    for (; base < n; base += static_cast<i64>(gridDim.x) * warps * chunk) {
        u32 inside, channel;
        const u64 plane = divide(base, inner, inside);
        divide(plane, channels, channel);
        const u32 skipped = plane & 15;
        u32 mine = ~0u;
        if (drawn.threshold && lane <= (skipped + (inside + chunk - 1) / inner) / 16) {
            mine = keep_bits(drawn.key, plane / 16 + lane, drawn.threshold);
        }
        for (int at = lane * W; at < chunk; at += 32 * W) {
            const u32 behind = (inside + at) / inner;  // planes
            u32 keep = 1;
            if (drawn.threshold) {
                const u32 decision = skipped + behind;
                keep = __shfl_sync(FULL_WARP, mine, decision / 16) >> (decision % 16) & 1;
            }
            if (base + at < n) each(base + at, (channel + behind) % channels, keep != 0);
        }
    }
}

// Memory (N, inner, C): each(corner, channel, keep) for W neighbouring channels of a sample, keep with
// a bit for each. It walks over positions: element i of channel j is at corner + i * channels + j, for
// i from first_position() in steps of all_positions(). Blocks have two dimensions.
template <int W, typename F>
__device__ __forceinline__ void over_columns(i64 samples, i64 inner, u32 channels,
                                             const Decisions& drawn, F each) {
    const i64 groups = channels / W, tiles = samples * groups;
    i64 tile = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; tile < tiles; tile += static_cast<i64>(gridDim.x) * blockDim.x) {
        const i64 sample = tile / groups;
        const u32 channel = static_cast<u32>(tile - sample * groups) * W;
        const u32 keep = drawn.bits(static_cast<u64>(sample) * channels + channel, W);
        each(sample * inner * channels + channel, channel, keep);
    }
}
__device__ __forceinline__ i64 first_position() {
    return static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y;
}
__device__ __forceinline__ i64 all_positions() { return static_cast<i64>(gridDim.y) * blockDim.y; }
