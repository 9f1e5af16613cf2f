"""Attention of several heads."""

from __future__ import annotations

import math
from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, ShapeError
from lucid.nn import functional as F
from lucid.nn import init
from lucid.nn.linear import Linear
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.ops import cat, empty
from lucid.ops.dropout import check_probability
from lucid.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name that PyTorch gives to an attention's last one."""


class MultiheadAttention(Module):
    """Heads that attend apart, side by side. (L, B, E), (S, B, K), (S, B, V) -> (L, B, E), weights.

    Each of ``num_heads`` heads has E / num_heads dimensions. With ``batch_first`` B comes first;
    without a batch inputs are (L, E), (S, K), (S, V). The weights are (B, L, S), their mean over
    heads, or (B, heads, L, S) with ``average_attn_weights=False``, or None with
    ``need_weights=False``, which is faster.

    Masks are bool, True where a key takes no part, or numbers to be added: ``key_padding_mask``
    (B, S), ``attn_mask`` (L, S) or (B * heads, L, S). ``is_causal`` says that attn_mask is the
    causal one. A query whose keys are all masked gives NaN if weights are asked for, else what a
    sum of no values gives. ``dropout`` drops weights in training.

    ``add_bias_kv`` appends a learned key and value, ``add_zero_attn`` a key and value of zeros.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(
                "MultiheadAttention: num_heads must divide embed_dim, both positive; got"
                f" embed_dim={embed_dim}, num_heads={num_heads}"
            )
        check_probability("MultiheadAttention", dropout)
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.head_dim, self.batch_first = embed_dim // num_heads, batch_first
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.add_zero_attn = add_zero_attn

        def parameter(name: str, *shape: int, wanted: bool = True) -> None:
            value = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)

        apart = not self._qkv_same_embed_dim
        parameter("in_proj_weight", 3 * embed_dim, embed_dim, wanted=not apart)
        parameter("q_proj_weight", embed_dim, embed_dim, wanted=apart)
        parameter("k_proj_weight", embed_dim, self.kdim, wanted=apart)
        parameter("v_proj_weight", embed_dim, self.vdim, wanted=apart)
        parameter("in_proj_bias", 3 * embed_dim, wanted=bias)
        parameter("bias_k", 1, 1, embed_dim, wanted=add_bias_kv)
        parameter("bias_v", 1, 1, embed_dim, wanted=add_bias_kv)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if is_causal and attn_mask is None:
            raise ValueError(
                "MultiheadAttention: is_causal says something of attn_mask, which must be given;"
                " got None. Hint: nn.Transformer.generate_square_subsequent_mask makes it"
            )
        self._check(query, key, value)
        q, k, v = (self._heads(t) for t in self._project(query, key, value))
        implied = is_causal and key_padding_mask is None and not need_weights
        mask = None if implied else self._mask(q, k, key_padding_mask, attn_mask)
        k, v, mask = self._appended(k, v, mask)
        p = self.dropout if self.training else 0.0
        if not need_weights:
            y = F.scaled_dot_product_attention(q, k, v, mask, p, implied)
            return self.out_proj(self._side_by_side(y, query.ndim)), None
        scores = (q * (1 / math.sqrt(self.head_dim))).matmul(k.transpose(-1, -2))
        weights = F.softmax(scores if mask is None else scores + mask, -1)
        weights = F.dropout(weights, p)
        y = self.out_proj(self._side_by_side(weights.matmul(v), query.ndim))
        weights = weights.mean(1) if average_attn_weights else weights
        return y, weights if query.ndim == 3 else weights.squeeze(0)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        ndims = {query.ndim, key.ndim, value.ndim}
        got = f"got shapes {query.shape}, {key.shape} and {value.shape}"
        if ndims not in ({2}, {3}):
            raise ShapeError(
                f"MultiheadAttention: query, key and value must all have 3 dimensions, or 2; {got}"
            )
        wanted = (self.embed_dim, self.kdim, self.vdim)
        if (query.shape[-1], key.shape[-1], value.shape[-1]) != wanted:
            raise ShapeError(
                f"MultiheadAttention: the last dimensions must be {wanted}, embed_dim, kdim and"
                f" vdim; {got}"
            )
        batch = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or (
            ndims == {3} and query.shape[batch] != key.shape[batch]
        ):
            raise ShapeError(
                "MultiheadAttention: key and value must agree in length, and all in batch size;"
                f" {got}"
            )

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """The queries, keys and values of all heads; tensors given twice in one product."""
        e, w, b = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if w is not None and query is key and key is value:
            return list(F.linear(query, w, b).chunk(3, -1))
        if w is not None and key is value:
            q = F.linear(query, w[:e], None if b is None else b[:e])
            return [q, *F.linear(key, w[e:], None if b is None else b[e:]).chunk(2, -1)]
        if w is not None:
            weights = w.chunk(3)
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        biases = (None,) * 3 if b is None else b.chunk(3)
        inputs = query, key, value
        return [F.linear(*three) for three in zip(inputs, weights, biases, strict=True)]

    def _heads(self, t: Tensor) -> Tensor:
        """(L, B, E), (B, L, E) or (L, E) -> (B, heads, L, E / heads)."""
        t = t.reshape(*t.shape[:-1], self.num_heads, self.head_dim)
        if t.ndim == 3:
            return t.transpose(0, 1).unsqueeze(0)
        return t.permute(0, 2, 1, 3) if self.batch_first else t.permute(1, 2, 0, 3)

    def _side_by_side(self, y: Tensor, ndim: int) -> Tensor:
        """The way back."""
        if ndim == 2:
            y = y.squeeze(0).transpose(0, 1)
        else:
            y = y.permute(0, 2, 1, 3) if self.batch_first else y.permute(2, 0, 1, 3)
        return y.reshape(*y.shape[:-2], self.embed_dim)

    def _mask(
        self, q: Tensor, k: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None
    ) -> Tensor | None:
        """Both masks as numbers to be added to scores (B, heads, L, S)."""
        b, heads, length = q.shape[:3]
        s = k.shape[2]
        total = None
        if attn_mask is not None:
            allowed = ((length, s), (b * heads, length, s))
            total = _numbers("attn_mask", attn_mask, allowed, q)
            total = total if attn_mask.ndim == 2 else total.reshape(b, heads, length, s)
        if key_padding_mask is not None:
            padding = _numbers("key_padding_mask", key_padding_mask, ((b, s), (s,)), q)
            padding = padding.reshape(b, 1, 1, s)
            total = padding if total is None else total + padding
        return total

    def _appended(
        self, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The learned key and value and those of zeros behind the others, masked for nobody."""
        extra = []
        if self.bias_k is not None and self.bias_v is not None:
            one = (1, self.num_heads, 1, self.head_dim)
            size = (k.shape[0], *one[1:])
            biases = (b.to(k.dtype).reshape(one).expand(size) for b in (self.bias_k, self.bias_v))
            extra.append(tuple(biases))
        if self.add_zero_attn:
            nothing = k.new_zeros(*k.shape[:2], 1, self.head_dim)
            extra.append((nothing, nothing))
        for key, value in extra:
            k, v = cat([k, key], 2), cat([v, value], 2)
            if mask is not None:
                mask = cat([mask, mask.new_zeros(*mask.shape[:-1], 1)], -1)
        return k, v, mask


def _numbers(name: str, mask: Tensor, shapes: tuple[tuple[int, ...], ...], like: Tensor) -> Tensor:
    """A mask as numbers of this dtype: -inf for True."""
    if mask.shape not in shapes:
        raise ShapeError(
            f"MultiheadAttention: {name} must be {' or '.join(map(str, shapes))}; got shape"
            f" {mask.shape}"
        )
    if mask.dtype == dtypes._bool:
        return like.new_zeros(mask.shape).masked_fill(mask, -math.inf)
    if not mask.is_floating_point():
        raise DTypeError(
            f"MultiheadAttention: {name} must be bool or floating point; got {mask.dtype}"
        )
    return mask.to(like.dtype)
