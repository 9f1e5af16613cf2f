"""Lazy modules: they learn from their first input how many features or channels come in.

Until then their parameters are uninitialized. The first call gives them shapes and values, and the
module becomes an ordinary one: its class is changed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.errors import CheckpointError, ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.graph.hooks import RemovableHandle
from lucid.nn.calling import Hook
from lucid.nn.parameter import is_lazy
from lucid.nn.state import _as_value, _assignment
from lucid.ops import tensor


def _infer(module: Any, args: tuple, kwargs: dict) -> None:
    """The hook before a lazy module's first forward."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise ShapeError(
            f"{module._name()}: initialize_parameters() must materialize all tensors;"
            f" it left {', '.join(module._waiting())}"
        )
    for key, hook in list(module._forward_pre_hooks.items()):
        if hook.function is _infer:
            del module._forward_pre_hooks[key]
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


class LazyModuleMixin:
    """Beside a Module class, first: ``initialize_parameters(*args)`` runs before the first forward.

    It materializes the uninitialized parameters and buffers. Then the module becomes a
    ``cls_to_become``, if that is set.
    """

    cls_to_become: ClassVar[Any] = None
    _parameters: dict
    _buffers: dict
    _forward_pre_hooks: dict
    _loading: bool = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        hook: Any = Hook(_infer, with_kwargs=True)
        RemovableHandle(self._forward_pre_hooks, hook)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters shapes and values, from the inputs of forward."""
        raise NotImplementedError(f"{type(self).__name__}: initialize_parameters is not defined")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer waits for its shape."""
        return bool(self._waiting())

    def _waiting(self) -> dict[str, Any]:
        own = {**self._parameters, **self._buffers}
        return {name: t for name, t in own.items() if is_lazy(t)}

    def _own_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super()._own_state()  # type: ignore[misc]
        return {k: t for k, t in state.items() if not (self._loading and is_lazy(t))}

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """What waits for its shape takes that of the state's entry."""
        waiting = {prefix + name: (name, t) for name, t in self._waiting().items()}
        plan: list[Any] = []
        for key, (name, target) in waiting.items():
            if key not in state_dict:
                missing_keys.append(key)
            elif not is_lazy(state_dict[key]):
                try:
                    plan.append(self._filling(name, target, state_dict[key], local_metadata))
                except CheckpointError as error:
                    error_msgs.append(f"{key}: {error}")
        self._loading = True
        try:
            super()._load_from_state_dict(  # type: ignore[misc]
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        finally:
            del self._loading
        unexpected_keys[:] = [key for key in unexpected_keys if key not in waiting]
        if "_plan" in local_metadata:
            local_metadata["_plan"] += plan
            return
        with no_grad():
            for carry_out in plan:
                carry_out()

    def _filling(self, name: str, target: Any, given: Any, local_metadata: dict[str, Any]) -> Any:
        if local_metadata.get("_assign"):
            return _assignment(self, name, target, given)
        value = _as_value(given, tensor([]))

        def fill() -> None:
            target.materialize(value.shape)
            target.copy_(value)

        return fill
