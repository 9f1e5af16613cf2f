"""Pointwise: the base of ops that compute each element by itself, from that element alone.

A subclass writes its formula twice, for values and for the gradient; on the CPU both run in blocks
that stay in cache, on all threads, with halves widened block by block. Arrays that a formula makes
on the way cost more than its arithmetic: it writes to ``out``, or to ``self.spare``.

    value(x, out)           arrays: y; may write it to ``out`` where that is not None
    gradient(dy, kept)      tensors: dx. ``kept`` is x, or y if ``keeps`` says so
    gradient_array(...)     optional: the same on arrays, where that saves passes

On CUDA each has its kernels in kernels/activation.cu, of the class's name in lower case, which get
the fields as numbers, in order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.backend.cpu import blockwise
from lucid.backend.cpu.threads import scratch
from lucid.op.base import Op, _settings


class Pointwise(Op):
    to_float = True

    # "input", "output", or "either": the input, and the output where it took the input's place.
    keeps: ClassVar[str] = "input"
    block: ClassVar[int] = blockwise.BLOCK  # elements at once on the CPU, see blockwise
    _numbers: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._numbers = tuple(_settings(cls))

    def value(self, x: Any, out: Any = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.value")

    def gradient(self, dy: Any, kept: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.gradient")

    def gradient_array(self, dy: Any, kept: Any, out: Any = None) -> Any:
        return self.gradient(self.wrap(dy), self.wrap(kept))._array

    def spare(self, x: Any, dtype: Any = None, name: str = "spare") -> Any:
        """Uninitialised memory in x's shape for values on the way: one per name, dtype x's."""
        on_cpu = self.device.type == "cpu"
        if on_cpu and x.size <= 2 * blockwise.LONG and x.flags.c_contiguous:
            return scratch(name, x.size, dtype or x.dtype).reshape(x.shape)
        return self._like(x, dtype)

    def _target(self, x: Any, out: Any) -> Any:
        return self._like(x) if out is None else out

    def _like(self, x: Any, dtype: Any = None) -> Any:
        """In x's memory order; for an expanded x, which has none, empty_like takes Fortran's."""
        if any(s == 0 and n > 1 for s, n in zip(x.strides, x.shape, strict=True)):
            return self.xp.empty(x.shape, dtype or x.dtype)
        return self.xp.empty_like(x, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return self._keep(x, self.value)

    def forward_cpu(self, x: Any) -> Any:
        if x.size <= blockwise.BLOCK and x.dtype.itemsize != 2:
            return self._keep(x, self.value)
        return self._keep(x, lambda x, out: blockwise.apply(self.value, (x,), out, self.block))

    def forward_cuda(self, x: Any) -> Any:
        if x.dtype.kind in "iubc":
            return self.forward(x)
        activation, numbers = self.device.kernels.activation, self._constants()
        return self._keep(x, lambda x, out: activation(self._kernel(), x, out, *numbers))

    def _constants(self) -> list[float]:
        return [getattr(self, name) for name in self._numbers]

    def _kernel(self) -> str:
        return type(self).__name__.lower()

    def _keep(self, x: Any, compute: Any) -> Any:
        """compute(x, out), with x or y handed to backward if there will be one."""
        if not self.needs:
            return compute(x, self.out)
        if self.keeps == "input" or (self.keeps == "either" and self.out is None):
            self.save(x)
            return compute(x, self.out)
        y = compute(x, self.out)
        self._kept = (y,)  # type: ignore[misc]  # not save(): y may be self.out, already written
        return y

    def backward(self, dy: Any) -> Any:
        (kept,) = self.saved
        return self.gradient(dy, kept)

    def backward_cpu(self, dy: Any) -> Any:
        (kept,) = self.saved_arrays
        if dy.size <= blockwise.BLOCK and dy.dtype.itemsize != 2:
            if dy.ndim == 0:  # NumPy would answer numbers, which can't be written to
                return self.gradient_array(dy.reshape(1), kept.reshape(1)).reshape(())
            return self.gradient_array(dy, kept)
        return blockwise.apply(self.gradient_array, (dy, kept), self.reusable, self.block)

    def backward_cuda(self, dy: Any) -> Any:
        (kept,) = self.saved_arrays
        return self._gradient_cuda(self._kernel(), dy, kept)

    def _gradient_cuda(self, kernel: str, dy: Any, kept: Any) -> Any:
        if kept.dtype.kind in "iubc":
            return self.gradient_array(dy, kept)
        return self.device.kernels.activation_gradient(kernel, dy, kept, *self._constants())
