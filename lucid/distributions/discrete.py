"""Distributions with probabilities: Bernoulli, Categorical, OneHotCategorical.

Each takes ``probs`` or ``logits``; the other of the two is computed when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lucid
from lucid.distributions.distribution import Distribution, together
from lucid.nn import functional as F
from lucid.tensor import Tensor


def _limited(probs: Tensor) -> Tensor:
    """Away from 0 and 1 by a step, so that logarithms are finite."""
    eps = lucid.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def _one_given(name: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        got = "both" if probs is not None else "neither"
        raise ValueError(f"{name}: either probs or logits must be given; got {got}")


class Bernoulli(Distribution):
    """1 with probability ``probs`` = sigmoid(``logits``), else 0."""

    has_enumerate_support = True
    _support = "0 or 1"

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        _one_given("Bernoulli", probs, logits)
        self._probs = None if probs is None else together(probs)[0]
        self._logits = None if logits is None else together(logits)[0]
        self._parameters = ("probs",) if logits is None else ("logits",)
        given = self._probs if logits is None else self._logits
        super().__init__(given.shape, (), validate_args)  # type: ignore[union-attr]
        if self._probs is not None:
            fits = (self._probs >= 0) & (self._probs <= 1)
            self._check("probs must be in [0, 1]", fits, probs)

    @property
    def probs(self) -> Tensor:
        if self._probs is None:
            self._probs = self._logits.sigmoid()  # type: ignore[union-attr]
        return self._probs

    @property
    def logits(self) -> Tensor:
        if self._logits is None:
            p = _limited(self._probs)  # type: ignore[arg-type]
            self._logits = p.log() - (-p).log1p()
        return self._logits

    @property
    def param_shape(self) -> tuple[int, ...]:
        return self.batch_shape

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return (self.probs >= 0.5).to(self.probs.dtype).masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with lucid.no_grad():
            return self.probs.expand(self._extended_shape(sample_shape)).bernoulli()

    def _inside(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        logits, value = lucid.broadcast_tensors(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = lucid.arange(2, dtype=self.probs.dtype, device=self.probs.device)
        values = values.reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class Categorical(Distribution):
    """One of 0, …, K - 1, with probabilities in proportion to ``probs``, or exp(``logits``).

    probs, logits: (*, K); samples have the batch's shape (*), int64.

    >>> from lucid.distributions import Categorical
    >>> Categorical(probs=lucid.tensor([1.0, 3.0])).probs
    Tensor([0.25, 0.75])
    """

    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        _one_given(type(self).__name__, probs, logits)
        given = probs if logits is None else logits
        if not isinstance(given, Tensor) or not given.ndim:
            raise ValueError(
                f"{type(self).__name__}: probs or logits must be a Tensor (*, K); got {given!r:.60}"
            )
        self._num_events = given.shape[-1]
        self._probs = self._logits = None
        self._parameters = ("probs",) if logits is None else ("logits",)
        super().__init__(given.shape[:-1], (), validate_args)
        if logits is None:
            fits = (probs >= 0).all(-1) & (probs.sum(-1) > 0)
            self._check("probs must not be negative, nor all 0", fits, probs)
            self._probs = probs / probs.sum(-1, keepdim=True)
        else:
            self._check("logits must be numbers", logits == logits, logits)
            self._logits = logits - logits.logsumexp(-1, keepdim=True)

    @property
    def probs(self) -> Tensor:
        if self._probs is None:
            self._probs = self._logits.softmax(-1)  # type: ignore[union-attr]
        return self._probs

    @property
    def logits(self) -> Tensor:
        if self._logits is None:
            self._logits = _limited(self._probs).log()  # type: ignore[arg-type]
        return self._logits

    @property
    def param_shape(self) -> tuple[int, ...]:
        return (*self.batch_shape, self._num_events)

    @property
    def mean(self) -> Tensor:
        return lucid.full_like(self.probs[..., 0], float("nan"))

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return lucid.full_like(self.probs[..., 0], float("nan"))

    _support = "an integer below K"

    def _inside(self, value: Tensor) -> Tensor:
        whole = value == value.floor() if value.is_floating_point() else value == value
        return whole & (value >= 0) & (value < self._num_events)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with lucid.no_grad():
            shape = self._extended_shape(sample_shape)
            count = 1
            for n in sample_shape:
                count *= n
            rows = self.probs.reshape(-1, self._num_events)
            if not count or not rows.shape[0]:
                return lucid.zeros(shape, dtype=lucid.int64, device=rows.device)
            return rows.multinomial(count, True).t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        index = value.long().unsqueeze(-1)
        shape = lucid.broadcast_shapes(index.shape[:-1], self.batch_shape)
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, index.expand(*shape, 1)).squeeze(-1)

    def entropy(self) -> Tensor:
        least = lucid.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = lucid.arange(self._num_events, device=self.probs.device)
        values = values.reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class OneHotCategorical(Distribution):
    """Categorical, whose samples are vectors of zeros with one 1. probs, logits: (*, K)."""

    has_enumerate_support = True
    _support = "one 1 among zeros"

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args)
        self._parameters = self._categorical._parameters
        super().__init__(
            self._categorical.batch_shape, (self._categorical._num_events,), validate_args
        )

    @property
    def probs(self) -> Tensor:
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._one_hot(self.probs.argmax(-1))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _one_hot(self, index: Tensor) -> Tensor:
        return F.one_hot(index, self._event_shape[0]).to(self.probs.dtype)

    def _inside(self, value: Tensor) -> Tensor:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._one_hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n = self._event_shape[0]
        values = lucid.eye(n, dtype=self.probs.dtype, device=self.probs.device)
        values = values.reshape(n, *(1,) * len(self.batch_shape), n)
        return values.expand(n, *self.batch_shape, n) if expand else values

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> OneHotCategorical:
        made = super().expand(batch_shape)
        made._categorical = self._categorical.expand(batch_shape)
        return made
