"""Recurrent layers: RNN, LSTM and GRU over sequences.

Each layer and direction is one op, with the products of all steps with the inputs made at once;
between layers stands lucid's dropout, which stores no mask and draws the same on every device.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

from lucid.amp.autocast_mode import is_autocast_enabled
from lucid.errors import ShapeError
from lucid.nn import functional as F
from lucid.nn import init
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.nn.recurrent_cells import check_nonlinearity
from lucid.nn.utils.rnn import PackedSequence
from lucid.op import one_dtype
from lucid.ops import cat, empty, stack, zeros
from lucid.ops.recurrent import gru_states, lstm_states, rnn_states
from lucid.tensor import Tensor

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}

Sizes = tuple[int, ...]


class RNNBase(Module):
    """What RNN, LSTM and GRU share: weights by layer and direction, and the ways to give input."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        name = self._get_name()
        if mode not in GATES:
            raise ValueError(f"{name}: mode must be one of {', '.join(GATES)}; got {mode!r}")
        self.mode, self.num_layers, self.bias = mode, num_layers, bias
        self.input_size, self.hidden_size = input_size, hidden_size
        self.batch_first, self.bidirectional = batch_first, bidirectional
        self.dropout, self.proj_size = _probability(name, dropout), proj_size
        for what in ("input_size", "hidden_size", "num_layers"):
            _check_size(name, what, getattr(self, what))
        self._check_projection(name)
        if not isinstance(bidirectional, bool):
            raise TypeError(f"{name}: bidirectional must be a bool; got {bidirectional!r}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout stands between layers, and there is one only; got dropout="
                f"{dropout}, num_layers=1",
                stacklevel=3,
            )
        self._directions = ("", "_reverse") if bidirectional else ("",)
        factory = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            for suffix in self._directions:
                for what, shape in self._shapes(layer).items():
                    parameter = Parameter(empty(shape, **factory))
                    setattr(self, f"{what}_l{layer}{suffix}", parameter)
        self.reset_parameters()

    def _check_projection(self, name: str) -> None:
        if self.proj_size and self.mode != "LSTM":
            raise ValueError(f"{name}: only LSTM has a projection; got proj_size={self.proj_size}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"{name}: proj_size must be at least 0 and below hidden_size {self.hidden_size};"
                f" got {self.proj_size}"
            )

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _shapes(self, layer: int) -> dict[str, Sizes]:
        """The parameters of one layer and direction, in PyTorch's order."""
        rows, given = GATES[self.mode] * self.hidden_size, self.input_size
        if layer:
            given = self._output_size * len(self._directions)
        shapes: dict[str, Sizes] = {
            "weight_ih": (rows, given),
            "weight_hh": (rows, self._output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    def reset_parameters(self) -> None:
        """Draw new weights and biases, uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: for PyTorch's sake. No library here wants the weights in one piece."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters by layer and direction."""
        return [
            [getattr(self, f"{what}_l{layer}{suffix}") for what in self._shapes(layer)]
            for layer in range(self.num_layers)
            for suffix in self._directions
        ]

    def forward(self, input: Any, hx: Any = None) -> Any:
        rows = self._rows(input)
        given = None if hx is None else self._states(hx, rows)
        if given is None:
            given = [
                zeros(self._sets, rows.sizes[0], size, device=rows.x.device, dtype=rows.x.dtype)
                for size in self._state_sizes
            ]
        if not is_autocast_enabled(rows.x.device.type):
            one_dtype(self._get_name(), rows.x, *given, self.weight_ih_l0)
        y, last = self._run(rows.x, given, rows.sizes)
        states = tuple([rows.last(t) for t in last])
        return rows.outputs(y), states[0] if len(states) == 1 else states

    # In and out.

    @property
    def _sets(self) -> int:
        return self.num_layers * len(self._directions)

    @property
    def _state_sizes(self) -> list[int]:
        """The sizes of the states: h, and LSTM's c."""
        return [self._output_size]

    def _rows(self, input: Any) -> _Rows:
        """The input as rows, step after step, however it was given."""
        name = self._get_name()
        if isinstance(input, PackedSequence):
            x, sizes = input.data, tuple(input.batch_sizes.tolist())
            rows = _Rows(name, x, sizes, input, True, False)
        elif input.ndim not in (2, 3):
            batched = "(B, T, {0}) or (T, {0})" if self.batch_first else "(T, B, {0}) or (T, {0})"
            raise ShapeError(
                f"{name}: the input must be {batched.format(self.input_size)}; got shape"
                f" {input.shape}"
            )
        else:
            x = input.unsqueeze(1) if input.ndim == 2 else input
            if self.batch_first and input.ndim == 3:
                x = x.transpose(0, 1)
            steps, batch = x.shape[:2]
            rows = _Rows(
                name, x.reshape(steps * batch, x.shape[2]), (batch,) * steps, None,
                input.ndim == 3, self.batch_first,
            )  # fmt: skip
        if rows.x.ndim != 2 or rows.x.shape[1] != self.input_size:
            raise ShapeError(
                f"{name}: the input's last dimension must be input_size {self.input_size}; got"
                f" shape {rows.x.shape if input is rows.packed else input.shape}"
            )
        if not rows.sizes:
            raise ShapeError(f"{name}: there must be one step at least; got shape {input.shape}")
        return rows

    def _states(self, hx: Any, rows: _Rows) -> list[Tensor]:
        """The first states that were given, as (sets, B, size) in the order of the rows."""
        given = [hx] if len(self._state_sizes) == 1 else hx
        names = ("hx", "cx")[: len(self._state_sizes)]
        if isinstance(given, Tensor) or len(given) != len(names):
            raise TypeError(
                f"{rows.name}: hx must be a pair (h, c) of tensors; got {type(hx).__name__}"
            )
        states = []
        for what, t, size in zip(names, given, self._state_sizes, strict=True):
            want: Sizes = (self._sets, rows.sizes[0], size)
            if not rows.batched:
                want = self._sets, size
            if t.shape != want:
                raise ShapeError(f"{rows.name}: {what} must be {want}; got shape {t.shape}")
            states.append(rows.first(t))
        return states

    # The computation.

    def _run(self, x: Tensor, given: list[Tensor], sizes: Sizes) -> tuple[Tensor, list[Tensor]]:
        """Layer after layer; of each state those after the last steps, as (sets, B, size)."""
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            answers = []
            for direction, suffix in enumerate(self._directions):
                weights = {
                    what: getattr(self, f"{what}_l{layer}{suffix}") for what in self._shapes(layer)
                }
                at = layer * len(self._directions) + direction
                states = [t[at] for t in given]
                y, *after = self._sequence(x, states, weights, sizes, reverse=bool(direction))
                answers.append(y)
                last.append(after)
            x = cat(answers, 1) if len(answers) > 1 else answers[0]
        return x, [stack(list(parts)) for parts in zip(*last, strict=True)]

    def _sequence(
        self, x: Tensor, states: list[Tensor], w: dict[str, Tensor], sizes: Sizes, reverse: bool
    ) -> tuple[Tensor, ...]:
        """One layer in one direction: (outputs, states after the last steps)."""
        raise NotImplementedError(f"{self._get_name()}: use RNN, LSTM or GRU")

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text


class _Rows(NamedTuple):
    """An input as rows, step after step, and how to give the answers back in its form."""

    name: str
    x: Tensor  # (total, I)
    sizes: Sizes  # how many sequences run at each step
    packed: PackedSequence | None
    batched: bool
    batch_first: bool

    def first(self, state: Tensor) -> Tensor:
        """States as they were given, as (sets, B, size) in the order of the rows."""
        if not self.batched:
            return state.unsqueeze(1)
        order = None if self.packed is None else self.packed.sorted_indices
        return state if order is None else state.index_select(1, order)

    def last(self, state: Tensor) -> Tensor:
        """The way back."""
        if not self.batched:
            return state.squeeze(1)
        order = None if self.packed is None else self.packed.unsorted_indices
        return state if order is None else state.index_select(1, order)

    def outputs(self, y: Tensor) -> Any:
        """Rows of outputs in the input's form."""
        if self.packed is not None:
            _, sizes, order, back = self.packed
            return PackedSequence(y, sizes, order, back)
        if not self.batched:
            return y
        y = y.reshape(len(self.sizes), self.sizes[0], y.shape[1])
        return y.transpose(0, 1) if self.batch_first else y


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. x: (T, B, I) -> (T, B, D H), (D N, B, H).

    N layers, D directions. Input may also be (B, T, I) with ``batch_first``, (T, I), or a
    PackedSequence; the answer has the same form. ``dropout`` stands between layers in training.

    >>> y, h = nn.RNN(10, 20, num_layers=2)(lucid.ones(5, 3, 10))
    >>> y.shape, h.shape
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        check_nonlinearity("RNN", nonlinearity)
        self.nonlinearity = nonlinearity
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip

    def _sequence(self, x, states, w, sizes, reverse):
        relu = self.nonlinearity == "relu"
        return rnn_states(x, *states, *_in_order(w), sizes=sizes, reverse=reverse, relu=relu)


class LSTM(RNNBase):
    """Long short-term memory. x: (T, B, I) -> (T, B, D H), ((D N, B, H), (D N, B, C)).

    C is ``hidden_size``; H is ``proj_size`` if that is not 0, else C. First states are given as a
    pair. Otherwise as RNN.

    >>> y, (h, c) = nn.LSTM(10, 20, bidirectional=True, batch_first=True)(lucid.ones(3, 5, 10))
    >>> y.shape, h.shape, c.shape
    ((3, 5, 40), (2, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
        )  # fmt: skip

    @property
    def _state_sizes(self) -> list[int]:
        return [self._output_size, self.hidden_size]

    def _sequence(self, x, states, w, sizes, reverse):
        weights = (*_in_order(w), w.get("weight_hr"))
        return lstm_states(x, *states, *weights, sizes=sizes, reverse=reverse)


class GRU(RNNBase):
    """Gated recurrent units. x: (T, B, I) -> (T, B, D H), (D N, B, H). Otherwise as RNN."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, device, dtype,
        )  # fmt: skip

    def _sequence(self, x, states, w, sizes, reverse):
        return gru_states(x, *states, *_in_order(w), sizes=sizes, reverse=reverse)


def _in_order(w: dict[str, Tensor]) -> tuple[Tensor | None, ...]:
    return w["weight_ih"], w["weight_hh"], w.get("bias_ih"), w.get("bias_hh")


def _check_size(name: str, what: str, size: Any) -> None:
    if not isinstance(size, int):
        raise TypeError(f"{name}: {what} must be an int; got {size!r}")
    if size <= 0:
        raise ValueError(f"{name}: {what} must be positive; got {size}")


def _probability(name: str, p: Any) -> Any:
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"{name}: dropout must be a number in [0, 1]; got {p!r}")
    return p
