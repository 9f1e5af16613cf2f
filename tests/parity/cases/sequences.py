"""Sequences of several lengths: padded, packed, and taken apart again."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side

R = "nn.utils.rnn."
D = "float64"


def parts(s: Side, *lengths: int) -> list[Any]:
    return [s.tensor(Like((n, 3), D)) for n in lengths]


def contents(packed: Any) -> Any:
    return packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices


def padded(s: Side, lengths: Any, batch_first: bool = False, **kwargs: Any) -> Any:
    longest = max(lengths) if lengths else 3
    shape = (len(lengths), longest, 3) if batch_first else (longest, len(lengths), 3)
    x = s.tensor(Like(shape, D))
    return s.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first, **kwargs)


CALLS: dict[str, dict[str, Any]] = {
    "pack_padded_sequence": {
        "sorted": lambda s: contents(padded(s, [4, 2, 2, 1])),
        "batch first": lambda s: contents(padded(s, [4, 2, 1], True)),
        "in any order": lambda s: contents(padded(s, [2, 4, 1, 4], enforce_sorted=False)),
        "lengths in a tensor": lambda s: contents(padded(s, s.root.tensor([3, 2, 2]).tolist())),
        "not sorted": lambda s: contents(padded(s, [2, 4])),
        "of no length": lambda s: contents(padded(s, [2, 0])),
        "too many lengths": lambda s: s.nn.utils.rnn.pack_padded_sequence(
            s.ones(4, 2, 3), [4, 3, 2]
        ),
        "too long": lambda s: contents(
            s.nn.utils.rnn.pack_padded_sequence(s.ones(4, 2, 3), [5, 3])
        ),
        "no sequences": lambda s: contents(padded(s, [])),
    },
    "pad_packed_sequence": {
        "there and back": lambda s: s.nn.utils.rnn.pad_packed_sequence(padded(s, [4, 2, 1])),
        "batch first": lambda s: s.nn.utils.rnn.pad_packed_sequence(
            padded(s, [2, 4, 1], True, enforce_sorted=False), True
        ),
        "padded otherwise": lambda s: s.nn.utils.rnn.pad_packed_sequence(
            padded(s, [4, 2]), padding_value=-7.0
        ),
        "longer": lambda s: s.nn.utils.rnn.pad_packed_sequence(padded(s, [4, 2]), total_length=6),
        "too short": lambda s: s.nn.utils.rnn.pad_packed_sequence(
            padded(s, [4, 2]), total_length=3
        ),
    },
    "pad_sequence": {
        "three": lambda s: s.nn.utils.rnn.pad_sequence(parts(s, 2, 4, 1)),
        "batch first": lambda s: s.nn.utils.rnn.pad_sequence(parts(s, 2, 4, 1), True),
        "padded otherwise": lambda s: s.nn.utils.rnn.pad_sequence(
            parts(s, 2, 4), padding_value=0.5
        ),
        "on the left": lambda s: s.nn.utils.rnn.pad_sequence(
            parts(s, 2, 4, 1), True, padding_side="left"
        ),
        "on the left, time first": lambda s: s.nn.utils.rnn.pad_sequence(
            parts(s, 2, 4, 1), padding_side="left"
        ),
        "none": lambda s: s.nn.utils.rnn.pad_sequence([]),
        "other sizes": lambda s: s.nn.utils.rnn.pad_sequence([s.ones(2, 3), s.ones(2, 4)]),
        "another side": lambda s: s.nn.utils.rnn.pad_sequence(parts(s, 2), padding_side="top"),
        "integers": lambda s: s.nn.utils.rnn.pad_sequence([s.arange(3), s.arange(1)]),
        "one tensor": lambda s: s.nn.utils.rnn.pad_sequence(s.tensor(Like((2, 3, 4), D))),
    },
    "unpad_sequence": {
        "there and back": lambda s: s.nn.utils.rnn.unpad_sequence(
            s.nn.utils.rnn.pad_sequence(parts(s, 2, 4, 1)), s.root.tensor([2, 4, 1])
        ),
        "batch first": lambda s: s.nn.utils.rnn.unpad_sequence(
            s.nn.utils.rnn.pad_sequence(parts(s, 2, 4), True), s.root.tensor([2, 4]), True
        ),
    },
    "pack_sequence": {
        "sorted": lambda s: contents(s.nn.utils.rnn.pack_sequence(parts(s, 4, 2, 1))),
        "in any order": lambda s: contents(
            s.nn.utils.rnn.pack_sequence(parts(s, 1, 4, 2), enforce_sorted=False)
        ),
        "not sorted": lambda s: contents(s.nn.utils.rnn.pack_sequence(parts(s, 1, 4))),
        "none": lambda s: contents(s.nn.utils.rnn.pack_sequence([])),
    },
    "unpack_sequence": {
        "there and back": lambda s: s.nn.utils.rnn.unpack_sequence(padded(s, [4, 2, 2])),
        "in any order": lambda s: s.nn.utils.rnn.unpack_sequence(
            padded(s, [1, 4, 2], enforce_sorted=False)
        ),
    },
    "PackedSequence": {
        "what it has": lambda s: (
            p := padded(s, [3, 2], enforce_sorted=False),
            [p.is_cuda, p._fields, type(p).__name__, isinstance(p, tuple), len(p)],
        )[1],
        "converted": lambda s: (
            p := padded(s, [3, 2]),
            [contents(q) for q in (p.float(), p.to(s.float32), p.half().double(), p.cpu())],
        )[1],
        "made by hand": lambda s: s.nn.utils.rnn.pad_packed_sequence(
            s.nn.utils.rnn.PackedSequence(s.tensor(Like((3, 2), D)), s.root.tensor([2, 1]))
        ),
        "pinned": lambda s: padded(s, [3, 2]).is_pinned(),
    },
}
for name, calls in CALLS.items():
    for label, f in calls.items():
        add(R + name, label, f)
