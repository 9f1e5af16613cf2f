// Max and average pooling over up to three spatial dimensions, and their gradients.
//
//   max      y = the largest element of a window (the first of equals, the first NaN), and its number
//            in the window; dx[i] = the sum of dy over the windows whose number names i
//   average  y = sum(window) / divisor; dx[i] = the sum of dy / divisor over the windows that hold i
//
// Gradients are gathered, never scattered: no atomics, the same sum in the same order every time.
//
//   kernels    max_pool, max_pool_gather, avg_pool, avg_pool_gather; <numbers> u8 or int32
//   axes       per dimension (1-D and 2-D: the first ones are 1, 1, 1, 1, 0, 1) its extent, number of
//              windows, kernel, stride, padding, dilation. A kernel of 0 is adaptive: part i reaches
//              from floor(i extent / size) to ceil((i + 1) extent / size)
//   counts     per dimension: > 0 the divisor's factor; 0 the elements inside x; -1 and the padding
//   layout     last = 0: (planes, D, H, W), a thread per element; last = 1: (N, D, H, W, C), a thread per
//              N neighbouring channels, 16 bytes
//   launch     256 threads; any grid and block give the same result
//   memory     x or dy is read once from memory (again from a cache where windows overlap)
//   called by  lucid/backend/cuda/pooling.py
#include "math.cuh"

struct Axis {
    int extent, size, kernel, stride, padding, dilation, count;

    // Where window i starts and stops inside x, for a dilation of 1.
    __device__ __forceinline__ void span(int i, int& start, int& stop) const {
        if (kernel == 0) {
            start = static_cast<int>(static_cast<i64>(i) * extent / size);
            stop = static_cast<int>((static_cast<i64>(i + 1) * extent + size - 1) / size);
            return;
        }
        start = stride * i - padding;
        stop = start + kernel < extent ? start + kernel : extent;
        start = start > 0 ? start : 0;
    }
    __device__ __forceinline__ int divisor(int i) const {
        if (count > 0) return count;
        int start, stop;
        if (count == 0) {
            span(i, start, stop);
            return stop - start;
        }
        start = stride * i - padding;
        return kernel < extent + padding - start ? kernel : extent + padding - start;
    }
    // The windows that hold element i, for a dilation of 1: first .. last.
    __device__ __forceinline__ void holders(int i, int& first, int& last) const {
        if (kernel == 0) {
            first = static_cast<int>(static_cast<i64>(i) * size / extent);
            last = static_cast<int>((static_cast<i64>(i + 1) * size + extent - 1) / extent) - 1;
            return;
        }
        const int t = i + padding;
        first = t < kernel ? 0 : (t - kernel) / stride + 1;
        last = t / stride < size ? t / stride : size - 1;
    }
    // The element of window i that comes first, and is not padding.
    __device__ __forceinline__ int origin(int i) const {
        const int before = padding - stride * i;
        return before > 0 ? (before + dilation - 1) / dilation : 0;
    }
    // The window of which i is element k; -1 if there is none.
    __device__ __forceinline__ int window(int i, int k) const {
        const int t = i + padding - dilation * k;
        if (t < 0 || t % stride) return -1;
        return t / stride < size ? t / stride : -1;
    }
    // Elements that i can be: k = first, first + step, ... (all are tried if the dilation is not 1).
    __device__ __forceinline__ int first_k(int i) const {
        return dilation == 1 ? (i + padding) % stride : 0;
    }
    __device__ __forceinline__ int step_k() const { return dilation == 1 ? stride : 1; }
};

struct Window {
    Axis d, h, w;
};

#define AXIS(a) int a##_extent, int a##_size, int a##_kernel, int a##_stride, int a##_padding, int a##_dilation
#define AXES AXIS(d), AXIS(h), AXIS(w)
#define MAKE(a, count) {a##_extent, a##_size, a##_kernel, a##_stride, a##_padding, a##_dilation, count}

// Where a thread's elements are: plane (or sample and first channel), and position in space.
struct Place {
    i64 plane, channel;
    int d, h, w;
    __device__ __forceinline__ Place(u64 i, u32 groups, int n, int deep, int high, int wide) {
        u32 rest = 0;
        channel = 0;
        if (groups) {  // channels last
            i = divide(i, groups, rest);
            channel = static_cast<i64>(rest) * n;
        }
        i = divide(i, wide, rest);
        w = rest;
        i = divide(i, high, rest);
        h = rest;
        plane = divide(i, deep, rest);
        d = rest;
    }
};

// The first of a position's N elements in memory, for an array of that extent.
__device__ __forceinline__ i64 address(const Place& p, int d, int h, int w, int deep, int high, int wide,
                                       i64 channels) {
    return (((p.plane * deep + d) * high + h) * wide + w) * channels + p.channel;
}

