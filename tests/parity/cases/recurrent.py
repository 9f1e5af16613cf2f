"""Recurrent layers and cells: one sequence, a batch, packed ones, stacked, both ways, projected."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side
from tests.parity.making import fill, layer

LENGTHS = [2, 4, 1, 3]  # of packed sequences; their order is not its own inverse
KINDS: dict[str, list[dict[str, Any]]] = {
    "RNN": [{}, {"nonlinearity": "relu"}],
    "LSTM": [{}, {"proj_size": 2}],
    "GRU": [{}],
}


def packed(s: Side) -> Any:
    x = s.tensor(Like((4, 4, 3), "float64"))
    return s.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)


def sorted_pack(s: Side) -> Any:
    x = s.tensor(Like((3, 5, 3), "float64"))
    return s.nn.utils.rnn.pack_padded_sequence(x, s.root.tensor([5, 2, 2]), batch_first=True)


def _hidden(kind: str, settings: dict, sets: int, *batch: int) -> Any:
    h = Like((sets, *batch, settings.get("proj_size", 5)), "float64")
    return (h, Like((sets, *batch, 5), "float64")) if kind == "LSTM" else h


x = Like((4, 2, 3), "float64")
for kind, kinds in KINDS.items():
    for settings in kinds:
        for more in (
            {},
            {"num_layers": 2, "bidirectional": True},
            {"bias": False, "batch_first": True},
            {"num_layers": 2, "dropout": 1.0},
            {"num_layers": 3, "bidirectional": True, "bias": False},
        ):
            layer(kind, [x], 3, 5, double=True, **settings, **more)
            sets = more.get("num_layers", 1) * (2 if more.get("bidirectional") else 1)
            batch = 4 if more.get("batch_first") else 2
            layer(kind, [x, _hidden(kind, settings, sets, batch)], 3, 5, double=True,
                  second="dropout" not in more, **settings, **more)  # fmt: skip
        layer(kind, [Like((4, 3), "float64")], 3, 5, double=True, bidirectional=True, **settings)
        hidden = _hidden(kind, settings, 2)
        layer(kind, [Like((4, 3), "float64"), hidden], 3, 5, 2, double=True, **settings)
        layer(kind, [packed], 3, 5, 2, double=True, bidirectional=True, **settings)
        layer(kind, [packed, _hidden(kind, settings, 2, 4)], 3, 5, 2, double=True, **settings)
        layer(kind, [sorted_pack], 3, 5, double=True, batch_first=True, **settings)
        layer(kind, [Like((4, 2, 3))], 3, 5, num_layers=2, dropout=0.5, draws=True, **settings)
        layer(kind, [Like((1, 2, 3), layout="expanded")], 3, 5, **settings)
        layer(kind, [Like((4, 2, 3), layout="transposed")], 3, 5, **settings)
        # Refusals.
        for args in ((0, 5), (3, 0), (3, 5, 0), (3, 5.0), (-1, 5)):
            layer(kind, [Like((4, 2, 3))], *args, **settings)
        for wrong in (Like((4, 2, 4)), Like((4, 2, 3, 1)), Like((3,)), Like((4, 2, 3), "int64"),
                      Like((4, 2, 3), "float64")):  # fmt: skip
            layer(kind, [wrong], 3, 5, **settings)
        for wrong in ((1, 3), (2, 2), (1,)):
            layer(kind, [Like((4, 2, 3)), _hidden(kind, settings, *wrong)], 3, 5, **settings)
        for more in ({"dropout": 1.5}, {"dropout": -0.1}, {"dropout": True}, {"proj_size": 5},
                     {"proj_size": -1}, {"bidirectional": "x"}):  # fmt: skip
            layer(kind, [Like((4, 2, 3))], 3, 5, **{**settings, **more})
layer("RNN", [x], 3, 5, nonlinearity="sigmoid")


def base(s: Side, *args: Any, **kwargs: Any) -> Any:
    """RNNBase is made by its mode, and has what the three share."""
    m = s.nn.RNNBase(*args, **kwargs)
    m.flatten_parameters()
    fill(s, m)
    return (
        repr(m),
        [[tuple(w.shape) for w in weights] for weights in m.all_weights],
        list(m.state_dict()),
        [isinstance(made, s.nn.RNNBase) for made in (s.nn.LSTM(2, 3), s.nn.GRU(2, 3))],
        [m.mode, m.input_size, m.hidden_size, m.num_layers, m.bias, m.batch_first, m.dropout],
        [m.bidirectional, m.proj_size],
    )


for args, kwargs in (
    (("LSTM", 3, 5), {}),
    (("LSTM", 3, 5, 2), {"proj_size": 2, "bidirectional": True}),
    (("GRU", 3, 5), {"bias": False, "batch_first": True, "num_layers": 3, "dropout": 0.5}),
    (("RNN_TANH", 3, 5), {}),
    (("RNN_RELU", 3, 5), {}),
    (("GRU", 3, 5), {"proj_size": 2}),
    (("ELMAN", 3, 5), {}),
    (("LSTM", 3, 0), {}),
):
    add("nn.RNNBase", f"{args} {kwargs}", lambda s, a=args, k=kwargs: base(s, *a, **k))

for name, settings in (
    ("RNNCell", {}),
    ("RNNCell", {"nonlinearity": "relu"}),
    ("LSTMCell", {}),
    ("GRUCell", {}),
):
    for rows in ((2,), ()):
        given: Any = Like((*rows, 5), "float64")
        given = (given, Like((*rows, 5), "float64")) if name == "LSTMCell" else given
        for more in ({}, {"bias": False}):
            layer(name, [Like((*rows, 3), "float64")], 3, 5, double=True, **settings, **more)
            layer(name, [Like((*rows, 3), "float64"), given], 3, 5, second=True,
                  **settings, **more)  # fmt: skip
    layer(name, [Like((0, 3))], 3, 5, **settings)
    for wrong in (Like((2, 4)), Like((2, 2, 3)), Like((2, 3), "int64"), Like((2, 3), "float64")):
        layer(name, [wrong], 3, 5, **settings)
    for hidden in (Like((3, 5)), Like((2, 4)), Like((5,)), (Like((2, 5)),)):
        layer(name, [Like((2, 3)), hidden], 3, 5, **settings)
layer("RNNCell", [Like((2, 3))], 3, 5, nonlinearity="sigmoid")
