"""Recurrent cells: one step of RNN, LSTM and GRU."""

from __future__ import annotations

import math
from typing import Any

from lucid.amp.autocast_mode import is_autocast_enabled
from lucid.errors import ShapeError
from lucid.nn import init
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.op import one_dtype
from lucid.ops import empty, zeros
from lucid.ops.recurrent import gru_states, lstm_step, rnn_states
from lucid.tensor import Tensor


class RNNCellBase(Module):
    """What the cells share: one set of weights, one step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            b = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, b)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights and biases, uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _prepared(self, input: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        """Input and states as (B, *)."""
        name = self._get_name()
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: the input must be (B, {self.input_size}) or ({self.input_size},); got"
                f" shape {input.shape}"
            )
        want = (*input.shape[:-1], self.hidden_size)
        given = []
        for what, t in zip(("hx", "cx"), states, strict=False):
            if t is None:
                t = zeros(want, device=input.device, dtype=input.dtype)
            if t.shape != want:
                raise ShapeError(f"{name}: {what} must be {want}; got shape {t.shape}")
            given.append(t if t.ndim == 2 else t.unsqueeze(0))
        if not is_autocast_enabled(input.device.type):
            one_dtype(name, input, *given, self.weight_ih)
        return (input if input.ndim == 2 else input.unsqueeze(0)), given

    @property
    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. x: (B, I), h: (B, H) -> (B, H).

    Or without B.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ):
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,) = self._prepared(input, (hx,))
        relu = self.nonlinearity == "relu"
        _, h = rnn_states(x, h, *self._weights, sizes=(x.shape[0],), relu=relu)
        return h if input.ndim == 2 else h.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of LSTM. x: (B, I), (h, c): (B, H) each -> (h, c). Or without B."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        x, (h, c) = self._prepared(input, (None, None) if hx is None else hx)
        h, c = lstm_step(x, h, c, *self._weights)
        return (h, c) if input.ndim == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of GRU. x: (B, I), h: (B, H) -> (B, H). Or without B."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,) = self._prepared(input, (hx,))
        _, h = gru_states(x, h, *self._weights, sizes=(x.shape[0],))
        return h if input.ndim == 2 else h.squeeze(0)


def check_nonlinearity(name: str, nonlinearity: str) -> None:
    """Two are known."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity must be tanh or relu; got {nonlinearity!r}")
