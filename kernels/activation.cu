// The activation family:  y = f(x), and the gradient  dx = dy * f'(x).
//
//   kernels    <name>_forward   x -> y
//              <name>_backward  dy, kept -> dx; kept is x, or y where the op keeps its output
//   constants  a, b, c: the op's settings, in the order of its fields
//   launch     256 threads, one per 16 bytes; any grid and block give the same result
//   memory     reads n (backward 2 n) and writes n elements in the order of memory; y may be x
//   select     where the slope is 0 a gradient of inf or NaN leaves no trace, as in the ops
//   called by  lucid/backend/cuda/activation.py
#include "elementwise.cuh"

// Each functor has the formula of the op of its name in lucid/ops/{activation,piecewise,gated}.py.
template <typename M> struct relu {
    __device__ relu(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return maximum(x, M(0)); }
    __device__ __forceinline__ M operator()(M dy, M y) const { return y == M(0) ? M(0) : dy; }
};

template <typename M> struct hardtanh {
    M low, high;
    __device__ hardtanh(M low, M high, M) : low(low), high(high) {}
    __device__ __forceinline__ M operator()(M x) const { return minimum(maximum(x, low), high); }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        return x <= low || x >= high ? M(0) : dy;
    }
};

template <typename M> struct leakyrelu {
    M slope;
    __device__ leakyrelu(M slope, M, M) : slope(slope) {}
    __device__ __forceinline__ M operator()(M x) const { return x > M(0) ? x : x * slope; }
    __device__ __forceinline__ M operator()(M dy, M kept) const {
        return kept > M(0) ? dy : dy * slope;
    }
};

// scale * x, or scale * alpha * (exp(rate x) - 1): elu, celu and selu.
template <typename M> struct elu {
    M low, scale, rate;
    __device__ elu(M alpha, M scale, M rate) : low(alpha * scale), scale(scale), rate(rate) {}
    __device__ __forceinline__ M operator()(M x) const {
        return x > M(0) ? x * scale : expm1_of(x * rate) * low;
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        return x > M(0) ? dy * scale : dy * (exp_of(x * rate) * low * rate);
    }
};

// The same gradient from y, which an in-place call keeps.
template <typename M> struct eluoutput : elu<M> {
    __device__ eluoutput(M alpha, M scale, M rate) : elu<M>(alpha, scale, rate) {}
    using elu<M>::operator();
    __device__ __forceinline__ M operator()(M dy, M y) const {
        return y > M(0) ? dy * this->scale : dy * ((y + this->low) * this->rate);
    }
};

template <typename M> struct gelu {
    __device__ gelu(M, M, M) {}
    static __device__ __forceinline__ M below(M x) {
        return (erf_of(x * M(0.70710678118654752)) + M(1)) * M(0.5);
    }
    __device__ __forceinline__ M operator()(M x) const { return x * below(x); }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M density = exp_of(x * x * M(-0.5)) * M(0.39894228040143268);
        return dy * (below(x) + x * density);
    }
};

template <typename M> struct gelutanh {
    static __device__ __forceinline__ M a() { return M(0.79788456080286536); }
    static __device__ __forceinline__ M ab() { return M(0.79788456080286536 * 0.044715); }
    __device__ gelutanh(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const {
        return (tanh_of((x * x * ab() + a()) * x) + M(1)) * x * M(0.5);
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M square = x * x;
        const M t = tanh_of((square * ab() + a()) * x);
        return dy * (((M(1) - t * t) * (square * (M(3) * ab()) + a()) * x + t + M(1)) * M(0.5));
    }
};

template <typename M> struct silu {
    __device__ silu(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return x / (M(1) + exp_of(-x)); }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M s = sigmoid_of(x);
        return dy * (s * (x * (M(1) - s) + M(1)));
    }
};

// With n = e^x, tanh(softplus(x)) = m / (m + 2), m = n (n + 2); above 20 that is 1 to the last bit.
template <typename M> struct mish {
    __device__ mish(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const {
        const M n = exp_of(minimum(x, M(20))), m = n * (n + M(2));
        return x * (m / (m + M(2)));
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M n = exp_of(minimum(x, M(20))), m = n * (n + M(2)), t = m / (m + M(2));
        return dy * (t + x * (M(1) - t * t) * (n / (n + M(1))));
    }
};

template <typename M> struct sigmoid {
    __device__ sigmoid(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return sigmoid_of(x); }
    __device__ __forceinline__ M operator()(M dy, M y) const { return dy * (y * (M(1) - y)); }
};

template <typename M> struct tangent {
    __device__ tangent(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return tanh_of(x); }
    __device__ __forceinline__ M operator()(M dy, M y) const { return dy * (M(1) - y * y); }
};

template <typename M> struct tanhshrink {
    __device__ tanhshrink(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return x - tanh_of(x); }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M y = tanh_of(x);
        return dy * (y * y);
    }
};

