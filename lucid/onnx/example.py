"""The example that an export traces: its inputs by name, their dynamic axes, and a second one."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from lucid.errors import DTypeError, ShapeError
from lucid.nn.module import Module
from lucid.onnx.graph import Axis
from lucid.tensor import Tensor

__all__ = ["Example", "changed", "dynamic"]


class Example(NamedTuple):
    """A call of the model: its tensors are the inputs of the graph, by name."""

    args: tuple
    kwargs: dict[str, Any]
    names: list[str]
    tensors: list[Tensor]

    @classmethod
    def of(cls, model: Module, args: Any, kwargs: dict[str, Any], names: Any) -> Example:
        args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        try:
            bound = inspect.signature(model.forward).bind(*args, **kwargs)
        except TypeError as error:
            raise DTypeError(
                f"onnx.export: args don't fit {type(model).__name__}: {error}"
            ) from None
        found: list[tuple[str, Any]] = []
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                found += [(f"{name}_{i}", v) for i, v in enumerate(value)]
            elif kind is inspect.Parameter.VAR_KEYWORD:
                found += value.items()
            else:
                found.append((name, value))
        for name, v in found:
            if not isinstance(v, Tensor) and _holds_tensors(v):
                raise DTypeError(
                    f"onnx.export: inputs must be arguments of their own; got {name!r}, a"
                    f" {type(v).__name__} of tensors. Hint: wrap the model in a Module that takes"
                    " them one by one"
                )
        inputs = [(name, v) for name, v in found if isinstance(v, Tensor)]
        if not inputs:
            raise DTypeError(f"onnx.export: args must hold a Tensor at least; got {args!r:.80}")
        if len({id(v) for _, v in inputs}) < len(inputs):
            raise ValueError(
                "onnx.export: each input must be a tensor of its own; one stands twice"
            )
        own = [name for name, _ in inputs]
        if names is not None and len(names) != len(own):
            raise ValueError(
                f"onnx.export: input_names must be {len(own)}, one per tensor; got {list(names)}"
            )
        return cls(args, kwargs, list(names or own), [v for _, v in inputs])

    def call(self, model: Module, tensors: list[Tensor]) -> Any:
        """The model's answer for these tensors in the place of the example's."""
        other = {id(old): new for old, new in zip(self.tensors, tensors, strict=True)}
        args = [other.get(id(v), v) for v in self.args]
        return model(*args, **{k: other.get(id(v), v) for k, v in self.kwargs.items()})


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return any(map(_holds_tensors, value))
    return isinstance(value, Tensor)


def dynamic(example: Example, given: dict[str, Any]) -> list[dict[int, Axis]]:
    """The dynamic axes of each input, with their sizes in the two traces."""
    factors: dict[str, int] = {}
    found: list[dict[int, Axis]] = []
    for name, tensor in zip(example.names, example.tensors, strict=True):
        wanted = given.get(name, {})
        if not isinstance(wanted, dict):
            wanted = {d: f"{name}_axis_{d}" for d in wanted}
        axes = {}
        for dim, label in wanted.items():
            if not -tensor.ndim <= dim < tensor.ndim:
                raise ShapeError(
                    f"onnx.export: dynamic_axes of {name!r} must be in its {tensor.ndim}"
                    f" dimensions; got {dim}"
                )
            size = tensor.shape[dim]
            # Another factor per name, so that the sizes tell the axes apart.
            factor = factors.setdefault(label, len(factors) + 2)
            axes[dim % tensor.ndim] = Axis(label, (size, size * factor))
        found.append(axes)
    return found


def changed(x: Tensor, axes: dict[int, Axis]) -> Tensor:
    """An input of other numbers, larger along the dynamic axes."""
    y = x.detach()
    for dim, axis in axes.items():
        times = [1] * y.ndim
        times[dim] = axis.sizes[1] // max(1, axis.sizes[0])
        y = y.tile(times)
    if y.is_floating_point():
        return y * -0.75 + 0.25
    if y.dtype.category == 0:
        return ~y
    return y.flip(list(range(y.ndim)))  # as indices they must stay what they are
