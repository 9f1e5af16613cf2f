"""Attention of several heads as a function of its weights, for layers that hold them themselves."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.ops.linalg import linear
from lucid.tensor import Tensor


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What ``nn.MultiheadAttention`` computes, of weights given one by one.

    (L, B, E), (S, B, K), (S, B, V) -> (L, B, E'), weights (B, L, S). The in-projection is one
    matrix (3 E, E), or three with ``use_separate_proj_weight``; its bias is (3 E,). The
    out-projection may have another number of rows, E'. static_k, static_v must be None.
    """
    from lucid.nn.attention import MultiheadAttention  # itself made of nn.functional
    from lucid.nn.module import Module

    name = "multi_head_attention_forward"
    if static_k is not None or static_v is not None:
        raise ValueError(f"{name}: static_k and static_v must be None; got tensors")
    if query.shape[-1] != embed_dim_to_check:
        raise ShapeError(
            f"{name}: the query's last dimension must be embed_dim_to_check, {embed_dim_to_check};"
            f" got {query.shape[-1]}"
        )
    apart = (q_proj_weight, k_proj_weight, v_proj_weight)
    if use_separate_proj_weight and any(w is None for w in apart):
        raise ValueError(
            f"{name}: with use_separate_proj_weight all three weights are needed; got"
            f" {sum(w is None for w in apart)} that are None"
        )
    heads = MultiheadAttention.__new__(MultiheadAttention)
    Module.__init__(heads)
    settings: dict[str, Any] = {
        "embed_dim": embed_dim_to_check,
        "num_heads": num_heads,
        "head_dim": embed_dim_to_check // num_heads,
        "kdim": key.shape[-1],
        "vdim": value.shape[-1],
        "dropout": dropout_p,
        "batch_first": False,
        "add_zero_attn": add_zero_attn,
        "in_proj_weight": None if use_separate_proj_weight else in_proj_weight,
        "in_proj_bias": in_proj_bias,
        "q_proj_weight": q_proj_weight,
        "k_proj_weight": k_proj_weight,
        "v_proj_weight": v_proj_weight,
        "bias_k": bias_k,
        "bias_v": bias_v,
        "out_proj": lambda y: linear(y, out_proj_weight, out_proj_bias),
        "training": training,
    }
    heads.__dict__.update(settings)  # not registered: the weights stay the caller's
    return heads.forward(
        query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights,
        is_causal,
    )  # fmt: skip
