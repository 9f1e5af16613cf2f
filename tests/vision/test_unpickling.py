"""CIFAR's pickles are read, and nothing in a pickle is ever run."""

import os
import pickle

import numpy as np
import pytest

from lucid.vision.datasets import DatasetError
from lucid.vision.datasets.unpickling import read_pickle

# What Python 2 and NumPy 1 wrote: {'data': array([[1, 2], [3, 4]], dtype=uint8), 'labels': [7]}
PYTHON_2 = (
    b"(dp1\nS'data'\np2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntp5\n"
    b"S'b'\np6\ntp7\nRp8\n(I1\n(I2\nI2\ntp9\ncnumpy\ndtype\np10\n(S'u1'\np11\nI0\nI1\ntp12\nRp13\n"
    b"(I3\nS'|'\np14\nNNNI-1\nI-1\nI0\ntp15\nbI00\nS'\\x01\\x02\\x03\\x04'\np16\ntp17\nbsS'labels'\n"
    b"p18\n(lp19\nI7\nas."
)


@pytest.fixture
def written(tmp_path):
    def write(data):
        (tmp_path / "batch").write_bytes(data)
        return tmp_path / "batch"

    return write


def test_reads_what_python_2_wrote(written):
    content = read_pickle(written(PYTHON_2))
    assert content["labels"] == [7]
    assert content["data"].dtype == np.uint8
    assert content["data"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "<i8", "<f4", ">f8"])
def test_reads_arrays_of_numbers_of_every_protocol(dtype, protocol, written):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    value = {"data": array, b"turned": array.T, "name": "x", "n": (1, 2.5, None, True)}
    read = read_pickle(written(pickle.dumps(value, protocol)))
    assert (read["data"] == array).all()
    assert (read[b"turned"] == array.T).all()
    assert (read["name"], read["n"]) == ("x", (1, 2.5, None, True))


class Calls:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "value",
    [
        Calls(os.system, "touch ran"),
        Calls(eval, "open('ran', 'w')"),
        Calls(np.load, "ran"),
        Calls(np.frombuffer, b"1234"),
        Calls(bytearray, 10),
    ],
    ids=["os.system", "eval", "numpy.load", "numpy.frombuffer", "bytearray"],
)
def test_a_name_that_is_not_an_array_is_refused_and_not_called(value, written, monkeypatch):
    path = written(pickle.dumps({"data": value}, 2))
    monkeypatch.chdir(path.parent)
    with pytest.raises(DatasetError, match="which is not allowed"):
        read_pickle(path)
    assert [file.name for file in path.parent.iterdir()] == ["batch"]


def test_a_name_can_t_be_changed_for_later_files(written):
    # c numpy dtype; an empty state and {'function': 'x'} as slots; BUILD; STOP
    attack = b"cnumpy\ndtype\n(N}S'function'\nS'x'\nstb."
    with pytest.raises(DatasetError, match="a name can't be changed"):
        read_pickle(written(attack))
    assert read_pickle(written(PYTHON_2))["labels"] == [7]


def state(shape, data, kind="u1", order="|"):
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n%b"
        b"cnumpy\ndtype\n(S'%b'\nI0\nI1\ntR(I3\nS'%b'\nNNNI-1\nI-1\nI0\ntbI00\nS'%b'\ntb."
        % (shape, kind.encode(), order.encode(), data)
    )


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (state(b"(I9\nt", b"ab"), r"2 bytes for shape \(9,\)"),
        (state(b"(I-1\nI-2\nt", b"ab"), r"shape \(-1, -2\)"),
        (state(b"(I2\nt", b"ab", kind="O8"), "arrays of type 'O8' are not read"),
        (state(b"(I2\nt", b"ab", order="?"), "byte order"),
        (state(b"(I2\nt", b"ab")[:-20], "EOFError|Ran out|truncated|data"),
        (b"not a pickle", "UnpicklingError"),
        (b"", "EOFError"),
    ],
)
def test_a_damaged_pickle_is_one_sentence_with_its_name(pickled, message, written):
    with pytest.raises(DatasetError, match=r"read_pickle: '.*batch' must be a pickle") as caught:
        read_pickle(written(pickled))
    assert caught.match(message)


def test_the_forged_states_are_right_otherwise(written):
    assert read_pickle(written(state(b"(I2\nt", b"ab"))).tolist() == [97, 98]
