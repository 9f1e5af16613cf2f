"""Protocol Buffers' wire format, as much of it as an ONNX file needs.

A message is a run of fields, each a key (number * 8 + kind) and a value. Kinds: 0 a varint (seven
bits per byte, the lowest first, the top bit set on all but the last), 2 a length and that many
bytes, 5 four bytes. Fields are given here by number; which number means what stands in onnx.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["Message"]


class Message:
    """A message under construction: ``Message().add(1, "relu").add(2, 7)``.

    The value's type decides how it is written: int, float (32 bits), str, bytes and other buffers,
    another Message; a list repeats the field. None adds nothing.
    """

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self.size = 0

    def add(self, field: int, value: Any) -> Message:
        if value is None:
            return self
        if isinstance(value, list):
            for each in value:
                self.add(field, each)
            return self
        if isinstance(value, int):
            self._put(_varint(field << 3), _varint(value & 0xFFFF_FFFF_FFFF_FFFF))
        elif isinstance(value, float):
            self._put(_varint(field << 3 | 5), struct.pack("<f", value))
        else:
            if isinstance(value, str):
                value = value.encode()
            size = value.size if isinstance(value, Message) else memoryview(value).nbytes
            self._put(_varint(field << 3 | 2), _varint(size))
            self._parts.append(value)
            self.size += size
        return self

    def packed(self, field: int, values: Iterable[int]) -> Message:
        """Integers in one field, one after the other."""
        return self.add(field, b"".join(_varint(v & 0xFFFF_FFFF_FFFF_FFFF) for v in values))

    def _put(self, *parts: bytes) -> None:
        self._parts += parts
        self.size += sum(map(len, parts))

    def chunks(self) -> Iterator[Any]:
        """The message's bytes, piece by piece: large buffers are not copied."""
        for part in self._parts:
            if isinstance(part, Message):
                yield from part.chunks()
            else:
                yield part

    def __bytes__(self) -> bytes:
        return b"".join(self.chunks())


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)
