"""Distribution: a batch of distributions of events, and Independent, which makes batches events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lucid
from lucid.errors import ShapeError
from lucid.ops import broadcast_shapes, broadcast_tensors
from lucid.tensor import Tensor

Shape = tuple[int, ...]


class Distribution:
    """Base of the distributions. A sample's shape is sample_shape + batch_shape + event_shape.

    ``validate_args`` (on unless it is switched off) checks parameters, and the values that
    ``log_prob`` and ``cdf`` are asked about: an error for a value that can't occur.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = True

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ):
        self._batch_shape, self._event_shape = tuple(batch_shape), tuple(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments."""
        Distribution._validate_args = bool(value)

    @property
    def batch_shape(self) -> Shape:
        return self._batch_shape

    @property
    def event_shape(self) -> Shape:
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Random values, without a graph."""
        with lucid.no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Tensor:
        """sample((n,)), by its old name."""
        return self.sample((n,))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Random values that are differentiable functions of the parameters."""
        raise self._missing("rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or probability, at ``value``."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most ``value``."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a part ``value`` in [0, 1] lies."""
        raise self._missing("icdf")

    def entropy(self) -> Tensor:
        """The expectation of -log_prob, in nats."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that can occur, along a first dimension."""
        raise self._missing("enumerate_support")

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The same distribution with a larger batch."""
        shape = tuple(batch_shape)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor):
                rest = value.shape[len(self.batch_shape) :]
                setattr(made, name, value.expand(*shape, *rest))
        made._batch_shape = shape
        return made

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Shape:
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def _inside(self, value: Tensor) -> Tensor:
        """Whether each element can occur."""
        return value == value

    _support = "no NaN"  # the same in words

    def _check_value(self, function: str, value: Tensor) -> None:
        if not self._validate_args:
            return
        name = f"{type(self).__name__}.{function}"
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: value must be a Tensor; got {type(value).__name__}")
        wanted = (*self._batch_shape, *self._event_shape)
        events = value.shape[max(value.ndim - len(self._event_shape), 0) :]
        try:
            fits = events == self._event_shape and bool(broadcast_shapes(value.shape, wanted) or 1)
        except ShapeError:
            fits = False
        if not fits:
            raise ValueError(f"{name}: value must fit the shape {wanted}; got {value.shape}")
        if not bool(self._inside(value).all()):
            raise ValueError(f"{name}: value must be within the support ({self._support})")

    def _check(self, rule: str, good: Any, value: Any) -> None:
        """A rule for a parameter, where arguments are checked."""
        if self._validate_args and not bool(good.all()):
            raise ValueError(f"{type(self).__name__}: {rule}; got {value!r:.80}")

    def _missing(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__}.{what}: not defined")

    def __repr__(self) -> str:
        shown = []
        for name in getattr(self, "_parameters", ()):
            value = getattr(self, name)
            text = f"{value.item():g}" if value.numel() == 1 else f"size {tuple(value.shape)}"
            shown.append(f"{name}: {text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def together(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the tensors' dtype."""
    like = next((v for v in values if isinstance(v, Tensor)), None)
    kind: dict[str, Any] = {} if like is None else {"dtype": like.dtype, "device": like.device}
    made = [v if isinstance(v, Tensor) else lucid.tensor(float(v), **kind) for v in values]
    return broadcast_tensors(*made)


class Independent(Distribution):
    """The last dimensions of a distribution's batch as part of its event: densities multiply.

    >>> from lucid.distributions import Independent, Normal
    >>> d = Independent(Normal(lucid.zeros(5, 3), 1.0), 1)
    >>> d.batch_shape, d.event_shape
    ((5,), (3,))
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ):
        n = reinterpreted_batch_ndims
        batch = base_distribution.batch_shape
        if not 0 <= n <= len(batch):
            raise ValueError(
                f"Independent: reinterpreted_batch_ndims must be in [0, {len(batch)}]; got {n}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(batch) - n
        super().__init__(batch[:cut], (*batch[cut:], *base_distribution.event_shape), validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self._summed(self.base_dist.entropy())

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Independent:
        inner = self.event_shape[: self.reinterpreted_batch_ndims]
        base = self.base_dist.expand((*batch_shape, *inner))
        return Independent(base, self.reinterpreted_batch_ndims, self._validate_args)

    def _summed(self, x: Tensor) -> Tensor:
        n = self.reinterpreted_batch_ndims
        return x.sum(tuple(range(-n, 0))) if n else x

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
