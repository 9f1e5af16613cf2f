"""Calling: what happens around ``forward``: hooks, and the layer's path in an error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from lucid.errors import GradError
from lucid.graph.hooks import RemovableHandle
from lucid.nn.explaining import better_forward
from lucid.op import Op
from lucid.tensor import Tensor


class Hook(NamedTuple):
    """A function hung on a module, and how it wants to be called."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class Calling:
    """``module(x)`` runs the forward pre-hooks, ``forward`` and the forward hooks."""

    _forward_pre_hooks: dict[int, Hook]
    _forward_hooks: dict[int, Hook]
    _backward_pre_hooks: dict[int, Hook]
    _backward_hooks: dict[int, Hook]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; every module writes its own."""
        raise NotImplementedError(
            f"{type(self).__name__}: a Module must define forward(); got none."
            " Hint: check its spelling and indentation"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
            ):
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            better = better_forward(self, error, args, kwargs)
            _note_path(error if better is None else better, self)
            if better is None:
                raise
            raise better from None

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        called: set[int] = set()
        try:
            args, kwargs = self._run_pre_hooks(args, kwargs)
            boundaries = None
            if self._backward_hooks or self._backward_pre_hooks:
                boundaries = _Boundaries(self)
                args = boundaries.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook in list(self._forward_hooks.items()):
                called.add(key)
                result = _run_forward_hook(hook, self, args, kwargs, result)
            return result if boundaries is None else boundaries.leave(result)
        except Exception:
            self._run_always_called(called, args, kwargs)
            raise

    def _run_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook in list(self._forward_pre_hooks.values()):
            if not hook.with_kwargs:
                changed = hook.function(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
                continue
            changed = hook.function(self, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{type(self).__name__}: a forward pre-hook with_kwargs must return None"
                        f" or (args, kwargs); got {changed!r:.80}"
                    )
                args, kwargs = changed
        return args, kwargs

    def _run_always_called(self, called: set[int], args: tuple, kwargs: dict) -> None:
        for key, hook in list(self._forward_hooks.items()):
            if hook.always_call and key not in called:
                try:
                    _run_forward_hook(hook, self, args, kwargs, None)
                except Exception as error:
                    warnings.warn(f"a forward hook with always_call=True failed too: {error}")

    # Registering.

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and may return both.
        """
        return _add(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it
        is called after an error too, with None as the output.
        """
        return _add(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are known.

        What it returns replaces them.
        """
        return _add(self._backward_pre_hooks, Hook(hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        What it returns replaces ``grad_input``: one entry per positional argument, None for those
        that are no tensors or need no gradient.
        """
        return _add(self._backward_hooks, Hook(hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """register_full_backward_hook, by its older name.

        PyTorch's older form shows as ``grad_input`` the gradients of the inputs of the last
        operation in the module, weights among them; here they are those of the module's inputs.
        """
        return self.register_full_backward_hook(hook)


def _add(hooks: dict[int, Hook], hook: Hook, prepend: bool) -> RemovableHandle:
    return RemovableHandle(hooks, hook, first=prepend)  # type: ignore[arg-type]


def _run_forward_hook(hook: Hook, module: Any, args: tuple, kwargs: dict, result: Any) -> Any:
    if hook.with_kwargs:
        changed = hook.function(module, args, kwargs, result)
    else:
        changed = hook.function(module, args, result)
    return result if changed is None else changed


def _note_path(error: Exception, module: Any) -> None:
    """Note on the error which layer it comes from, seen from the outermost module that it passed.

    Each module on the way out lengthens the path, in the same one note.
    """
    # By id: an error that is pickled must not take the model with it.
    origin, layer = error.__dict__.setdefault("_module", (id(module), type(module).__name__))
    path = next((name for name, m in module.named_modules() if id(m) == origin), "")
    if not path:
        return
    note = f"in layer {path} ({layer}) of {type(module).__name__}"
    notes = getattr(error, "__notes__", [])
    old = error.__dict__.get("_module_note")
    if old in notes:
        notes[notes.index(old)] = note
    else:
        error.add_note(note)
    error.__dict__["_module_note"] = note


class Boundary(Op):
    """Hands its inputs on unchanged; on the way back ``watch`` sees all their gradients at once."""

    watch: Callable[[tuple], tuple]
    promotes = False
    upcasts = False

    def forward(self, *arrays: Any) -> Any:
        return arrays

    def pull(self, gradients: list[Any]) -> list[Any]:
        return list(self.watch(tuple(gradients)))


class _Boundaries:
    """A Boundary before and one after a module's forward, for its backward hooks of one call."""

    def __init__(self, module: Any):
        self.module = module
        self.before = list(module._backward_pre_hooks.values())
        self.hooks = list(module._backward_hooks.values())
        self.inputs = 0
        self.places: list[int] | None = None  # which arguments have a gradient; None: no one has
        self.out_gradients: tuple | None = None

    def enter(self, args: tuple) -> tuple:
        self.inputs = len(args)
        args, places = _insert(self._leave_backward, args)
        self.places = places or None
        return args

    def leave(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        self.outputs = len(outputs)
        outputs, self.out_places = _insert(self._enter_backward, outputs)
        if not isinstance(result, tuple):
            return outputs[0]
        return type(result)(*outputs) if hasattr(result, "_fields") else outputs

    def _enter_backward(self, gradients: tuple) -> tuple:
        shown = _spread(gradients, self.out_places, self.outputs)
        for hook in self.before:
            changed = hook.function(self.module, shown)
            if changed is not None:
                shown = _checked(changed, shown, "grad_output")
        self.out_gradients = shown
        if self.places is None:
            for hook in self.hooks:
                hook.function(self.module, (None,) * self.inputs, shown)
            self.out_gradients = None
        return tuple(shown[i] for i in self.out_places)

    def _leave_backward(self, gradients: tuple) -> tuple:
        if self.out_gradients is None:  # the walk began inside the module
            return gradients
        shown = _spread(gradients, self.places or [], self.inputs)
        for hook in self.hooks:
            changed = hook.function(self.module, shown, self.out_gradients)
            if changed is not None:
                shown = _checked(changed, shown, "grad_input")
        self.out_gradients = None
        return tuple(shown[i] for i in self.places or [])


def _insert(watch: Callable[[tuple], tuple], values: tuple) -> tuple[tuple, list[int]]:
    """``values`` with those that require grad led through one Boundary, and their places."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places:
        return values, places
    passed = Boundary(watch)(*[values[i] for i in places])
    if not passed[0].requires_grad:  # under no_grad
        return values, []
    answer = list(values)
    for i, tensor in zip(places, passed, strict=True):
        tensor._counter = values[i]._shared_counter()
        answer[i] = tensor
    return tuple(answer), places


def _spread(gradients: tuple, places: list[int], length: int) -> tuple:
    shown: list[Any] = [None] * length
    for i, gradient in zip(places, gradients, strict=True):
        shown[i] = gradient
    return tuple(shown)


def _checked(changed: Any, shown: tuple, what: str) -> tuple:
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(shown):
        raise GradError(
            f"backward hook: must return as many gradients as {what} has, {len(shown)}; got"
            f" {len(changed)}"
        )
    return changed
