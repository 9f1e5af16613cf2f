"""kl_divergence(p, q): the expectation under p of log p - log q, in closed form, by both types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid.distributions.continuous import Exponential, Laplace, Normal, Uniform
from lucid.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from lucid.distributions.distribution import Distribution, Independent
from lucid.nn import functional as F
from lucid.tensor import Tensor

_INF = float("inf")
_formulas: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """The decorated function of (p, q) is the divergence for these types and those made of them."""

    def attach(function: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
        _formulas[type_p, type_q] = function
        return function

    return attach


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of the batches' shape.

    >>> from lucid.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    Tensor(0.5)
    """
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            if (a, b) in _formulas:
                return _formulas[a, b](p, q)
    raise NotImplementedError(
        f"kl_divergence: no formula is known for {type(p).__name__} and {type(q).__name__}."
        " Hint: register_kl"
    )


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    one = one.masked_fill(q.probs == 0, _INF).masked_fill(p.probs == 0, 0.0)
    zero = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    zero = zero.masked_fill(q.probs == 1, _INF).masked_fill(p.probs == 1, 0.0)
    return one + zero


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    never, nowhere = (t.expand(terms.shape) for t in (q.probs == 0, p.probs == 0))
    return terms.masked_fill(never, _INF).masked_fill(nowhere, 0.0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), _INF)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return ratio * (-away / p.scale).exp() + away / q.scale - ratio.log() - 1


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: both must have one reinterpreted_batch_ndims; got"
            f" {p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return p._summed(kl_divergence(p.base_dist, q.base_dist))
