"""The hook that prunes a parameter, by whatever choice, or by several one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from lucid.errors import ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.nn.module import Module
from lucid.nn.utils.hooked import hook_of
from lucid.ops import ones_like
from lucid.tensor import Tensor

__all__ = ["BasePruningMethod", "PruningContainer"]


class BasePruningMethod:
    """A way of choosing what is pruned: ``compute_mask(t, default_mask)`` returns the new mask.

    t holds the scores of what may be pruned, ``default_mask`` is what earlier pruning left.
    ``PRUNING_TYPE`` is "unstructured" if single elements are chosen, "structured" if whole slices
    of dimension ``dim`` are, "global" if the whole tensor has to be seen.
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    @property
    def name(self) -> str:
        """The parameter that is pruned."""
        return self._tensor_name

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after this method."""
        raise NotImplementedError(f"{type(self).__name__}: compute_mask() is not defined")

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned parameter: original times mask."""
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prune a parameter of the module by the method ``cls(*args, **kwargs)``.

        ``importance_scores`` take the place of the values in deciding what goes.
        """
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        found = hook_of(module, BasePruningMethod, name)
        if found is None and module._parameters.get(name) is None:
            raise ValueError(f"prune: {type(module).__name__} has no parameter {name!r}")
        present = getattr(module, name)
        scores = _scores("prune", present, importance_scores)
        if found is None:
            left = ones_like(present.detach())
        else:
            left = getattr(module, name + "_mask").detach().clone()
            method = found[1].followed_by(method)
        with no_grad():
            mask = method.compute_mask(scores.detach(), left)
        if found is None:
            del module._parameters[name]
            module.register_parameter(name + "_orig", present)
        else:
            del module._forward_pre_hooks[found[0]]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def followed_by(self, method: BasePruningMethod) -> PruningContainer:
        """This method and then another one."""
        return PruningContainer(self, method)

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """The pruned version of a tensor that belongs to no module."""
        scores = _scores("prune", t, importance_scores)
        left = ones_like(t.detach()) if default_mask is None else default_mask
        return t * self.compute_mask(scores.detach(), left)

    def remove(self, module: Module) -> None:
        """Make the pruned parameter a parameter again, zeros and all."""
        name = self._tensor_name
        with no_grad():
            weight = self.apply_mask(module)
        original = module._parameters.pop(name + "_orig")
        delattr(module, name)
        delattr(module, name + "_mask")
        original.data = weight  # type: ignore[union-attr]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods applied to a parameter one after the other."""

    def __init__(self, *args: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a method that prunes what the others leave."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(
                f"PruningContainer: expected a BasePruningMethod; got {type(method).__name__}"
            )
        known = getattr(self, "_tensor_name", None)
        name = getattr(method, "_tensor_name", None)
        if known is not None and name != known:
            raise ValueError(
                f"PruningContainer: all methods must prune {known!r}; got one for {name!r}"
            )
        if name is not None:
            self._tensor_name = name
        self._pruning_methods += (method,)

    def followed_by(self, method: BasePruningMethod) -> PruningContainer:
        return PruningContainer(*self._pruning_methods, method)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last method's mask, which sees only what is left."""
        method: Any = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype, copy=True)
        index: Any = ...
        if method.PRUNING_TYPE == "unstructured":
            index = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim
            others = [d for d in range(t.ndim) if d != dim]
            index = (*[slice(None)] * dim, mask.sum(others) != 0)
        elif method.PRUNING_TYPE != "global":
            raise ValueError(
                f"{type(method).__name__}: PRUNING_TYPE must be unstructured, structured or"
                f" global; got {method.PRUNING_TYPE!r}"
            )
        mask[index] = method.compute_mask(t[index], mask[index]).to(dtype=mask.dtype)
        return mask


def _scores(name: str, t: Tensor, scores: Tensor | None) -> Tensor:
    if scores is None:
        return t
    if scores.shape != t.shape:
        raise ShapeError(
            f"{name}: importance_scores must have the tensor's shape, {t.shape}; got {scores.shape}"
        )
    return scores