template <int N, typename T, typename K>
__device__ void largest(const T* x, T* y, K* numbers, i64 n, u32 groups, const Window& win) {
    typedef typename Compute<T>::type M;
    const i64 channels = groups ? static_cast<i64>(groups) * N : 1;
    const Axis &d = win.d, &h = win.h, &w = win.w;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const Place p(i, groups, N, d.size, h.size, w.size);
        M best[N];
        int number[N];
        const int origin = (d.origin(p.d) * h.kernel + h.origin(p.h)) * w.kernel + w.origin(p.w);
#pragma unroll
        for (int j = 0; j < N; ++j) {
            best[j] = -infinity<M>();
            number[j] = origin;
        }
        for (int a = 0; a < d.kernel; ++a) {
            const int at_d = d.stride * p.d - d.padding + d.dilation * a;
            if (at_d < 0 || at_d >= d.extent) continue;
            for (int b = 0; b < h.kernel; ++b) {
                const int at_h = h.stride * p.h - h.padding + h.dilation * b;
                if (at_h < 0 || at_h >= h.extent) continue;
                for (int c = 0; c < w.kernel; ++c) {
                    const int at_w = w.stride * p.w - w.padding + w.dilation * c;
                    if (at_w < 0 || at_w >= w.extent) continue;
                    M v[N];
                    read(x + address(p, at_d, at_h, at_w, d.extent, h.extent, w.extent, channels), v);
                    const int k = (a * h.kernel + b) * w.kernel + c;
#pragma unroll
                    for (int j = 0; j < N; ++j) {
                        if (v[j] > best[j] || (is_nan(v[j]) && !is_nan(best[j]))) {
                            best[j] = v[j];
                            number[j] = k;
                        }
                    }
                }
            }
        }
        write(y + i * N, best);
        if (numbers) {
            Pack<N, K> pack;
#pragma unroll
            for (int j = 0; j < N; ++j) pack.at[j] = static_cast<K>(number[j]);
            *reinterpret_cast<Pack<N, K>*>(numbers + i * N) = pack;
        }
    }
}

// n: threads' worth of elements; groups: of channels, 0 for planes.
#define MAX_POOL(name, K)                                                                        \
    template <typename T>                                                                        \
    __global__ void __launch_bounds__(256, 2)                                                    \
        max_pool_##name(const T* x, T* y, K* numbers, i64 outputs, u32 channels, AXES) {         \
        const Window win = {MAKE(d, 1), MAKE(h, 1), MAKE(w, 1)};                                 \
        const int N = Vector<T>::N;                                                              \
        const bool aligned = is_aligned(x) && is_aligned(y) && is_aligned(numbers);              \
        if (channels && channels % N == 0 && aligned) {                                          \
            largest<N>(x, y, numbers, outputs / N, channels / N, win);                           \
        } else {                                                                                 \
            largest<1>(x, y, numbers, outputs, channels, win);                                   \
        }                                                                                        \
    }
MAX_POOL(u8, unsigned char)
MAX_POOL(i32, int)

template <int N, typename T, typename K>
__device__ void gather(const T* dy, const K* numbers, T* dx, i64 n, u32 groups, const Window& win) {
    typedef typename Compute<T>::type M;
    const i64 channels = groups ? static_cast<i64>(groups) * N : 1;
    const Axis &d = win.d, &h = win.h, &w = win.w;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const Place p(i, groups, N, d.extent, h.extent, w.extent);
        M sum[N];
#pragma unroll
        for (int j = 0; j < N; ++j) sum[j] = M(0);
        for (int a = d.first_k(p.d); a < d.kernel; a += d.step_k()) {
            const int win_d = d.window(p.d, a);
            if (win_d < 0) continue;
            for (int b = h.first_k(p.h); b < h.kernel; b += h.step_k()) {
                const int win_h = h.window(p.h, b);
                if (win_h < 0) continue;
                for (int c = w.first_k(p.w); c < w.kernel; c += w.step_k()) {
                    const int win_w = w.window(p.w, c);
                    if (win_w < 0) continue;
                    const i64 at = address(p, win_d, win_h, win_w, d.size, h.size, w.size, channels);
                    const int k = (a * h.kernel + b) * w.kernel + c;
                    const Pack<N, K> pack = *reinterpret_cast<const Pack<N, K>*>(numbers + at);
                    M v[N];
                    read(dy + at, v);
#pragma unroll
                    for (int j = 0; j < N; ++j) {
                        if (static_cast<int>(pack.at[j]) == k) sum[j] += v[j];
                    }
                }
            }
        }
        write(dx + i * N, sum);
    }
}

