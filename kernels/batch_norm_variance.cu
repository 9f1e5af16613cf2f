// What cuDNN's batch norm keeps to itself: the variance, from inverse = 1 / sqrt(var + eps).
//
//   var = 1 / inverse^2 - eps, in double: off by the inverse's own rounding, 2^-22 of var + eps
//
//   launch     one thread per channel; any grid and block give the same result
//   memory     reads and writes C elements
//   called by  lucid/backend/cuda/cudnn_batch_norm.py
#include "types.cuh"

template <typename T>
__global__ void __launch_bounds__(256, 2)
    variance(const T* inverse, T* var, i64 channels, double eps) {
    i64 c = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; c < channels; c += static_cast<i64>(gridDim.x) * blockDim.x) {
        const double steep = inverse[c];
        const double v = 1.0 / (steep * steep) - eps;
        var[c] = static_cast<T>(v < 0 ? 0 : v);  // rounding may pass 0; NaN stays
    }
}
