"""Pruning: parameters times masks of zeros and ones, computed before each forward.

A pruned parameter ``weight`` becomes ``weight_orig``, which is trained, the buffer ``weight_mask``
and the plain attribute ``weight``, their product. Pruning again prunes what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lucid.nn.module import Module
from lucid.nn.utils.convert_parameters import parameters_to_vector
from lucid.nn.utils.hooked import hook_of
from lucid.nn.utils.pruning import BasePruningMethod as BasePruningMethod
from lucid.nn.utils.pruning import PruningContainer as PruningContainer
from lucid.nn.utils.pruning_methods import CustomFromMask as CustomFromMask
from lucid.nn.utils.pruning_methods import Identity as Identity
from lucid.nn.utils.pruning_methods import L1Unstructured as L1Unstructured
from lucid.nn.utils.pruning_methods import LnStructured as LnStructured
from lucid.nn.utils.pruning_methods import RandomStructured as RandomStructured
from lucid.nn.utils.pruning_methods import RandomUnstructured as RandomUnstructured
from lucid.ops import ones_like
from lucid.tensor import Tensor

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured",
    "PruningContainer", "RandomStructured", "RandomUnstructured", "custom_from_mask",
    "global_unstructured", "identity", "is_pruned", "l1_unstructured", "ln_structured",
    "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def identity(module: Any, name: str) -> Any:
    """Make a mask of ones for a parameter; returns the module, as all of these functions do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: float) -> Any:
    """Prune elements of a parameter at random; ``amount``: how many (int), which fraction (float).

    >>> layer = nn.utils.prune.random_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> layer.weight_mask.sum().item()
    5.0
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Any, name: str, amount: float, importance_scores: Tensor | None = None
) -> Any:
    """Prune the elements of a parameter with the smallest size (or smallest scores)."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: float, dim: int) -> Any:
    """Prune slices of dimension ``dim`` of a parameter at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any,
    name: str,
    amount: float,
    n: float | str,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Any:
    """Prune the slices of dimension ``dim`` of a parameter with the smallest norm of order n."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Tensor) -> Any:
    """Prune a parameter where the mask is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: Mapping[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters, (module, name) pairs, as if they were one: some more, some less.

    ``pruning_method(**kwargs)`` is an unstructured method; ``importance_scores`` may give scores
    for some of the pairs.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError(
            "global_unstructured: parameters must be (module, name) pairs; got"
            f" {type(parameters).__name__}"
        )
    if importance_scores is not None and not isinstance(importance_scores, Mapping):
        raise TypeError(
            "global_unstructured: importance_scores must be a dict from (module, name) to scores;"
            f" got {type(importance_scores).__name__}"
        )
    if getattr(pruning_method, "PRUNING_TYPE", None) != "unstructured":
        raise TypeError(
            f"global_unstructured: the method must be an unstructured one; got {pruning_method!r}"
        )
    pairs, given = list(parameters), importance_scores or {}
    tensors = [getattr(module, name).detach() for module, name in pairs]
    scores = [given.get(pair, t).detach() for pair, t in zip(pairs, tensors, strict=True)]
    masks = [
        getattr(module, name + "_mask", ones_like(t))
        for (module, name), t in zip(pairs, tensors, strict=True)
    ]
    container = PruningContainer(pruning_method(**kwargs))
    mask = container.compute_mask(parameters_to_vector(scores), parameters_to_vector(masks))
    start = 0
    for (module, name), t in zip(pairs, tensors, strict=True):
        custom_from_mask(module, name, mask[start : start + t.numel()].reshape(t.shape))
        start += t.numel()


def remove(module: Any, name: str) -> Any:
    """Make pruning permanent: the parameter is a parameter again, with zeros in it."""
    found = hook_of(module, BasePruningMethod, name)
    if found is None:
        raise ValueError(f"prune.remove: {name!r} of {type(module).__name__} is not pruned")
    key, method = found
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Module) -> bool:
    """Whether any parameter of the module, or of one below, is pruned."""
    return any(
        isinstance(hook.function, BasePruningMethod)
        for each in module.modules()
        for hook in each._forward_pre_hooks.values()
    )
