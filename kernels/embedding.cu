// The gradient of an embedding table: row v is the sum of the gradients dy where index v was used.
//
//   dw[v] = sum over i with index[i] == v of dy[i]     (divided by how many there are, by_frequency)
//
//   input      the indices sorted, and the places they came from in ascending order among equals
//   launch     any multiple of 32 threads up to 256: a warp per place in the sorted list and 32 vectors of
//              16 bytes of a row; it works if an index begins there, and adds up its rows in order
//   memory     reads dy once; writes the rows that were used once (dw is zero before)
//   called by  lucid/backend/cuda/embedding.py
#include "math.cuh"

template <int N, typename T>
__device__ void add_up(const T* dy, const i64* sorted, const i64* places, T* dw, i64 n, i64 width,
                       i64 rows, i64 skip, bool by_frequency) {
    typedef typename Compute<T>::type M;
    const int warps = blockDim.x / 32, lane = threadIdx.x & 31;
    const i64 tile = 32 * N;
    i64 i = static_cast<i64>(blockIdx.x) * warps + threadIdx.x / 32;
    for (; i < n; i += static_cast<i64>(gridDim.x) * warps) {
        const i64 row = sorted[i];
        if (row < 0 || row >= rows || row == skip || (i > 0 && sorted[i - 1] == row)) continue;
        for (i64 start = static_cast<i64>(blockIdx.y) * tile + lane * N; start < width;
             start += static_cast<i64>(gridDim.y) * tile) {
            M sum[N];
#pragma unroll
            for (int j = 0; j < N; ++j) sum[j] = M(0);
            i64 k = i;
            for (; k < n && sorted[k] == row; ++k) {
                M v[N];
                read(dy + places[k] * width + start, v);
#pragma unroll
                for (int j = 0; j < N; ++j) sum[j] += v[j];
            }
            if (by_frequency) {
                const M factor = M(1) / static_cast<M>(k - i);
#pragma unroll
                for (int j = 0; j < N; ++j) sum[j] *= factor;
            }
            write(dw + row * width + start, sum);
        }
    }
}

template <typename T>
__global__ void __launch_bounds__(256, 2)
    embedding_gradient(const T* dy, const i64* sorted, const i64* places, T* dw, i64 n, i64 width,
                       i64 rows, i64 skip, int by_frequency) {
    if (is_aligned(dy) && is_aligned(dw) && width % Vector<T>::N == 0) {
        add_up<Vector<T>::N>(dy, sorted, places, dw, n, width, rows, skip, by_frequency);
    } else {
        add_up<1>(dy, sorted, places, dw, n, width, rows, skip, by_frequency);
    }
}
