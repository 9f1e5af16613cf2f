"""Packed and padded sequences: PyTorch's numbers, order and gradients."""

import inspect

import numpy
import pytest

import lucid
from lucid.errors import DeviceError, ShapeError
from lucid.nn.utils import rnn as ours

torch = pytest.importorskip("torch")
theirs = torch.nn.utils.rnn

X = numpy.random.default_rng(0).normal(size=(6, 4, 3))
FALLING, MIXED = [6, 4, 4, 1], [3, 6, 1, 5]


def as_numpy(t):
    return None if t is None else t.detach().cpu().numpy()


def assert_same_fields(mine, other):
    for name in ("data", "batch_sizes", "sorted_indices", "unsorted_indices"):
        numpy.testing.assert_array_equal(
            as_numpy(getattr(mine, name)), as_numpy(getattr(other, name))
        )


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("lengths", "enforce_sorted"), [(FALLING, True), (MIXED, False), ([5, 5, 3, 2], True)]
)
def test_packing_and_padding_equal_pytorchs(lengths, enforce_sorted, batch_first, device):
    a, b = lucid.tensor(X), torch.tensor(X)
    x, y = (t.transpose(0, 1) if batch_first else t for t in (a, b))
    mine = ours.pack_padded_sequence(x, lengths, batch_first, enforce_sorted)
    other = theirs.pack_padded_sequence(y, lengths, batch_first, enforce_sorted)
    assert_same_fields(mine, other)
    for back_first in (False, True):
        back, n = ours.pad_packed_sequence(mine, back_first, -7.0, total_length=8)
        expected, m = theirs.pad_packed_sequence(other, back_first, -7.0, total_length=8)
        numpy.testing.assert_array_equal(as_numpy(back), as_numpy(expected))
        assert n.tolist() == m.tolist() == lengths
        assert n.device.type == "cpu"


def test_gradients_go_back_to_where_the_data_came_from(device):
    a, b = lucid.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    for x, m in ((a, ours), (b, theirs)):
        packed = m.pack_padded_sequence(x, MIXED, enforce_sorted=False)
        y, _ = m.pad_packed_sequence(packed._replace(data=packed.data**2))
        (y * y.detach()).sum().backward()
    numpy.testing.assert_allclose(as_numpy(a.grad), as_numpy(b.grad), rtol=1e-12)


def sequences(framework, sizes, **kwargs):
    return [framework.tensor(X[:n, i], **kwargs) for i, n in enumerate(sizes)]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_pad_sequence_equals_pytorchs(side, batch_first, device):
    mine, other = (
        m.pad_sequence(sequences(f, [2, 6, 0]), batch_first, 0.5, side)
        for m, f in ((ours, lucid), (theirs, torch))
    )
    numpy.testing.assert_array_equal(as_numpy(mine), as_numpy(other))


@pytest.mark.parametrize(("sizes", "enforce_sorted"), [(FALLING, True), (MIXED, False)])
def test_pack_sequence_equals_pytorchs_and_unpacks(sizes, enforce_sorted, device):
    packed = ours.pack_sequence(sequences(lucid, sizes), enforce_sorted)
    assert_same_fields(packed, theirs.pack_sequence(sequences(torch, sizes), enforce_sorted))
    for i, (n, back) in enumerate(zip(sizes, ours.unpack_sequence(packed), strict=True)):
        numpy.testing.assert_array_equal(as_numpy(back), X[:n, i])


@pytest.mark.parametrize("batch_first", [False, True])
def test_unpad_sequence_takes_the_padding_off_and_leaves_its_argument(batch_first, device):
    padded = ours.pad_sequence(sequences(lucid, MIXED), batch_first)
    shape = padded.shape
    back = ours.unpad_sequence(padded, lucid.tensor(MIXED), batch_first)
    assert padded.shape == shape
    for i, (n, row) in enumerate(zip(MIXED, back, strict=True)):
        numpy.testing.assert_array_equal(as_numpy(row), X[:n, i])


def test_a_packed_sequence_is_converted_in_one_go(device):
    packed = ours.pack_padded_sequence(lucid.tensor(X), MIXED, enforce_sorted=False)
    half = packed.half()
    assert half.data.dtype == lucid.float16
    assert half.batch_sizes is packed.batch_sizes
    assert half.unsorted_indices.tolist() == packed.unsorted_indices.tolist()
    assert packed.double() is packed
    assert packed.cpu().sorted_indices.device.type == "cpu"
    assert packed.is_cuda == (device.type == "cuda")


@pytest.mark.cuda
def test_batch_sizes_on_a_gpu_are_refused(device):
    if device.type == "cpu":
        pytest.skip("needs a device: --device cuda or cuda-emulated")
    with pytest.raises(DeviceError, match="batch_sizes must be on the CPU"):
        ours.PackedSequence(lucid.ones(2), lucid.tensor([1, 1]))


@pytest.mark.parametrize("name", [name for name in theirs.__all__ if name != "PackedSequence"])
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()]
        for m in (ours, theirs)
    )
    assert mine == other


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda x: ours.pack_padded_sequence(x, [1, 2, 3, 4]),
            ValueError,
            "lengths must fall; got",
        ),
        (lambda x: ours.pack_padded_sequence(x, [6, 5, 4, 0]), ValueError, r"must be in \[1, 6\]"),
        (lambda x: ours.pack_padded_sequence(x, [7, 5, 4, 1]), ValueError, r"must be in \[1, 6\]"),
        (lambda x: ours.pack_padded_sequence(x, [6, 5]), ShapeError, r"shape \(4,\); got shape"),
        (lambda x: ours.pack_padded_sequence(x[0, 0], [6]), ShapeError, r"input must be \(T, B"),
        (lambda x: ours.pad_sequence([]), ValueError, "at least one tensor"),
        (lambda x: ours.pad_sequence([x, x[0]]), ShapeError, "first dimension only; got shapes"),
        (lambda x: ours.pad_sequence([x], padding_side="top"), ValueError, "left or right; got"),
        (lambda x: ours.unpad_sequence(x, [1]), ShapeError, "one entry per sequence, 4; got 1"),
        (
            lambda x: ours.pad_packed_sequence(
                ours.pack_padded_sequence(x, FALLING), total_length=5
            ),
            ValueError,
            "at least the longest length, 6; got 5",
        ),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make(lucid.tensor(X))
