"""The IDX format of MNIST: two zero bytes, a type, the number of dimensions, sizes, the data.

Sizes are big-endian uint32, and so is the byte order of the data. From the MNIST page, LeCun,
Cortes and Burges 1998.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib

import numpy as np

from lucid.vision.datasets.files import DatasetError

__all__ = ["read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in an IDX file, or in a gzip of one; in the machine's byte order."""
    path = os.fspath(path)
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"read_idx: {path!r} is a damaged gzip file; {error}") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise DatasetError(
            f"read_idx: {path!r} must begin with 00 00, a type and a number of dimensions; got"
            f" {data[:4].hex(' ') or 'an empty file'}"
        )
    dtype, ndim = np.dtype(_TYPES[data[2]]), data[3]
    begin = 4 + 4 * ndim
    if len(data) < begin:
        raise DatasetError(
            f"read_idx: {path!r} must have {begin} bytes before its data; got {len(data)}"
        )
    shape = tuple(np.frombuffer(data[4:begin], ">u4").tolist())
    expected = begin + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise DatasetError(
            f"read_idx: {path!r} must have {expected} bytes for shape {shape} of {dtype}; got"
            f" {len(data)}. Hint: it is cut off or damaged; delete it, and use download=True"
        )
    array = np.frombuffer(data, dtype, offset=begin).reshape(shape)
    return array.astype(dtype.newbyteorder("="))  # a copy, which may be written to
