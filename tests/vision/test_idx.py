"""Files in MNIST's format."""

import gzip
import struct

import numpy as np
import pytest

from lucid.vision.datasets import DatasetError
from lucid.vision.datasets.idx import read_idx


def idx(array, code=0x08):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def written(tmp_path):
    def write(data):
        (tmp_path / "x-idx").write_bytes(data)
        return tmp_path / "x-idx"

    return write


@pytest.mark.parametrize(
    ("code", "stored", "read"),
    [(0x08, "u1", "u1"), (0x09, "i1", "i1"), (0x0B, ">i2", "i2"), (0x0C, ">i4", "i4"),
     (0x0D, ">f4", "f4"), (0x0E, ">f8", "f8")],
)  # fmt: skip
def test_reads_every_type_of_the_format(code, stored, read, written):
    array = np.arange(-3, 9).reshape(2, 3, 2).astype(stored)
    result = read_idx(written(idx(array, code)))
    assert result.dtype == np.dtype(read)
    assert (result == array).all()


def test_reads_a_gzip_of_a_file_whatever_its_name(written):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert (read_idx(written(gzip.compress(idx(array)))) == array).all()


def test_the_result_can_be_written_to(written):
    array = read_idx(written(idx(np.zeros((2, 2), np.uint8))))
    array[0, 0] = 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got an empty file"),
        (b"<html>404</html>", "must begin with 00 00, a type and a number of dimensions; got 3c"),
        (b"\0\0\x07\x01\0\0\0\0", "must begin with 00 00"),
        (b"\0\0\x08\x03\0\0\0\1", "must have 16 bytes before its data; got 8"),
        (idx(np.zeros((3, 4), np.uint8))[:-1], r"must have 24 bytes for shape \(3, 4\) of uint8"),
        (idx(np.zeros((3, 4), np.uint8)) + b"x", "must have 24 bytes .* got 25"),
        (gzip.compress(idx(np.zeros(100, np.uint8)), mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_a_damaged_file_is_named(data, message, written):
    with pytest.raises(DatasetError, match=rf"read_idx: '.*x-idx' .*{message}|{message}"):
        read_idx(written(data))