#define MAX_POOL_GATHER(name, K)                                                                      \
    template <typename T>                                                                             \
    __global__ void __launch_bounds__(256, 2)                                                         \
        max_pool_gather_##name(const T* dy, const K* numbers, T* dx, i64 inputs, u32 channels, AXES) { \
        const Window win = {MAKE(d, 1), MAKE(h, 1), MAKE(w, 1)};                                      \
        const int N = Vector<T>::N;                                                                   \
        const bool aligned = is_aligned(dy) && is_aligned(dx) && is_aligned(numbers);                 \
        if (channels && channels % N == 0 && aligned) {                                               \
            gather<N>(dy, numbers, dx, inputs / N, channels / N, win);                                \
        } else {                                                                                      \
            gather<1>(dy, numbers, dx, inputs, channels, win);                                        \
        }                                                                                             \
    }
MAX_POOL_GATHER(u8, unsigned char)
MAX_POOL_GATHER(i32, int)

template <int N, typename T>
__device__ void average(const T* x, T* y, i64 n, u32 groups, const Window& win) {
    typedef typename Compute<T>::type M;
    const i64 channels = groups ? static_cast<i64>(groups) * N : 1;
    const Axis &d = win.d, &h = win.h, &w = win.w;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const Place p(i, groups, N, d.size, h.size, w.size);
        int d_start, d_stop, h_start, h_stop, w_start, w_stop;
        d.span(p.d, d_start, d_stop);
        h.span(p.h, h_start, h_stop);
        w.span(p.w, w_start, w_stop);
        M sum[N];
#pragma unroll
        for (int j = 0; j < N; ++j) sum[j] = M(0);
        for (int a = d_start; a < d_stop; ++a) {
            for (int b = h_start; b < h_stop; ++b) {
                for (int c = w_start; c < w_stop; ++c) {
                    M v[N];
                    read(x + address(p, a, b, c, d.extent, h.extent, w.extent, channels), v);
#pragma unroll
                    for (int j = 0; j < N; ++j) sum[j] += v[j];
                }
            }
        }
        const M over = static_cast<M>(d.divisor(p.d)) * static_cast<M>(h.divisor(p.h)) *
                       static_cast<M>(w.divisor(p.w));
#pragma unroll
        for (int j = 0; j < N; ++j) sum[j] /= over;
        write(y + i * N, sum);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2) avg_pool(const T* x, T* y, i64 outputs, u32 channels, AXES,
                                                   int d_count, int h_count, int w_count) {
    const Window win = {MAKE(d, d_count), MAKE(h, h_count), MAKE(w, w_count)};
    const int N = Vector<T>::N;
    if (channels && channels % N == 0 && is_aligned(x) && is_aligned(y)) {
        average<N>(x, y, outputs / N, channels / N, win);
    } else {
        average<1>(x, y, outputs, channels, win);
    }
}

template <int N, typename T>
__device__ void average_gather(const T* dy, T* dx, i64 n, u32 groups, const Window& win) {
    typedef typename Compute<T>::type M;
    const i64 channels = groups ? static_cast<i64>(groups) * N : 1;
    const Axis &d = win.d, &h = win.h, &w = win.w;
    i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i < n; i += static_cast<i64>(gridDim.x) * blockDim.x) {
        const Place p(i, groups, N, d.extent, h.extent, w.extent);
        int d_first, d_last, h_first, h_last, w_first, w_last;
        d.holders(p.d, d_first, d_last);
        h.holders(p.h, h_first, h_last);
        w.holders(p.w, w_first, w_last);
        M sum[N];
#pragma unroll
        for (int j = 0; j < N; ++j) sum[j] = M(0);
        for (int a = d_first; a <= d_last; ++a) {
            const M by_d = static_cast<M>(d.divisor(a));
            for (int b = h_first; b <= h_last; ++b) {
                const M by_h = by_d * static_cast<M>(h.divisor(b));
                for (int c = w_first; c <= w_last; ++c) {
                    const M over = by_h * static_cast<M>(w.divisor(c));
                    M v[N];
                    read(dy + address(p, a, b, c, d.size, h.size, w.size, channels), v);
#pragma unroll
                    for (int j = 0; j < N; ++j) sum[j] += v[j] / over;
                }
            }
        }
        write(dx + i * N, sum);
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    avg_pool_gather(const T* dy, T* dx, i64 inputs, u32 channels, AXES, int d_count, int h_count,
                    int w_count) {
    const Window win = {MAKE(d, d_count), MAKE(h, h_count), MAKE(w, w_count)};
    const int N = Vector<T>::N;
    if (channels && channels % N == 0 && is_aligned(dy) && is_aligned(dx)) {
        average_gather<N>(dy, dx, inputs / N, channels / N, win);
    } else {
        average_gather<1>(dy, dx, inputs, channels, win);
    }
}
