// A captured graph's random numbers: the generator's state on the device, moved on by each replay.
//
//   words      offset (low, high), seed, stream, blocks per replay (low, high)
//   formula    offset += blocks, mod 2^128: in front of the draws, which then count from it
//   launch     one thread
//   memory     reads 4 words, writes 2
//   called by  lucid/backend/cuda/random.py
#include "types.cuh"

template <typename T> __global__ void __launch_bounds__(1) advance(T* words) {
    const T low = words[0] + words[4];
    words[1] += words[5] + (low < words[4]);
    words[0] = low;
}
