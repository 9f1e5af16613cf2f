// Names for the element types, and how each computes: halves in float, the others as they are.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
typedef __half half_t;
typedef __nv_bfloat16 bfloat16_t;

template <typename T> struct Compute { typedef float type; };
template <> struct Compute<double> { typedef double type; };

__device__ __forceinline__ float load(float x) { return x; }
__device__ __forceinline__ double load(double x) { return x; }
__device__ __forceinline__ float load(half_t x) { return __half2float(x); }
__device__ __forceinline__ float load(bfloat16_t x) { return __bfloat162float(x); }

template <typename T> __device__ __forceinline__ T store(typename Compute<T>::type x);
template <> __device__ __forceinline__ float store<float>(float x) { return x; }
template <> __device__ __forceinline__ double store<double>(double x) { return x; }
template <> __device__ __forceinline__ half_t store<half_t>(float x) { return __float2half_rn(x); }
template <> __device__ __forceinline__ bfloat16_t store<bfloat16_t>(float x) {
    return __float2bfloat16_rn(x);
}

// N elements, moved as one access.
template <int N, typename T> struct alignas(N * sizeof(T)) Pack {
    T at[N];
};

template <int bytes> struct Word;
template <> struct Word<2> { typedef u16 type; };
template <> struct Word<4> { typedef u32 type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

template <int N, typename T> __device__ __forceinline__ Pack<N, T> load_pack(const T* p) {
    typedef typename Word<N * sizeof(T)>::type W;
    const W word = *reinterpret_cast<const W*>(p);
    return reinterpret_cast<const Pack<N, T>&>(word);
}
template <int N, typename T> __device__ __forceinline__ void store_pack(T* p, const Pack<N, T>& x) {
    typedef typename Word<N * sizeof(T)>::type W;
    __stcg(reinterpret_cast<W*>(p), reinterpret_cast<const W&>(x));  // a plain = may be taken apart
}

// 16 bytes of T, moved as one access. N elements.
template <typename T> struct alignas(16) Vector {
    static const int N = 16 / sizeof(T);
    T at[N];
};

template <typename T> __device__ __forceinline__ bool is_aligned(const T* p) {
    return (reinterpret_cast<u64>(p) & 15) == 0;
}

// a * b + c with both roundings, as NumPy computes it: the compiler may not contract it. CuPy
// compiles with -ftz=true, which would flush subnormal numbers; the ieee form of fma keeps them.
// c = -0 adds nothing, not even a sign.
__device__ __forceinline__ float multiply_add(float a, float b, float c) {
    return __fmaf_ieee_rn(__fmaf_ieee_rn(a, b, -0.0f), 1.0f, c);
}
__device__ __forceinline__ double multiply_add(double a, double b, double c) {
    return __dadd_rn(__dmul_rn(a, b), c);
}
