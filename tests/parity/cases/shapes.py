"""The same elements elsewhere: views, joins, splits; and what a tensor says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parity.compare import add
from tests.parity.library import LIKES, Like, Side

FLAT = [Like(()), Like((6,)), Like((0,))]
Call = Callable[[Any], Any]


def on(name: str, *calls: Call, likes: list[Like] | None = None) -> None:
    """Cases for ``name``: each of the calls of a tensor, for each way to make one."""
    for i, ask in enumerate(calls):
        for like in likes or [*LIKES, *FLAT]:
            add(name, f"{like} #{i}", lambda s, ask=ask, like=like: ask(s.tensor(like)))


def with_root(
    name: str, *calls: Callable[[Side, Any], Any], likes: list[Like] | None = None
) -> None:
    for i, ask in enumerate(calls):
        for like in likes or [*LIKES, *FLAT]:
            add(name, f"{like} #{i}", lambda s, ask=ask, like=like: ask(s, s.tensor(like)))


on(
    "Tensor.reshape",
    lambda x: x.reshape(-1),
    lambda x: x.reshape(4, -1),
    lambda x: x.reshape((2, 12)),
    lambda x: x.reshape(3, 5),
)
on(
    "Tensor.view",
    lambda x: x.view(-1),
    lambda x: x.view(2, -1),
    lambda x: x.view(x.shape),
    lambda x: x.view(5, -1),
)
on(
    "Tensor.flatten",
    lambda x: x.flatten(),
    lambda x: x.flatten(1),
    lambda x: x.flatten(0, 1),
    lambda x: x.flatten(-2),
    lambda x: x.flatten(1, 0),
)
on(
    "Tensor.transpose",
    lambda x: x.transpose(0, 1),
    lambda x: x.transpose(-1, 0),
    lambda x: x.transpose(0, 7),
)
on(
    "Tensor.permute",
    lambda x: x.permute(2, 0, 1),
    lambda x: x.permute((0, 2, 1)),
    lambda x: x.permute(0, -1, 1),
    lambda x: x.permute(0, 0, 1),
)
on(
    "Tensor.squeeze",
    lambda x: x.squeeze(),
    lambda x: x.squeeze(0),
    lambda x: x.squeeze(-1),
    lambda x: x.squeeze((0, 2)),
)
on(
    "Tensor.unsqueeze",
    lambda x: x.unsqueeze(0),
    lambda x: x.unsqueeze(-1),
    lambda x: x.unsqueeze(1),
    lambda x: x.unsqueeze(9),
)
on(
    "Tensor.expand",
    lambda x: x.expand(2, 3, 4),
    lambda x: x.expand(5, -1, -1, -1),
    lambda x: x.expand(7),
    lambda x: x.expand((3, 6)),
)
on(
    "Tensor.expand_as",
    lambda x: x.expand_as(x.new_empty(2, 3, 4)),
    lambda x: x.expand_as(x.new_empty(5, *x.shape)),
)
on(
    "Tensor.repeat",
    lambda x: x.repeat(2),
    lambda x: x.repeat(1, 2, 1),
    lambda x: x.repeat((2, 1, 1, 3)),
    lambda x: x.repeat(0, 1, 1),
)
on(
    "Tensor.flip",
    lambda x: x.flip(0),
    lambda x: x.flip(0, 2),
    lambda x: x.flip((1,)),
    lambda x: x.flip(-1),
)
on(
    "Tensor.split",
    lambda x: x.split(2),
    lambda x: x.split(2, dim=-1),
    lambda x: x.split([1, 2], 1),
    lambda x: x.split(split_size=3, dim=2),
    lambda x: x.split([1, 1], 1),
)
on(
    "Tensor.chunk",
    lambda x: x.chunk(2),
    lambda x: x.chunk(3, dim=-1),
    lambda x: x.chunk(7, 1),
    lambda x: x.chunk(0),
)
on(
    "Tensor.t",
    lambda x: x.t(),
    likes=[Like((2, 3)), Like((3,)), Like(()), Like((0, 2)), Like((2, 3, 4))],
)
on("Tensor.T", lambda x: x.T, likes=[Like((2, 3)), Like((0, 2)), Like((3, 4), layout="strided")])
on("Tensor.triu", lambda x: x.triu(), lambda x: x.triu(1), lambda x: x.triu(-2))
on("Tensor.tril", lambda x: x.tril(), lambda x: x.tril(1), lambda x: x.tril(diagonal=-2))
on(
    "Tensor.unfold",
    lambda x: x.unfold(0, 1, 1),
    lambda x: x.unfold(-1, 2, 1),
    lambda x: x.unfold(1, 2, 2),
    lambda x: x.unfold(-1, 9, 1),
)
on("Tensor.contiguous", lambda x: x.contiguous(), lambda x: x.contiguous() is x)
on(
    "Tensor.size",
    lambda x: tuple(x.size()),
    lambda x: x.size(0),
    lambda x: x.size(-1),
    lambda x: x.size(dim=1),
)
on("Tensor.shape", lambda x: tuple(x.shape), lambda x: len(x.shape))
on("Tensor.dim", lambda x: x.dim())
on("Tensor.ndim", lambda x: x.ndim)
on("Tensor.numel", lambda x: x.numel())
on("Tensor.nelement", lambda x: x.nelement())
on("Tensor.element_size", lambda x: x.element_size())
on(
    "Tensor.stride",
    lambda x: tuple(x.stride()),
    lambda x: x.stride(0),
    lambda x: x.stride(-1),
    likes=[LIKES[0], LIKES[3], LIKES[4], LIKES[5], LIKES[6], FLAT[1]],
)
on("Tensor.dtype", lambda x: x.dtype)
on("Tensor.is_leaf", lambda x: x.is_leaf, lambda x: (x + 1).is_leaf)
on("Tensor.requires_grad", lambda x: x.requires_grad)
on("Tensor.is_cuda", lambda x: x.is_cuda)
on(
    "Tensor.is_contiguous",
    lambda x: x.is_contiguous(),
    likes=[LIKES[0], LIKES[4], LIKES[5], LIKES[6], *FLAT],
)
on(
    "Tensor.tolist",
    lambda x: x.tolist(),
    likes=[Like((2, 3)), Like((), "int64"), Like((0, 2)), Like((2,), "bool")],
)
on(
    "Tensor.item",
    lambda x: x.item(),
    likes=[Like(()), Like((1, 1)), Like((), "bool"), Like((), "int64"), Like((2,)), Like((0,))],
)
on("Tensor.__len__", lambda x: len(x))
on("Tensor.__iter__", lambda x: list(x))
on(
    "Tensor.__contains__",
    lambda x: 0 in x,
    likes=[Like((2, 3), "int64"), Like((0,)), Like((5,), "bool")],
)
for name, python in {"float": float, "int": int, "bool": bool}.items():
    on(
        f"Tensor.__{name}__",
        python,
        likes=[Like(()), Like((1,)), Like((), "int64"), Like((), "bool"), Like((2,)), Like((0,))],
    )
on(
    "Tensor.__index__",
    lambda x: [1, 2, 3, 4][x],
    likes=[Like((), "int64", low=0), Like((1,), "int64", low=0), Like(())],
)
on(
    "Tensor.numpy",
    lambda x: [x.detach().numpy().dtype.name, x.detach().numpy().tolist()],
    lambda x: x.numpy().tolist(),
    likes=[Like((2, 3)), Like((2,), "int64"), Like((), "bool")],
)
on(
    "Tensor.__array__",
    lambda x: __import__("numpy").asarray(x.detach()).tolist(),
    likes=[Like((2, 3)), Like((2,), "int64")],
)
on(
    "Tensor.__dlpack__",
    lambda x: __import__("numpy").from_dlpack(x.detach()).tolist(),
    likes=[Like((2, 3)), Like((2,), "int64")],
)
on(
    "Tensor.__dlpack_device__",
    lambda x: tuple(map(int, x.detach().__dlpack_device__())),
    likes=[Like((2, 3))],
)
on("Tensor.data", lambda x: x.data, likes=LIKES[:4])
on("Tensor.device", lambda x: x.device.type, lambda x: str(x.device), likes=LIKES[:2])
on(
    "Tensor.grad_fn",
    lambda x: x.grad_fn is None,
    lambda x: (x + 1).grad_fn is None,
    likes=LIKES[:2],
)
on("Tensor.data_ptr", lambda x: x.data_ptr() == x[0].data_ptr(), likes=LIKES[:2])
with_root("reshape", lambda s, x: s.reshape(x, (-1,)), lambda s, x: s.reshape(x, (4, -1)))
with_root(
    "flatten",
    lambda s, x: s.flatten(x),
    lambda s, x: s.flatten(x, 1),
    lambda s, x: s.flatten(x, start_dim=-2),
)
with_root(
    "transpose", lambda s, x: s.transpose(x, 0, 1), lambda s, x: s.transpose(x, dim0=-1, dim1=0)
)
with_root(
    "permute", lambda s, x: s.permute(x, (2, 0, 1)), lambda s, x: s.permute(x, dims=(0, 2, 1))
)
with_root(
    "squeeze",
    lambda s, x: s.squeeze(x),
    lambda s, x: s.squeeze(x, 0),
    lambda s, x: s.squeeze(x, dim=(0, 2)),
)
with_root("unsqueeze", lambda s, x: s.unsqueeze(x, 0), lambda s, x: s.unsqueeze(x, dim=-1))
with_root("flip", lambda s, x: s.flip(x, (0,)), lambda s, x: s.flip(x, dims=(0, -1)))
with_root(
    "roll",
    lambda s, x: s.roll(x, 1),
    lambda s, x: s.roll(x, 2, 0),
    lambda s, x: s.roll(x, (1, -1), (0, 1)),
    lambda s, x: s.roll(x, shifts=-3, dims=-1),
)
with_root("split", lambda s, x: s.split(x, 2), lambda s, x: s.split(x, [1, 2], dim=1))
with_root("chunk", lambda s, x: s.chunk(x, 2), lambda s, x: s.chunk(x, 3, dim=-1))
with_root(
    "stack",
    lambda s, x: s.stack([x, x]),
    lambda s, x: s.stack((x, x * 2), dim=-1),
    lambda s, x: s.stack([x], 1),
)
with_root(
    "cat",
    lambda s, x: s.cat([x, x]),
    lambda s, x: s.cat((x, x * 2), dim=-1),
    lambda s, x: s.cat([x, x[:1]], 0),
    lambda s, x: s.cat([x, s.ones(0)]),
    lambda s, x: s.cat([x, x.double()]),
    lambda s, x: s.cat([x, s.ones(7, 7)]),
)
with_root("tril", lambda s, x: s.tril(x), lambda s, x: s.tril(x, 1))
with_root("triu", lambda s, x: s.triu(x), lambda s, x: s.triu(x, diagonal=-1))
with_root(
    "diag",
    lambda s, x: s.diag(x),
    lambda s, x: s.diag(x, 1),
    lambda s, x: s.diag(x, diagonal=-1),
    likes=[
        Like((3,)),
        Like((2, 3)),
        Like((0,)),
        Like((3, 3), "int64"),
        Like((3, 4), layout="transposed"),
        Like((2, 2, 2)),
        Like(()),
    ],
)
with_root(
    "meshgrid",
    lambda s, x: s.meshgrid(x, s.arange(2), indexing="ij"),
    lambda s, x: s.meshgrid(s.arange(3), x, indexing="xy"),
    lambda s, x: s.meshgrid([x, s.arange(2)]),
    likes=[Like((3,), "int64"), Like((), "int64"), Like((0,), "int64")],
)
with_root(
    "is_tensor", lambda s, x: [s.is_tensor(x), s.is_tensor(3), s.is_tensor([x])], likes=LIKES[:1]
)
with_root("is_floating_point", lambda s, x: s.is_floating_point(x), likes=LIKES[:4])
with_root("numel", lambda s, x: s.numel(x), likes=LIKES)
