// The scale of a loss, after a step.
//
//   found      scale *= backoff; count = 0
//   else       count += 1; at count == interval: scale *= growth, unless that overflows; count = 0
//
//   launch     one thread
//   memory     reads and writes 8 bytes, reads 4
//   called by  lucid/backend/cuda/loss_scale.py
#include "math.cuh"

template <typename T>
__global__ void __launch_bounds__(32)
    adjust_loss_scale(T* scale, int* count, const T* found, double growth, double backoff,
                      int interval) {
    if (blockIdx.x != 0 || threadIdx.x != 0) return;
    const double now = static_cast<double>(*scale);
    if (*found != T(0)) {
        *scale = static_cast<T>(now * backoff);
        *count = 0;
    } else if (*count + 1 < interval) {
        *count += 1;
    } else {
        const T grown = static_cast<T>(now * growth);
        if (is_finite(grown)) *scale = grown;
        *count = 0;
    }
}
