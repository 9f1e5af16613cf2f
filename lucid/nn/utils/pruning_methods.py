"""Ways of choosing what of a parameter is pruned."""

from __future__ import annotations

from numbers import Integral, Real

from lucid.errors import DimensionError, ShapeError
from lucid.nn.utils.pruning import BasePruningMethod
from lucid.ops import ones, rand
from lucid.tensor import Tensor

__all__ = [
    "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "RandomStructured",
    "RandomUnstructured",
]  # fmt: skip


class Identity(BasePruningMethod):
    """Prunes nothing, but makes a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _ByAmount(BasePruningMethod):
    """``amount``: an int is how many are pruned, a float in [0, 1] which fraction of them."""

    def __init__(self, amount: float):
        if isinstance(amount, bool) or not isinstance(amount, Real):
            raise TypeError(f"prune: amount must be an int or a float; got {amount!r}")
        if amount < 0 or (not isinstance(amount, Integral) and amount > 1):
            raise ValueError(
                f"prune: amount must be an int >= 0 or a float in [0, 1]; got {amount}"
            )
        self.amount: float = amount

    def _count(self, size: int) -> int:
        """How many of ``size`` are pruned."""
        if not isinstance(self.amount, Integral):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(f"prune: amount must be at most the {size} left; got {self.amount}")
        return int(self.amount)


def _without_least(scores: Tensor, count: int, mask: Tensor) -> Tensor:
    """The mask with zeros where the least scores are."""
    mask = mask.clone().contiguous()
    if count:
        mask.view(-1)[scores.reshape(-1).topk(count, largest=False)[1]] = 0
    return mask


class RandomUnstructured(_ByAmount):
    """Prunes elements at random."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        draws = rand(t.numel(), device=t.device)
        return _without_least(draws, self._count(t.numel()), default_mask)


class L1Unstructured(_ByAmount):
    """Prunes the elements of the smallest size."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without_least(t.abs(), self._count(t.numel()), default_mask)


class _Structured(_ByAmount):
    """Prunes whole slices of dimension ``dim``."""

    PRUNING_TYPE = "structured"
    dim: int

    def _scored(self, t: Tensor) -> Tensor:
        """One number per slice: the least are pruned."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise ShapeError(
                "prune: structured pruning needs at least 2 dimensions; got shape"
                f" {t.shape}. Hint: l1_unstructured or random_unstructured"
            )
        if not -t.ndim <= self.dim < t.ndim:
            raise DimensionError(f"prune: dim must be in [{-t.ndim}, {t.ndim - 1}]; got {self.dim}")
        count = self._count(t.shape[self.dim])
        if not count:
            return default_mask
        scores = self._scored(t)
        kept = _without_least(scores, count, ones(scores.shape, device=t.device))
        shape = [1] * t.ndim
        shape[self.dim] = -1
        return default_mask * kept.to(default_mask.dtype).reshape(*shape)


class RandomStructured(_Structured):
    """Prunes slices of dimension ``dim`` at random."""

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim

    def _scored(self, t: Tensor) -> Tensor:
        return rand(t.shape[self.dim], device=t.device)


class LnStructured(_Structured):
    """Prunes the slices of dimension ``dim`` with the smallest norm of order ``n``."""

    def __init__(self, amount: float, n: float | str, dim: int = -1):
        super().__init__(amount)
        self.n, self.dim = n, dim

    def _scored(self, t: Tensor) -> Tensor:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return t.norm(self.n, others)


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask is 0."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if self.mask.shape != default_mask.shape:
            raise ShapeError(
                f"prune: the mask must have the tensor's shape, {default_mask.shape}; got"
                f" {self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.device, default_mask.dtype)
