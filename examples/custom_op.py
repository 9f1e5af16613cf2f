"""An op of your own, with CUDA kernels of your own: the Snake activation (Ziyin et al. 2020).

An op is a class. ``forward`` gets arrays (NumPy's, or CuPy's) and says what to keep; ``backward``
gets tensors and is ordinary lucid code, so that the gradient has a gradient. That is complete, on
the CPU and on a GPU. ``forward_cuda`` and ``backward_cuda`` are optional: they take the place of
the two on CUDA, and here launch kernels from the .cu file beside this one, compiled when first
used. ``lucid.cuda.Kernel`` checks the arguments against the signature that it is declared with.
"""

import argparse
from pathlib import Path

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.op import Op

SOURCE = str(Path(__file__).resolve().with_name("custom_op.cu"))
_forward = lucid.cuda.Kernel(SOURCE, "snake", "const T* x, T* y, i64 n, double a")
_backward = lucid.cuda.Kernel(
    SOURCE, "snake_backward", "const T* dy, const T* x, T* dx, i64 n, double a"
)
THREADS = 256


class Snake(Op):
    """x + sin(a x)^2 / a."""

    a: float  # a setting: Snake(0.5)(x)
    to_float = True  # integers become floating point first

    def forward(self, x):
        self.save(x)
        return x + self.xp.sin(self.a * x) ** 2 / self.a

    def backward(self, dy):
        (x,) = self.saved
        return dy * (1 + (2 * self.a * x).sin())

    def forward_cuda(self, x):
        self.save(x)
        return self._launch(_forward, x)

    def backward_cuda(self, dy):  # arrays; used when nobody differentiates the gradient again
        (x,) = self.saved_arrays
        return self._launch(_backward, dy, x)

    def _launch(self, kernel, *arrays):
        arrays = [self.xp.ascontiguousarray(a) for a in arrays]  # the kernel counts through memory
        out = self.xp.empty_like(arrays[0])
        if out.size:
            blocks = min(-(-out.size // THREADS), 1 << 16)
            kernel(blocks, THREADS, out.dtype, *arrays, out, out.size, self.a)
        return out


def snake(x: lucid.Tensor, a: float = 1.0) -> lucid.Tensor:
    """x + sin(a x)^2 / a: about x, with waves of period pi / a. x: (*) -> y: (*)."""
    if a == 0:
        raise ValueError(f"snake: a must not be 0; got {a}")
    return Snake(a)(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=300, help="steps of the little training")
    parser.add_argument("--limit", type=int, default=1000, help="elements of the comparison")
    parser.add_argument("--device", default="cuda" if lucid.cuda.is_available() else "cpu")
    args = parser.parse_args()

    lucid.manual_seed(0)
    points = lucid.randn(4, 3, dtype=lucid.float64, requires_grad=True)
    gradcheck(lambda x: snake(x, 0.7), (points,))
    gradgradcheck(lambda x: snake(x, 0.7), (points,))
    print("gradient and second gradient agree with finite differences")

    x = lucid.randn(args.limit, device=args.device, requires_grad=True)
    y = snake(x, 0.7)
    (dx,) = lucid.autograd.grad(y.sum(), x)
    z = x.detach().cpu().requires_grad_()
    host = snake(z, 0.7)
    (dz,) = lucid.autograd.grad(host.sum(), z)
    apart = max((y.cpu() - host).abs().max().item(), (dx.cpu() - dz).abs().max().item())
    ran = "the kernels" if x.is_cuda else "no kernel (no CUDA device was asked for)"
    print(f"{y.grad_fn} on {x.device} ran {ran}; largest difference to the CPU: {apart:.1e}")

    waves = lucid.linspace(-3, 3, 64, device=args.device).unsqueeze(1)
    model = lucid.nn.Sequential(lucid.nn.Linear(1, 32), lucid.nn.Linear(32, 1)).to(args.device)
    optimizer = lucid.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(args.epochs):
        answer = model[1](snake(model[0](waves), 2.0))
        loss = (answer - (3 * waves).sin()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"a network with it learned sin(3x) to a mean squared error of {loss.item():.1e}")


if __name__ == "__main__":
    main()
