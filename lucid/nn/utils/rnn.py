"""Sequences of different lengths in one tensor: padded, or packed without the padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.errors import DeviceError, ShapeError
from lucid.ops import arange, as_tensor, cat, contiguous_format, stack
from lucid.tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences time step after time step: at each step those that are still running.

    data: (sum of lengths, *); batch_sizes: (T,), on the CPU, how many run at each step, never
    growing. ``sorted_indices`` puts a batch in the order in which lengths fall,
    ``unsorted_indices`` puts it back; both None if that was its order. ``pack_padded_sequence`` and
    ``pack_sequence`` make them.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes.is_cuda:
            raise DeviceError(
                f"PackedSequence: batch_sizes must be on the CPU; got {batch_sizes.device}."
                " Hint: pack_padded_sequence makes it"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move or convert as ``Tensor.to`` does; batch_sizes stay where they are."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        order, back = (
            None if t is None else t.to(data.device)
            for t in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, order, back)

    def cuda(self, device: Any = None) -> PackedSequence:
        """On a CUDA device, the current one by default."""
        return self.to("cuda" if device is None else device)

    def is_pinned(self) -> bool:
        """Whether the elements lie in pinned host memory."""
        return self.data.is_pinned()

    def cpu(self) -> PackedSequence:
        """In host memory."""
        return self.to("cpu")

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(dtypes.float64)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(dtypes.float32)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(dtypes.float16)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that takes this one back. (N,) -> (N,); None stays None."""
    return None if permutation is None else permutation.argsort()


def _running(lengths: Tensor, steps: int) -> Tensor:
    """Whether sequence b has a step t: (steps, B)."""
    return arange(steps, device="cpu").unsqueeze(1) < lengths.unsqueeze(0)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Leave the padding out. input: (T, B, *), or (B, T, *) if ``batch_first``; lengths: (B,).

    Lengths must fall; with ``enforce_sorted=False`` any order will do. What is beyond a sequence's
    length is not read.

    >>> x = Tensor([[1.0, 4.0], [2.0, 5.0], [3.0, 0.0]])
    >>> nn.utils.rnn.pack_padded_sequence(x, [3, 2]).data
    Tensor([1., 4., 2., 5., 3.])
    """
    name = "pack_padded_sequence"
    if input.ndim < 2:
        form = "(B, T, *)" if batch_first else "(T, B, *)"
        raise ShapeError(f"{name}: input must be {form}; got shape {input.shape}")
    sizes = as_tensor(lengths, dtype=dtypes.int64, device="cpu").detach()
    steps, batch = input.shape[:2][::-1] if batch_first else input.shape[:2]
    if sizes.shape != (batch,):
        raise ShapeError(
            f"{name}: lengths must have one entry per sequence, shape ({batch},); got shape"
            f" {sizes.shape}"
        )
    numbers = sizes.tolist()
    if not numbers or min(numbers) < 1 or max(numbers) > steps:
        raise ValueError(f"{name}: lengths must be in [1, {steps}]; got {numbers}")
    order = None
    if not enforce_sorted:
        sizes, order = sizes.sort(descending=True, stable=True)
    elif numbers != sorted(numbers, reverse=True):
        raise ValueError(
            f"{name}: lengths must fall; got {numbers}. Hint: enforce_sorted=False sorts them"
        )
    running = _running(sizes, max(numbers))
    t, b = running.nonzero(as_tuple=True)
    if order is not None:
        b = order[b]
        order = order.to(input.device)
    rows = (b * steps + t if batch_first else t * batch + b).to(input.device)
    data = input.reshape(steps * batch, *input.shape[2:]).index_select(0, rows)
    return PackedSequence(data, running.sum(1), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of ``pack_padded_sequence``: (T, B, *) or (B, T, *), and lengths: (B,), CPU.

    T is the longest length, or ``total_length``.
    """
    data, sizes, _, back = sequence
    steps, batch = sizes.shape[0], int(sizes[0])
    total = steps if total_length is None else total_length
    if total < steps:
        raise ValueError(
            f"pad_packed_sequence: total_length must be at least the longest length, {steps}; got"
            f" {total}"
        )
    lengths = (sizes.unsqueeze(1) > arange(batch, device="cpu")).sum(0)
    if back is not None:
        place = back.cpu()
        lengths = lengths[place]
    else:
        place = arange(batch, device="cpu")
    running = _running(lengths, total)
    starts = cat([sizes.cumsum(0) - sizes, sizes.new_zeros(total - steps)])
    rows = (starts.unsqueeze(1) + place).masked_fill(~running, 0)
    if batch_first:
        rows, running = rows.t(), running.t()
    y = data.index_select(0, rows.reshape(-1).to(data.device))
    y = y.reshape(*rows.shape, *data.shape[1:])
    outside = ~running.reshape(*rows.shape, *[1] * (data.ndim - 1)).to(data.device)
    return y.masked_fill(outside, padding_value), lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L_i, *) as one tensor: (T, B, *), or (B, T, *) if ``batch_first``; T = max L_i.

    >>> nn.utils.rnn.pad_sequence([lucid.ones(2), lucid.ones(1)], batch_first=True)
    Tensor([[1., 1.],
            [1., 0.]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side must be left or right; got {padding_side!r}")
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pad_sequence: expected tensors; got {type(sequences).__name__}")
    parts = list(sequences)
    if not parts or any(not isinstance(s, Tensor) for s in parts):
        raise ValueError(f"pad_sequence: expected at least one tensor; got {parts!r:.80}")
    rest = parts[0].shape[1:]
    if any(s.ndim == 0 or s.shape[1:] != rest for s in parts):
        raise ShapeError(
            "pad_sequence: sequences may differ in their first dimension only; got shapes"
            f" {[s.shape for s in parts]}"
        )
    longest = max(s.shape[0] for s in parts)
    padded = []
    for s in parts:
        if s.shape[0] < longest:
            fill = s.new_full((longest - s.shape[0], *rest), padding_value)
            s = cat([s, fill] if padding_side == "right" else [fill, s])
        padded.append(s)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences without their padding on the right, copied."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    sizes = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    if len(sizes) != rows.shape[0]:
        raise ShapeError(
            f"unpad_sequence: lengths must have one entry per sequence, {rows.shape[0]}; got"
            f" {len(sizes)}"
        )
    return [
        row[:n].clone(memory_format=contiguous_format) for row, n in zip(rows, sizes, strict=True)
    ]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, *), as ``pack_padded_sequence`` does with padded ones."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of ``pack_sequence``."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
