// Sums and maxima whose order is fixed by the data's shape alone, whatever the block.
//
// A row is shared by LANES virtual threads: lane v takes groups v, v + LANES, ... A block of any
// number of warps plays them all, a warp playing several virtual warps one after the other. Their
// results are combined by a butterfly of shuffles, which gives all lanes the same bits.
#pragma once

#include "math.cuh"

#define FULL_WARP 0xFFFFFFFFu
const int LANES = 1024;

// What is reduced: K sums.
template <typename M, int K> struct Sums {
    M at[K];
    __device__ __forceinline__ Sums() {
#pragma unroll
        for (int k = 0; k < K; ++k) at[k] = M(0);
    }
    __device__ __forceinline__ void add(const Sums& other) {
#pragma unroll
        for (int k = 0; k < K; ++k) at[k] += other.at[k];
    }
    __device__ __forceinline__ Sums across(int distance) const {
        Sums other;
#pragma unroll
        for (int k = 0; k < K; ++k) other.at[k] = __shfl_xor_sync(FULL_WARP, at[k], distance);
        return other;
    }
};

// The largest, and the sum of exp(x - largest).
template <typename M> struct Softsum {
    M top, sum;
    __device__ __forceinline__ Softsum() : top(-infinity<M>()), sum(M(0)) {}
    // Where both tops are -inf their difference would be NaN.
    __device__ __forceinline__ static M factor(M from, M to) {
        return from == to ? M(1) : exp_of(from - to);
    }
    __device__ __forceinline__ void add(const Softsum& other) {
        const M highest = other.top > top ? other.top : top;
        sum = sum * factor(top, highest) + other.sum * factor(other.top, highest);
        top = highest;
    }
    template <int N> __device__ __forceinline__ void add(const M (&x)[N]) {
        M highest = top;
#pragma unroll
        for (int j = 0; j < N; ++j) highest = x[j] > highest ? x[j] : highest;
        M more = sum * factor(top, highest);
        // x = highest = -inf counts for nothing here; a row of nothing else ends as NaN anyway.
#pragma unroll
        for (int j = 0; j < N; ++j) more += x[j] == -infinity<M>() ? M(0) : exp_of(x[j] - highest);
        sum = more;
        top = highest;
    }
    __device__ __forceinline__ Softsum across(int distance) const {
        Softsum other;
        other.top = __shfl_xor_sync(FULL_WARP, top, distance);
        other.sum = __shfl_xor_sync(FULL_WARP, sum, distance);
        return other;
    }
};

template <typename R> __device__ __forceinline__ R warp_reduce(R r) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) r.add(r.across(distance));
    return r;
}

// One warp has the whole row. each(group, r) adds group to r.
template <typename R, typename F>
__device__ __forceinline__ R warp_over(i64 groups, F each) {
    R r;
    for (i64 g = threadIdx.x & 31; g < groups; g += 32) each(g, r);
    return warp_reduce(r);
}

// The block has the whole row; all threads get the answer. The block is a multiple of 32 threads.
template <typename R, typename F>
__device__ __forceinline__ R block_over(i64 groups, F each) {
    __shared__ double memory[4 * sizeof(R)];  // 32 of them: R has a constructor, which shared memory forbids
    R* parts = reinterpret_cast<R*>(memory);
    const int lane = threadIdx.x & 31, warps = blockDim.x / 32;
    __syncthreads();  // parts of a call before this one may still be read
    for (int virtual_warp = threadIdx.x / 32; virtual_warp < 32; virtual_warp += warps) {
        R r;
        if (virtual_warp * 32 < groups) {
            for (i64 g = virtual_warp * 32 + lane; g < groups; g += LANES) each(g, r);
            r = warp_reduce(r);
        }
        if (lane == 0) parts[virtual_warp] = r;
    }
    __syncthreads();
    return warp_reduce(R(parts[lane]));
}

// Rows shared out to teams: 1, 2, 4, ... 32 neighbouring lanes, or (lanes = 0) whole blocks.
//
//     for (i64 row = team.first; team.any(row, rows); row += team.step) ... team.over(...)
//
// All lanes of a warp stay in the loop together; a team whose row is beyond the last has no groups.
struct Team {
    int lanes, rank, size;
    i64 first, step;
    __device__ __forceinline__ explicit Team(int lanes) : lanes(lanes) {
        const int teams = lanes ? blockDim.x / lanes : 1;
        size = lanes ? lanes : blockDim.x;
        rank = lanes ? threadIdx.x & (lanes - 1) : threadIdx.x;
        first = static_cast<i64>(blockIdx.x) * teams + (lanes ? threadIdx.x / lanes : 0);
        step = static_cast<i64>(gridDim.x) * teams;
    }
    __device__ __forceinline__ bool any(i64 row, i64 rows) const {
        return row - (lanes ? (threadIdx.x & 31) / lanes : 0) < rows;
    }
    template <typename R, typename F> __device__ __forceinline__ R over(i64 groups, F each) const {
        if (lanes == 0) return block_over<R>(groups, each);
        R r;
        for (i64 g = rank; g < groups; g += lanes) each(g, r);
        for (int distance = lanes / 2; distance > 0; distance /= 2) r.add(r.across(distance));
        return r;
    }
};

// K sums over rows first .. last - 1 for N neighbouring columns per thread, and their place in memory.
// 32 virtual rows, played by the block's second dimension (a divisor of 32), are added up in order.
// each(row, sums) adds a row's N columns; done(k, x, j, sum) takes the answer for column j of lane x.
const int COLUMN_LANES = 8;  // the block's first dimension: 128 bytes of a row

template <int K, int N, typename M, typename F, typename G>
__device__ __forceinline__ void column_sums(i64 first, i64 last, F each, G done) {
    __shared__ M parts[32][COLUMN_LANES * K * N + 1];
    const int x = threadIdx.x, step = blockDim.y;
    __syncthreads();
    for (int v = threadIdx.y; v < 32; v += step) {
        Sums<M, K * N> sums;
        for (i64 row = first + v; row < last; row += 32) each(row, sums);
#pragma unroll
        for (int i = 0; i < K * N; ++i) parts[v][x * K * N + i] = sums.at[i];
    }
    __syncthreads();
    for (int i = threadIdx.y * COLUMN_LANES + x; i < COLUMN_LANES * K * N; i += step * COLUMN_LANES) {
        M total = M(0);
        for (int v = 0; v < 32; ++v) total += parts[v][i];
        done(i / N % K, i / (K * N), i % N, total);
    }
}
