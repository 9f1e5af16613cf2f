"""Distributions with a density: Normal, Uniform, Exponential, Laplace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lucid
from lucid.distributions.distribution import Distribution, together
from lucid.tensor import Tensor


class Normal(Distribution):
    """The normal distribution with mean ``loc`` and standard deviation ``scale``."""

    has_rsample = True
    _parameters = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._check("loc must be a number", self.loc == self.loc, loc)
        self._check("scale must be positive", self.scale > 0, scale)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = self.loc.new_empty(self._extended_shape(sample_shape)).normal_()
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        away = (value - self.loc) / self.scale
        return -0.5 * away.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        self._check_value("cdf", value)
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return self.scale.log() + 0.5 * (1 + math.log(2 * math.pi))


class Uniform(Distribution):
    """Equally likely in [low, high)."""

    has_rsample = True
    _parameters = ("low", "high")
    _support = "[low, high]"

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        self.low, self.high = together(low, high)
        super().__init__(self.low.shape, (), validate_args)
        self._check("low must be below high", self.low < self.high, (low, high))

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        share = self.low.new_empty(self._extended_shape(sample_shape)).uniform_()
        return self.low + share * (self.high - self.low)

    def _inside(self, value: Tensor) -> Tensor:
        return (value >= self.low) & (value <= self.high)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        inside = ((self.low <= value) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        self._check_value("cdf", value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()


class Exponential(Distribution):
    """The time until an event that comes ``rate`` times per unit."""

    has_rsample = True
    _parameters = ("rate",)
    _support = ">= 0"

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self._check("rate must be positive", self.rate > 0, rate)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return lucid.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def _inside(self, value: Tensor) -> Tensor:
        return value >= 0

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        self._check_value("cdf", value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()


class Laplace(Distribution):
    """Two exponential distributions of mean ``scale``, back to back at ``loc``."""

    has_rsample = True
    _parameters = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self._check("scale must be positive", self.scale > 0, scale)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        share = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_() - 0.5
        # [-0.5, 0.5): the one end whose logarithm would be -inf stays a step away from it.
        size = (-2 * share.abs()).clamp(min=-1 + lucid.finfo(share.dtype).eps).log1p()
        return self.loc - self.scale * share.sign() * size

    def log_prob(self, value: Tensor) -> Tensor:
        self._check_value("log_prob", value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        self._check_value("cdf", value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * (-away.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