template <typename M> struct softplus {
    M beta, limit;
    __device__ softplus(M beta, M limit, M) : beta(beta), limit(limit) {}
    __device__ __forceinline__ M operator()(M x) const {
        const M bx = x * beta;
        return bx > limit ? x : (log1p_of(exp_of(-size_of(bx))) + maximum(bx, M(0))) / beta;
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        return x * beta > limit ? dy : dy * sigmoid_of(x * beta);
    }
};

template <typename M> struct logsigmoid {
    __device__ logsigmoid(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const {
        return minimum(x, M(0)) - log1p_of(exp_of(-size_of(x)));
    }
    __device__ __forceinline__ M operator()(M dy, M x) const { return dy * sigmoid_of(-x); }
};

template <typename M> struct softsign {
    __device__ softsign(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const { return x / (size_of(x) + M(1)); }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        const M width = size_of(x) + M(1);
        return dy / (width * width);
    }
};

template <typename M> struct hardsigmoid {
    __device__ hardsigmoid(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const {
        return minimum(maximum(x + M(3), M(0)), M(6)) * M(1.0 / 6);
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        return x <= M(-3) || x >= M(3) ? M(0) : dy * M(1.0 / 6);
    }
};

template <typename M> struct hardswish {
    __device__ hardswish(M, M, M) {}
    __device__ __forceinline__ M operator()(M x) const {
        return minimum(maximum(x + M(3), M(0)), M(6)) * x * M(1.0 / 6);
    }
    __device__ __forceinline__ M operator()(M dy, M x) const {
        return dy * (x <= M(-3) ? M(0) : x >= M(3) ? M(1) : x * M(1.0 / 3) + M(0.5));
    }
};

template <typename M> struct softshrink {
    M size;
    __device__ softshrink(M size, M, M) : size(size) {}
    __device__ __forceinline__ M operator()(M x) const {
        return x - minimum(maximum(x, -size), size);
    }
    __device__ __forceinline__ M operator()(M dy, M x) const { return size_of(x) <= size ? M(0) : dy; }
};

template <typename M> struct hardshrink {
    M size;
    __device__ hardshrink(M size, M, M) : size(size) {}
    __device__ __forceinline__ M operator()(M x) const { return size_of(x) <= size ? M(0) : x; }
    __device__ __forceinline__ M operator()(M dy, M x) const { return size_of(x) <= size ? M(0) : dy; }
};

template <typename M> struct threshold {
    M limit, fill;
    __device__ threshold(M limit, M fill, M) : limit(limit), fill(fill) {}
    __device__ __forceinline__ M operator()(M x) const { return x <= limit ? fill : x; }
    __device__ __forceinline__ M operator()(M dy, M x) const { return x <= limit ? M(0) : dy; }
};

// At most 64 registers, 128 in double: with the default heuristic double kernels spill.
#define ACTIVATION(name)                                                                           \
    template <typename T>                                                                          \
    __global__ void __launch_bounds__(256, sizeof(T) == 8 ? 2 : 4)                                 \
        name##_forward(const T* x, T* y, i64 n, double a, double b, double c) {                    \
        typedef typename Compute<T>::type M;                                                       \
        map(x, y, n, name<M>(static_cast<M>(a), static_cast<M>(b), static_cast<M>(c)));            \
    }                                                                                              \
    template <typename T>                                                                          \
    __global__ void __launch_bounds__(256, sizeof(T) == 8 ? 2 : 4)                                 \
        name##_backward(const T* dy, const T* kept, T* dx, i64 n, double a, double b, double c) {  \
        typedef typename Compute<T>::type M;                                                       \
        map(dy, kept, dx, n, name<M>(static_cast<M>(a), static_cast<M>(b), static_cast<M>(c)));    \
    }

ACTIVATION(relu)
ACTIVATION(hardtanh)
ACTIVATION(leakyrelu)
ACTIVATION(elu)
ACTIVATION(eluoutput)
ACTIVATION(gelu)
ACTIVATION(gelutanh)
ACTIVATION(silu)
ACTIVATION(mish)
ACTIVATION(sigmoid)
ACTIVATION(tangent)
ACTIVATION(tanhshrink)
ACTIVATION(softplus)
ACTIVATION(logsigmoid)
ACTIVATION(softsign)
ACTIVATION(hardsigmoid)
ACTIVATION(hardswish)
ACTIVATION(softshrink)
ACTIVATION(hardshrink)
ACTIVATION(threshold)
