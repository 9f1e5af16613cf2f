"""Adaptive softmax: frequent classes in a short list, rarer ones in clusters of fewer features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from lucid.errors import DimensionError, ShapeError
from lucid.nn.containers import ModuleList, Sequential
from lucid.nn.linear import Linear
from lucid.nn.module import Module
from lucid.ops import cat
from lucid.tensor import Tensor


class _Output(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss returns."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """(log p(target), its negative mean) for classes sorted by frequency, the most frequent first.

    x: (N, in_features), target: (N,) -> output: (N,), loss: (); or (in_features,), () -> (), ().
    Classes below cutoffs[0] are scored by ``head``, beside one score for each cluster; those from
    cutoffs[i] to the next cutoff by ``tail[i]``, over in_features / div_value^(i + 1) features.
    Grave et al., Efficient softmax approximation for GPUs, 2017.

    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(32, 100, cutoffs=[10, 40])
    >>> layer(lucid.rand(4, 32), lucid.tensor([3, 70, 12, 0])).output.shape
    (4,)
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        rising = all(a < b for a, b in pairwise([0, *cutoffs, n_classes]))
        if not cutoffs or not rising or any(int(c) != c for c in cutoffs):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs must be rising ints from 1 to"
                f" {n_classes - 1}, at least one; got {cutoffs}"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        place = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, head_bias, **place)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            features = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, features, False, **place),
                    Linear(features, high - low, False, **place),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.head.reset_parameters()
        for projection in self.tail:
            for layer in projection:
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _Output:
        """``target_`` holds class labels."""
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1 or (
            target_.ndim and len(input_) != len(target_)
        ):  # fmt: skip
            raise ShapeError(
                "AdaptiveLogSoftmaxWithLoss: the input must be (N, in_features) for a target (N,),"
                f" or (in_features,) for (); got {input_.shape} and {target_.shape}"
            )
        x, target = input_, target_
        if not target_.ndim:
            x, target = input_.unsqueeze(0), target_.unsqueeze(0)
        if target.numel() and not bool(((target >= 0) & (target < self.n_classes)).all()):
            raise DimensionError(
                f"AdaptiveLogSoftmaxWithLoss: labels must be in [0, {self.n_classes - 1}]; got"
                f" {target.min().item()} to {target.max().item()}"
            )
        chosen = target
        output = x.new_zeros(len(target))
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            inside = (target >= low) & (target < high)
            rows = inside.nonzero().reshape(-1)
            if not rows.numel():
                continue
            scores = self.tail[i](x.index_select(0, rows)).log_softmax(1)
            label = (target.index_select(0, rows) - low).unsqueeze(1)
            output = output.index_add(0, rows, scores.gather(1, label).squeeze(1))
            chosen = chosen.masked_fill(inside, self.shortlist_size + i)
        head = self.head(x).log_softmax(1)
        output = output + head.gather(1, chosen.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _Output(output if target_.ndim else output.squeeze(0), loss)

    def _all(self, x: Tensor, scores: Tensor) -> Tensor:
        head = scores.log_softmax(1)
        parts = [head[:, : self.shortlist_size]]
        for i, projection in enumerate(self.tail):
            cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(projection(x).log_softmax(1) + cluster)
        return cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithms of all probabilities. x: (N, in_features) -> y: (N, n_classes)."""
        return self._all(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample. x: (N, in_features) -> y: (N,).

        Clusters are looked into only for samples whose best score in the head is a cluster's.
        """
        scores = self.head(input)
        best = scores.argmax(1)
        rows = (best >= self.shortlist_size).nonzero().reshape(-1)
        if not rows.numel():
            return best
        inside = self._all(input.index_select(0, rows), scores.index_select(0, rows)).argmax(1)
        return best.index_copy(0, rows, inside)
