"""Recorded: a tensor's place in the graph, its gradient and its hooks. Base of Tensor."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from lucid.errors import DTypeError, GradError, ShapeError
from lucid.graph.grad_mode import flags
from lucid.graph.hooks import RemovableHandle
from lucid.graph.leaf import Leaf


class Recorded:
    """What the graph knows of a tensor."""

    # The common values stand on the class: an ordinary tensor sets two fields and is done.
    _array: Any
    _device: Any
    shape: Any
    dtype: Any
    is_floating_point: Any
    _node: Any = None  # the Op that made it
    _index = 0  # which of that op's outputs it is
    _requires_grad = False
    _grad: Any = None
    _counter: list[int] | None = None  # number of in-place writes, shared with every view
    _base: Any = None  # of a view: the tensor whose memory it shows,
    _chain: tuple | None = ()  # the view ops that lead there, as (chain of the source, last op),
    _epoch = 0  # and the base's epoch when _node was made
    _leaf: Any = None  # weak reference to the Leaf
    _inference = False

    @property
    def requires_grad(self) -> bool:
        if self._base is not None:
            self._refresh()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and not self.is_floating_point():
            raise GradError(
                f"requires_grad: only floating point tensors have gradients; got {self.dtype}."
                " Hint: convert it first with .float()"
            )
        if self.grad_fn is not None:
            if not wanted:
                raise GradError(
                    "requires_grad: only a leaf can be switched off; this tensor was computed by"
                    f" {self.grad_fn}. Hint: use .detach()"
                )
            return
        if wanted and self._inference and not flags.inference:
            raise GradError(
                "requires_grad: this tensor was made under inference_mode. Hint: use .clone()"
            )
        self._requires_grad = bool(wanted)
        if not wanted:
            self._leaf = None

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switch gradients on (or off) for this leaf; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Any:
        """The op that computed this tensor; None for a leaf."""
        if self._base is not None:
            self._refresh()
        return self._node

    def is_inference(self) -> bool:
        """Whether this tensor was made under ``inference_mode``: it can never be in a graph."""
        return self._inference

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        return self._index

    @property
    def _edge(self) -> tuple[Any, int] | None:
        """Where this tensor's gradient goes: the op that made it, or its own Leaf."""
        if self._base is not None:
            self._refresh()
        if self._node is not None:
            return self._node, self._index
        return (self._as_leaf(), 0) if self._requires_grad else None

    def _as_leaf(self) -> Leaf:
        leaf = self._leaf and self._leaf()
        if leaf is None:
            leaf = Leaf(self)
            self._leaf = weakref.ref(leaf)
        return leaf

    def _views(self) -> list[Any]:
        """The view ops that lead from the base to this tensor."""
        views, chain = [], self._chain
        while chain:
            chain, view = chain
            views.append(view)
        return views[::-1]

    def _refresh(self) -> None:
        """If the base was written to since this view was made, derive its history anew."""
        base = self._base
        if base is not None and self._epoch != base._epoch:
            if self._chain is None:  # a custom Function made the view
                raise GradError(
                    "this tensor shows memory that was written to in place since a custom Function"
                    " returned it. Hint: .clone() it in the Function"
                )
            if base._base is not None:
                raise GradError(
                    "this view shows a tensor whose shape was changed in place since, and that was"
                    " written to. Hint: .clone() the view, or make it afterwards"
                )
            self._epoch = base._epoch
            edge = base._edge
            if edge is None:
                return
            node, index = edge
            shape, dtype = base.shape, self._array.dtype
            for view in self._views():
                node, shape = view.rerecord((node, index), shape, dtype, base._device)
                index = 0
            self._node, self._index, self._requires_grad = node, 0, True

    @property
    def _version(self) -> int:
        """How often this memory was written to in place, through this tensor or any view."""
        return self._counter[0] if self._counter else 0

    def _shared_counter(self) -> list[int]:
        if self._counter is None:
            self._counter = [0]
        return self._counter

    @property
    def grad(self) -> Any:
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Recorded):
                raise DTypeError(f"grad: expected a Tensor or None; got {type(value).__name__}")
            if value.shape != self.shape or value._device is not self._device:
                raise ShapeError(
                    f"grad: must be of shape {self.shape} on {self._device}; got shape"
                    f" {value.shape} on {value._device}"
                )
            if value._array.dtype != self._array.dtype:
                raise DTypeError(
                    f"grad: must have the tensor's dtype {self.dtype}; got {value.dtype}"
                )
            if value is self:
                raise GradError("grad: a tensor can't be its own gradient")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def detach_(self) -> Any:
        """Take this tensor out of its graph, in place."""
        if self._base is not None:
            raise GradError("detach_: a view can't be detached in place. Hint: use .detach()")
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(gradient)`` whenever this tensor's gradient is known; it may return another.

        The handle that is returned takes the hook away again.
        """
        return self._hook(hook, last=False)

    def _hook(self, hook: Callable[[Any], Any], last: bool) -> RemovableHandle:
        edge = self._edge
        if edge is None:
            raise GradError("register_hook: this tensor does not require grad")
        node, index = edge
        if isinstance(node, Leaf):
            self.__dict__["_kept_leaf"] = node  # hooks live on the leaf: keep it alive
        if node.hooks is None:
            node.hooks = {}
        return RemovableHandle(node.hooks.setdefault(index, {}), hook, last=last)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` each time a walk has added to this leaf's ``grad``."""
        edge = self._edge
        if edge is None or not isinstance(edge[0], Leaf):
            raise GradError("register_post_accumulate_grad_hook: only for leaves that require grad")
        leaf = self.__dict__["_kept_leaf"] = edge[0]
        if leaf.after is None:
            leaf.after = {}
        return RemovableHandle(leaf.after, hook)

    def retain_grad(self) -> None:
        """Keep this computed tensor's gradient in ``grad``, as a leaf does."""
        if not self.requires_grad:
            raise GradError("retain_grad: this tensor does not require grad")
        if self.is_leaf or self.__dict__.get("_retains"):
            return
        me = weakref.ref(self)

        def keep(gradient: Any) -> None:
            tensor = me()
            if tensor is not None:
                old = tensor._grad
                tensor._grad = gradient.clone() if old is None else old + gradient

        self.__dict__["_retains"] = self._hook(keep, last=True)

    def _keep_retaining(self) -> None:
        """After an in-place change: retain_grad means the gradient of the new value."""
        handle = self.__dict__.pop("_retains", None)
        if handle is not None:
            handle.remove()
            self.retain_grad()

    @property
    def retains_grad(self) -> bool:
        return "_retains" in self.__dict__
