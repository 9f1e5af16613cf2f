// Snake, y = x + sin(a x)^2 / a, and its gradient dx = dy (1 + sin(2 a x)).
//
//   launch     any grid and block: a thread takes every (grid * block)-th element
//   memory     reads n (backward 2 n) and writes n elements
//   called by  examples/custom_op.py
//
// T is the tensors' type; Compute<T>::type the one to calculate in: float for both halves.
#include "math.cuh"

__device__ float sine(float x) { return sinf(x); }
__device__ double sine(double x) { return sin(x); }

template <typename T> __global__ void snake(const T* x, T* y, i64 n, double a) {
    typedef typename Compute<T>::type M;
    const M rate = static_cast<M>(a);
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        const M v = load(x[i]), s = sine(rate * v);
        y[i] = store<T>(v + s * s / rate);
    }
}

template <typename T>
__global__ void snake_backward(const T* dy, const T* x, T* dx, i64 n, double a) {
    typedef typename Compute<T>::type M;
    const M rate = static_cast<M>(2 * a);
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        dx[i] = store<T>(load(dy[i]) * (M(1) + sine(rate * load(x[i]))));
    }
}
