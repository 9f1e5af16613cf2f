"""Op: how a differentiable function is written. Graph edges are made here and in writing.py only.

An op file in lucid/ops/ subclasses Op. Fields are its settings; methods are its mathematics:

    forward(*arrays)        required; the same source runs on NumPy and CuPy through self.xp
    backward(*gradients)    tensors: gradients of the outputs -> gradients of the inputs
    forward_cpu(...)        optional: a faster form of forward on that device,
    forward_cuda(...)       which takes half types as they are
    backward_cpu(...)       optional: the gradient on arrays, used when nobody
    backward_cuda(...)      wants to differentiate it again

What backward reads, forward hands to self.save(); backward finds it in self.saved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform

from lucid import dtypes
from lucid.backend import Array, Device
from lucid.errors import GradError, ShapeError
from lucid.graph import anomaly, saved
from lucid.graph.compact import teach
from lucid.graph.grad_mode import flags
from lucid.graph.leaf import is_alone, references
from lucid.op import order, promotion
from lucid.tensor import Tensor

_FLOAT32, _FLOAT64 = dtypes.float32.numpy, dtypes.float64.numpy
_FLOATING = {d.numpy for d in (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)}
_ONE_NEEDED = (True,)
_LARGE = 1 << 17  # bytes of an array that takes longer to make than to see that it isn't needed
_new = object.__new__


@dataclass_transform(eq_default=False)
class Op:
    """Base of every operation; an instance is one call, and then a node of the graph."""

    # What the op is like.
    promotes: ClassVar[bool] = True  # bring tensor inputs to one dtype first,
    apart: ClassVar[tuple[int, ...]] = ()  # except these (a condition, an index)
    to_float: ClassVar[bool] = False  # integers become the default floating point type
    broadcasts: ClassVar[bool] = False  # backward may answer in the broadcast shape
    upcasts: ClassVar[bool] = True  # compute halves in float32, round each output once
    differentiable: ClassVar[bool] = True
    is_view: ClassVar[bool] = False  # the output may show the input's memory
    # In which of "generic" (backward), "cpu" and "cuda" (backward_<device>) None may stand for the
    # gradient of an output that nobody used; elsewhere, and for the first output, it is zeros.
    takes_none: ClassVar[tuple[str, ...]] = ()
    # Python integers out of an integer tensor's range: "refuse", "wrap", or leave them "exact".
    numbers: ClassVar[str] = "refuse"
    orders: ClassVar[bool] = False  # forward chooses the output's memory order itself
    overwrites: ClassVar[bool] = False  # backward_cpu may use self.reusable: see there

    # The state of a call; what stands on the class is the state before it.
    device: Any = None
    edges: Any = ()  # per input: (node, output index), or None
    needs: Any = ()  # per input: is a gradient wanted?
    shapes: Any = ()  # per input: its shape, None for a number
    outputs: ClassVar[int] = 1
    hooks: ClassVar[Any] = None
    out: ClassVar[Array] = None  # in-place calls: the array that forward may write to
    # In backward_cpu: the gradient's array if nobody else can see it, so that it may be written to.
    reusable: ClassVar[Array] = None
    birth: ClassVar[str] = ""  # under anomaly detection: where forward was called
    _kept: ClassVar[tuple] = ()
    _old: ClassVar[Array] = None  # in-place calls: a copy of the first input, if it was kept
    _saved: ClassVar[Any] = ()
    _dtypes: ClassVar[Any] = ()
    _metas: ClassVar[Any] = None
    _shown: ClassVar[Any] = ()  # view ops: the shape of the view

    _forward: ClassVar[dict[str, Any]]
    _backward: ClassVar[dict[str, Any]]
    _takes_halves: ClassVar[set[str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        settings = _settings(cls)
        dataclass(eq=False, repr=False, init=bool(settings))(cls)
        cls._forward = {d: getattr(cls, f"forward_{d}", cls.forward) for d in ("cpu", "cuda")}
        cls._backward = {d: getattr(cls, f"backward_{d}", None) for d in ("cpu", "cuda")}
        cls._takes_halves = {d for d, f in cls._forward.items() if f is not cls.forward}
        if not cls.upcasts:
            cls._takes_halves = {"cpu", "cuda"}
        if cls._forward["cuda"] is cls.forward and not cls.is_view and not cls.orders:
            cls._forward["cuda"] = order.keeping(cls.forward)
        state = ("device", "needs", "edges", "shapes", "_dtypes")
        rest: tuple = ("_shown",) if cls.is_view else ("_kept", "_saved", "out")
        if cls.overwrites:
            rest += ("reusable",)
        teach(cls, (*settings, *state, *rest))

    def forward(self, *arrays: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, *gradients: Any) -> Any:
        raise GradError(f"{self.name()}: this operation has no gradient")

    def save(self, *arrays: Any) -> None:
        """Keep arrays (inputs, outputs, anything) for backward. None stays None.

        With ``self.out`` set this must come before the write: the input is copied then.
        """
        if self.out is not None and any(a is self.out for a in arrays):
            self._old = self.out.copy()  # type: ignore[misc]
            arrays = tuple([self._old if a is self.out else a for a in arrays])
        self._kept = arrays  # type: ignore[misc]

    @property
    def xp(self) -> Any:
        """The array module of this call's device."""
        return self.device.xp

    # Calling.

    def __call__(self, *inputs: Any) -> Any:
        """Compute, and record when a gradient may be wanted."""
        device = dtype = None
        recording, plain = False, True
        arrays: list[Any] = []
        for x in inputs:
            if isinstance(x, Tensor):
                array = x._array
                if device is None:
                    device, dtype = x._device, array.dtype
                elif x._device is not device or array.dtype is not dtype:
                    plain = False
                if x._base is not None:
                    x._refresh()
                if x._requires_grad:
                    recording = True
                arrays.append(array)
            else:
                if x.__class__ is not float and x.__class__ is not int and x is not None:
                    plain = False
                arrays.append(x)
        aliases = None
        if not plain or (dtype is not _FLOAT32 and dtype is not _FLOAT64):
            inputs, arrays, device, aliases = promotion.prepare(self, inputs)
        if recording and flags.grad and self.differentiable:
            self.needs = (
                _ONE_NEEDED
                if len(inputs) == 1
                else tuple([isinstance(x, Tensor) and x._requires_grad for x in inputs])
            )
        else:
            recording = False
        self.device = device

        token = device.enter()  # type: ignore[union-attr]
        try:
            result = self._forward[device.type](self, *arrays)  # type: ignore[union-attr]
            if aliases is not None or result.__class__ is not device.array_type:  # type: ignore[union-attr]
                result = promotion.settle(self, result, aliases)
        except (TypeError, ValueError) as error:
            raise promotion.explain(self, arrays, error) from error
        finally:
            device.leave(token)  # type: ignore[union-attr]

        if result.__class__ is tuple:
            return self._wrap_many(inputs, result, recording)
        t = _new(Tensor)
        t._array, t._device = result, self.device  # a transfer changes it
        if self.is_view:
            self._link_view(t, inputs[0])
        if recording and ((kind := result.dtype) is _FLOAT32 or kind in _FLOATING):
            t._node, t._requires_grad = self, True
            self._record(inputs, (t,))
        elif flags.inference:
            t._inference = True
        return t

    def _wrap_many(self, inputs: tuple, results: tuple, recording: bool) -> tuple:
        self.outputs = len(results)  # type: ignore[misc]
        answers = []
        for index, array in enumerate(results):
            t = Tensor._wrap(array, self.device)
            t._inference = flags.inference
            if recording and dtypes.of(array.dtype).is_floating_point:
                t._node, t._index, t._requires_grad = self, index, True
            answers.append(t)
        if recording:
            self._metas = [(a.shape, a.dtype) for a in results]  # type: ignore[misc]
            self._record(inputs, answers)
        return tuple(answers)

    def _link_view(self, t: Tensor, source: Tensor) -> None:
        """Let t and its source share versions and history, if they share memory."""
        array = t._array
        if array is not source._array:
            if array.base is None:
                return
            if not self.xp.may_share_memory(array, source._array):
                return
        base = source if source._base is None else source._base
        chain = source._chain
        t._base, t._epoch = base, base._epoch
        t._chain = None if chain is None else (chain, self)
        t._counter = source._shared_counter()
        if source._inference:
            t._inference = True
        self._shown = array.shape  # type: ignore[misc]

    def _record(self, inputs: tuple, outputs: Any) -> None:
        """Become a node: edges to the inputs' nodes, and what backward will read."""
        edges: list[Any] = []
        shapes: list[Any] = []
        kinds: list[Any] = []
        for x in inputs:
            if isinstance(x, Tensor):
                shapes.append(x._array.shape)
                kinds.append(x._array.dtype)
                if not x._requires_grad:
                    edges.append(None)
                elif x._node is None:
                    edges.append((x._as_leaf(), 0))
                else:
                    edges.append((x._node, x._index))
            else:
                shapes.append(None)
                kinds.append(None)
                edges.append(None)
        # Tuples: half the memory of lists, and a graph holds many.
        self.edges, self.shapes, self._dtypes = tuple(edges), tuple(shapes), tuple(kinds)  # type: ignore[misc]
        if self._kept:
            self._saved = saved.keep(self, self._kept, inputs, outputs)  # type: ignore[misc]
            self._kept = ()  # type: ignore[misc]
        if anomaly.flags.enabled:
            self.birth = anomaly.here()  # type: ignore[misc]

    # The way back.

    @property
    def saved(self) -> list[Any]:
        """What forward kept, as tensors connected to the graph; checks for in-place changes."""
        return saved.restore(self)

    @property
    def saved_arrays(self) -> list[Any]:
        """The same as arrays, for backward_cpu and backward_cuda."""
        return [getattr(t, "_array", t) for t in saved.restore(self)]

    def pull(self, gradients: list[Any]) -> list[Any]:
        """The engine's door: run backward, fold each answer to its input's shape and dtype."""
        if self._saved is None:
            raise GradError(
                f"backward: the graph of {self.name()} was already used and freed."
                " Hint: call the first backward with retain_graph=True"
            )
        device = self.device
        fused = None if flags.grad else self._backward[device.type]
        token = device.enter()  # what backward makes, it makes there
        try:
            if self._metas is not None:
                spared = ("generic" if fused is None else device.type) in self.takes_none
                gradients = [
                    self._zeros(*meta) if g is None and not (spared and i) else g
                    for i, (g, meta) in enumerate(zip(gradients, self._metas, strict=True))
                ]
            with anomaly.explain(self):
                if fused is None:
                    answers = self.backward(*gradients)
                else:
                    answers = self._run_fused(fused, gradients)
        finally:
            device.leave(token)
        if answers.__class__ is not tuple:
            answers = (answers,)
        if anomaly.flags.enabled and anomaly.flags.check_nan:
            anomaly.check(self, answers)
        return [
            None if edge is None or answer is None else self._fold(answer, shape, dtype)
            for edge, answer, shape, dtype in zip(
                self.edges, answers, self.shapes, self._dtypes, strict=True
            )
        ]

    def wrap(self, array: Array) -> Tensor:
        """An array of this call's device as a tensor outside the graph."""
        return Tensor._wrap(array, self.device)

    def unfused(self, *gradients: Array) -> tuple:
        """backward on arrays: for a backward_<device> that meets a case which it does not know."""
        answers = self.backward(*[None if g is None else self.wrap(g) for g in gradients])
        return tuple([None if a is None else a._array for a in answers])

    def _zeros(self, shape: tuple, dtype: Any) -> Tensor | None:
        """Zeros for the gradient that did not come; None where there can't be one."""
        if dtype not in _FLOATING:
            return None
        return self.wrap(self.xp.zeros(shape, dtype))

    def _run_fused(self, fused: Any, gradients: list[Any]) -> tuple:
        if self.overwrites and self.device.type == "cpu" and gradients[0]._array.nbytes >= _LARGE:
            (g,) = gradients
            counts = references(g, gradients)  # before g is handed to anybody else
            if is_alone(g, counts):
                self.reusable = g._array  # type: ignore[misc]
            gradients[0] = g
        answers = fused(self, *[g if g is None else g._array for g in gradients])
        if self.reusable is not None:
            del self.reusable
        if answers.__class__ is not tuple:
            answers = (answers,)
        return tuple([None if a is None else self.wrap(a) for a in answers])

    def _fold(self, gradient: Tensor, shape: tuple, dtype: Any) -> Tensor:
        if gradient._array.shape != shape:
            if not self.broadcasts:
                raise ShapeError(
                    f"{self.name()}.backward: returned a gradient of shape {gradient.shape} for"
                    f" an input of shape {shape}"
                )
            gradient = gradient.sum_to_size(shape)
        if gradient._array.dtype != dtype:
            gradient = gradient.to(dtypes.of(dtype))
        return gradient

    def release(self) -> None:
        """Drop what forward kept. Another walk through here then says so."""
        if self._saved:
            self._saved = None  # type: ignore[misc]

    # The same op again, and its name.

    def again(self) -> Op:
        """A fresh op with the same settings, not yet called."""
        op = _new(type(self))
        for name in _settings(type(self)):
            setattr(op, name, getattr(self, name))
        return op

    def rerecord(self, edge: Any, shape: tuple, dtype: Any, device: Device) -> tuple[Op, tuple]:
        """This view op as a new node on ``edge``, and the shape of its output. Computes nothing."""
        op = self.again()
        op.device, op.edges, op.needs, op.shapes = device, [edge], [True], [shape]
        op._dtypes, op._shown = [dtype], self._shown  # type: ignore[misc]
        return op, self._shown

    def name(self) -> str:
        """``Dropout``, ``Add``: the class's name."""
        return type(self).__name__

    def label(self) -> str:
        """The name in messages, as functions are written: ``masked_fill``."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name()).lower()

    @property
    def next_functions(self) -> tuple:
        """Per input, (node, output index), or (None, 0): PyTorch's name for the edges."""
        return tuple(edge or (None, 0) for edge in self.edges)

    def register_hook(self, hook: Any) -> Any:
        """Not offered on nodes: hooks belong to tensors."""
        raise GradError(f"{self.name()}.register_hook: use tensor.register_hook instead")

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={_short(getattr(self, k))}" for k in _settings(type(self)))
        return f"<{self.name()} {settings}>" if settings else f"<{self.name()}>"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _settings(cls: type) -> list[str]:
    """Names of an op's own fields."""
    names: list[str] = []
    for base in reversed(cls.__mro__):
        if base is not Op and issubclass(base, Op):
            kinds = base.__dict__.get("__annotations__", {})
            names += [n for n, kind in kinds.items() if "ClassVar" not in str(kind)]
    return list(dict.fromkeys(names))
