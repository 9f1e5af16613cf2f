// The functions of libcublas that lucid calls, with the library's prototypes, on the host's memory:
// so that the ctypes call is tested, argument by argument, where there is no GPU.

#include <cstddef>
#include <cstdint>

namespace {

struct Handle {
    void* stream;
    void* workspace;
    size_t size;
    int mode;
};

template <typename T>
void multiply(int ta, int tb, int64_t m, int64_t n, int64_t k, const void* alpha, const void* A,
              int64_t lda, const void* B, int64_t ldb, const void* beta, void* C, int64_t ldc) {
    const T* a = static_cast<const T*>(A);
    const T* b = static_cast<const T*>(B);
    T* c = static_cast<T*>(C);
    const T scale = *static_cast<const T*>(alpha), keep = *static_cast<const T*>(beta);
    for (int64_t j = 0; j < n; ++j)
        for (int64_t i = 0; i < m; ++i) {
            T sum = 0;
            for (int64_t l = 0; l < k; ++l)
                sum += a[ta ? l + i * lda : i + l * lda] * b[tb ? j + l * ldb : l + j * ldb];
            T& y = c[i + j * ldc];
            y = scale * sum + (keep == 0 ? 0 : keep * y);
        }
}

}  // namespace

extern "C" {

int cublasCreate_v2(void** handle) {
    *handle = new Handle{};
    return 0;
}

int cublasSetStream_v2(void* handle, void* stream) {
    *static_cast<Handle*>(handle) = {stream, nullptr, 0, 0};  // a new stream drops the workspace
    return 0;
}

int cublasSetWorkspace_v2(void* handle, void* workspace, size_t size) {
    static_cast<Handle*>(handle)->workspace = workspace;
    static_cast<Handle*>(handle)->size = size;
    return 0;
}

int cublasSetMathMode(void* handle, int mode) {
    static_cast<Handle*>(handle)->mode = mode;
    return 0;
}

int cublasGetProperty(int which, int* value) {
    const int version[] = {13, 1, 2};
    *value = version[which];
    return 0;
}

int cublasGemmStridedBatchedEx_64(
    void* handle, int ta, int tb, int64_t m, int64_t n, int64_t k, const void* alpha,
    const void* A, int typeA, int64_t lda, long long stepA, const void* B, int typeB, int64_t ldb,
    long long stepB, const void* beta, void* C, int typeC, int64_t ldc, long long stepC,
    int64_t batch, int compute, int algorithm) {
    const Handle& h = *static_cast<Handle*>(handle);
    if (!h.workspace || h.size != size_t(32) << 20 || h.mode != 16 || algorithm != -1) return 7;
    if (typeA != typeB || typeA != typeC) return 15;
    const bool wide = typeA == 1;
    if (compute != (wide ? 70 : 68) && (wide || compute != 77)) return 15;
    const int64_t size = wide ? 8 : 4;
    for (int64_t i = 0; i < batch; ++i) {
        const char* a = static_cast<const char*>(A) + i * stepA * size;
        const char* b = static_cast<const char*>(B) + i * stepB * size;
        char* c = static_cast<char*>(C) + i * stepC * size;
        if (wide)
            multiply<double>(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        else
            multiply<float>(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }
    return 0;
}
}
