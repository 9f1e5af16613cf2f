"""Attention and transformers: masks of all kinds, weights, causality, layers in both orders."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like, Side, second_gradients, twice_differentiable
from tests.parity.making import layer, state

D = "float64"
F = "nn.functional."


def mask(s: Side) -> Any:
    return s.root.tensor([[True, False, True], [True, True, False], [False, True, True]])


def additive(s: Side) -> Any:
    return s.root.tensor([[0.0, -1.0, 2.0], [0.5, -1e9, 0.0], [0.0, 0.0, 0.0]], dtype=s.float64)


def padding(s: Side) -> Any:
    return s.root.tensor([[False, False, True], [False, False, False]])


def causal(s: Side) -> Any:
    return s.nn.Transformer.generate_square_subsequent_mask(3, dtype=s.float64)


def bools_of_heads(s: Side) -> Any:
    return s.root.tensor([[[False, False, True]] * 3, [[False, True, False]] * 3] * 2)


# The function.


def attend(s: Side, *shapes: Any, made: Any = None, **kwargs: Any) -> Any:
    q, k, v = (s.tensor(x if isinstance(x, Like) else Like(x, D)) for x in shapes)
    return s.nn.functional.scaled_dot_product_attention(q, k, v, made and made(s), **kwargs)


def twice(s: Side, *shapes: Any, **kwargs: Any) -> Any:
    with twice_differentiable(s):
        return second_gradients(s, attend(s, *shapes, **kwargs))


SHAPES = [
    ((2, 2, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)),
    ((3, 4), (3, 4), (3, 5)),
    ((2, 3, 4), (2, 3, 4), (2, 3, 4)),
    ((2, 1, 3, 4), (2, 3, 4), (1, 2, 3, 4)),
    ((1, 2, 0, 4), (1, 2, 3, 4), (1, 2, 3, 4)),
    ((1, 2, 3, 4), (1, 2, 0, 4), (1, 2, 0, 4)),
    ((0, 2, 3, 4), (0, 2, 3, 4), (0, 2, 3, 4)),
    (Like((2, 2, 3, 4), D, "transposed"), (2, 2, 3, 4), Like((2, 2, 3, 4), D, "expanded")),
    (Like((2, 3, 4), "float16"),) * 3,
    (Like((2, 3, 4), "bfloat16"),) * 3,
    (Like((2, 3, 4), "float32"), Like((2, 3, 4), "float64"), Like((2, 3, 4))),
    (Like((2, 3, 4), "int64"),) * 3,
    ((2, 3, 4), (2, 3, 5), (2, 3, 4)),
    ((4,), (4,), (4,)),
]
path = f"{F}scaled_dot_product_attention"
for i, shapes in enumerate(SHAPES):
    for kwargs in ({}, {"is_causal": True}, {"scale": 0.3}, {"dropout_p": 0.0}):
        label = f"{' '.join(map(str, shapes))} {kwargs}"
        add(path, label, lambda s, x=shapes, k=kwargs: attend(s, *x, **k))
    if i < 3:
        for made in (mask, additive):
            label = f"{' '.join(map(str, shapes))} {made.__name__}"
            add(path, label, lambda s, x=shapes, m=made: attend(s, *x, made=m))
            add(path, f"{label} second gradients", lambda s, x=shapes, m=made: twice(s, *x, made=m))
for label, shapes, kwargs in (
    ("mask and causality", SHAPES[0], {"made": mask, "is_causal": True}),
    ("mask of another shape", SHAPES[0], {"made": lambda s: s.ones(4, 3, dtype=s.bool)}),
    ("integer mask", SHAPES[0], {"made": lambda s: s.ones(3, 3, dtype=s.int64)}),
    ("mask of one row", SHAPES[0], {"made": lambda s: s.root.tensor([True, False, True])}),
    ("all masked", SHAPES[0], {"made": lambda s: s.zeros(3, 3, dtype=s.bool)}),
    ("p above 1", SHAPES[0], {"dropout_p": 1.5}),
    ("all dropped", SHAPES[0], {"dropout_p": 1.0}),
    ("longer queries", ((2, 5, 4), (2, 3, 4), (2, 3, 4)), {"is_causal": True}),
    ("longer keys", ((2, 3, 4), (2, 5, 4), (2, 5, 4)), {"is_causal": True}),
    ("grouped", ((2, 4, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)), {"enable_gqa": True}),
    ("grouped unevenly", ((2, 3, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)), {"enable_gqa": True}),
    ("groups not said", ((2, 4, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)), {}),
):
    add(path, label, lambda s, x=shapes, k=kwargs: attend(s, *x, **k))
call(path, Like((2, 3, 4)), Like((2, 3, 4)), Like((2, 3, 4)), Like((3, 3), low=-1))


# MultiheadAttention. Queries (L, B, E), keys and values (S, B, ...).

q, k = Like((4, 2, 6), D), Like((3, 2, 6), D)
square = Like((3, 2, 6), D)
MHA = "MultiheadAttention"
for kwargs in (
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
    {"batch_first": True},
    {"dropout": 0.0},
):
    batch = kwargs.get("batch_first", False)
    x = Like((2, 3, 6), D) if batch else square
    layer(MHA, [x, x, x], 6, 2, second=True, **kwargs)
    layer(MHA, [x, x, x], 6, 3, double=True, called={"need_weights": False}, **kwargs)
    layer(MHA, [x, x, x], 6, 2, double=True, called={"average_attn_weights": False}, **kwargs)
    for weights in (True, False):
        for called in (
            {"key_padding_mask": padding},
            {"attn_mask": causal},
            {"attn_mask": mask},
            {"attn_mask": causal, "is_causal": True},
            {"attn_mask": bools_of_heads},
            {"attn_mask": additive, "key_padding_mask": padding},
        ):
            more = {**called, "need_weights": weights}
            layer(MHA, [x, x, x], 6, 2, double=True, called=more, **kwargs)
layer(MHA, [q, Like((3, 2, 5), D), Like((3, 2, 7), D)], 6, 2, kdim=5, vdim=7, second=True)
layer(MHA, [q, k, k], 6, 2, kdim=6, vdim=6, double=True)
layer(MHA, [Like((4, 6), D), Like((3, 6), D), Like((3, 6), D)], 6, 2, double=True)
layer(MHA, [Like((4, 6), D), Like((3, 6), D), Like((3, 6), D)], 6, 2, double=True,
      called={"need_weights": False})  # fmt: skip
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, dropout=0.5, draws=True)
# Refusals.
for args in ((6, 4), (0, 1), (6, 0), (6, -2)):
    layer(MHA, [Like((3, 2, 6))] * 3, *args)
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, dropout=1.5)
layer(MHA, [Like((3, 2, 5))] * 3, 6, 2)
layer(MHA, [Like((3, 2, 6)), Like((4, 2, 6)), Like((3, 2, 6))], 6, 2)
layer(MHA, [Like((3, 2, 6)), Like((3, 3, 6)), Like((3, 3, 6))], 6, 2)
layer(MHA, [Like((3, 2, 6)), Like((3, 6)), Like((3, 6))], 6, 2)
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, called={"is_causal": True})
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, called={"attn_mask": lambda s: s.ones(4, 3).bool()})
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, called={"key_padding_mask": lambda s: s.ones(3, 2).bool()})
layer(MHA, [Like((3, 2, 6))] * 3, 6, 2, called={"attn_mask": lambda s: s.ones(3, 3).long()})


# Transformers.

BLOCK = {"dim_feedforward": 7, "dropout": 0.0}
src, tgt = Like((3, 2, 6), D), Like((4, 2, 6), D)


def gelu(s: Side) -> Any:
    return s.nn.functional.gelu


def target_mask(s: Side) -> Any:
    return s.nn.Transformer.generate_square_subsequent_mask(4, dtype=s.float64)


def memory_padding(s: Side) -> Any:
    return s.root.tensor([[False, False, True], [False, True, False]])


def target_padding(s: Side) -> Any:
    return s.root.tensor([[False, False, False, True], [False, False, False, False]])


for kwargs in (
    {},
    {"norm_first": True},
    {"activation": "gelu"},
    {"activation": gelu},
    {"bias": False},
    {"layer_norm_eps": 1e-2},
    {"norm_first": True, "activation": "gelu", "bias": False},
):
    given = {**BLOCK, **kwargs}
    layer("TransformerEncoderLayer", [src], 6, 2, second=True, **given)
    layer("TransformerEncoderLayer", [src], 6, 2, double=True, called={"src_mask": causal}, **given)
    layer("TransformerEncoderLayer", [src], 6, 2, double=True,
          called={"src_mask": causal, "is_causal": True}, **given)  # fmt: skip
    layer("TransformerEncoderLayer", [src], 6, 2, double=True,
          called={"src_key_padding_mask": padding}, **given)  # fmt: skip
    layer("TransformerDecoderLayer", [tgt, src], 6, 2, second=True, **given)
    called = {
        "tgt_mask": target_mask,
        "tgt_key_padding_mask": target_padding,
        "memory_key_padding_mask": memory_padding,
    }
    layer("TransformerDecoderLayer", [tgt, src], 6, 2, double=True, called=called, **given)
    layer("TransformerDecoderLayer", [tgt, src], 6, 2, double=True,
          called={"tgt_mask": target_mask, "tgt_is_causal": True}, **given)  # fmt: skip
for name, inputs in (
    ("TransformerEncoderLayer", [Like((2, 3, 6), D)]),
    ("TransformerDecoderLayer", [Like((2, 4, 6), D), Like((2, 3, 6), D)]),
):
    layer(name, inputs, 6, 2, batch_first=True, double=True, **BLOCK)
    plain = [Like(x.shape[1:], D) for x in inputs]
    layer(name, plain, 6, 2, double=True, **BLOCK)
    layer(name, [Like(x.shape) for x in inputs], 6, 2, draws=True)  # dropout of 0.1
    layer(name, inputs, 6, 4, **BLOCK)
    layer(name, inputs, 6, 2, activation="tanh", **BLOCK)
    layer(name, inputs, 6, 2, dim_feedforward=7, dropout=1.5)
    layer(name, [Like((2, 3, 5))] * len(inputs), 6, 2, **BLOCK)


def encoder_layer(s: Side) -> Any:
    return s.nn.TransformerEncoderLayer(6, 2, batch_first=True, **BLOCK)


def decoder_layer(s: Side) -> Any:
    return s.nn.TransformerDecoderLayer(6, 2, batch_first=True, **BLOCK)


def layer_norm(s: Side) -> Any:
    return s.nn.LayerNorm(6)


src, tgt = Like((2, 3, 6), D), Like((2, 4, 6), D)
for norm in (None, layer_norm):
    layer("TransformerEncoder", [src], encoder_layer, 2, norm, second=True)
    layer("TransformerDecoder", [tgt, src], decoder_layer, 2, norm, second=True)
layer("TransformerEncoder", [src], encoder_layer, 2, double=True,
      called={"mask": causal, "src_key_padding_mask": padding})  # fmt: skip
layer("TransformerEncoder", [src], encoder_layer, 2, double=True,
      called={"mask": causal, "is_causal": True})  # fmt: skip
layer("TransformerEncoder", [src], encoder_layer, 2, double=True, called={"mask": causal},
      enable_nested_tensor=False)  # fmt: skip
layer("TransformerEncoder", [src], encoder_layer, 0, double=True)
layer("TransformerDecoder", [tgt, src], decoder_layer, 2, double=True,
      called={"tgt_mask": target_mask, "memory_key_padding_mask": memory_padding})  # fmt: skip
layer("TransformerDecoder", [tgt, src], decoder_layer, 2, double=True,
      called={"tgt_mask": target_mask, "tgt_is_causal": True})  # fmt: skip

WHOLE = {"num_encoder_layers": 1, "num_decoder_layers": 2, "dim_feedforward": 7}
for kwargs in (
    {},
    {"batch_first": True},
    {"norm_first": True, "activation": "gelu"},
    {"bias": False, "layer_norm_eps": 1e-3},
):
    first = kwargs.get("batch_first", False)
    src = Like((2, 3, 6) if first else (3, 2, 6), D)
    tgt = Like((2, 4, 6) if first else (4, 2, 6), D)
    layer("Transformer", [src, tgt], 6, 2, dropout=0.0, double=True, **WHOLE, **kwargs)
    called = {
        "src_mask": causal,
        "tgt_mask": target_mask,
        "src_key_padding_mask": padding,
        "tgt_key_padding_mask": target_padding,
        "memory_key_padding_mask": memory_padding,
    }
    layer("Transformer", [src, tgt], 6, 2, dropout=0.0, double=True, called=called,
          **WHOLE, **kwargs)  # fmt: skip
layer("Transformer", [Like((3, 6), D), Like((4, 6), D)], 6, 2, dropout=0.0, double=True, **WHOLE)
layer("Transformer", [Like((3, 2, 6)), Like((4, 2, 6))], 6, 2, draws=True, **WHOLE)
layer("Transformer", [Like((3, 2, 6)), Like((4, 3, 6))], 6, 2, **WHOLE)
layer("Transformer", [Like((3, 2, 5)), Like((4, 2, 6))], 6, 2, **WHOLE)
add("nn.Transformer", "its own halves", lambda s: sorted(state(
    s.nn.Transformer(6, 2, custom_encoder=s.nn.Linear(2, 3), custom_decoder=s.nn.Identity())
)))  # fmt: skip
add("nn.Transformer", "mask", lambda s: [
    s.nn.Transformer.generate_square_subsequent_mask(n) for n in (1, 4)
])  # fmt: skip
add("nn.Transformer", "as it is by itself", lambda s: [
    (m := s.nn.Transformer()).d_model, m.nhead, m.batch_first, len(m.encoder.layers),
    sum(p.numel() for p in m.parameters()),
])  # fmt: skip
