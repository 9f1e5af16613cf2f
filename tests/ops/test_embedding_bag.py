"""embedding_bag and nn.EmbeddingBag: PyTorch's bags, options, numbers and gradients."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.autograd import gradcheck, gradgradcheck
from tests.layer_parity import compare, numbers, same_names_and_shapes, with_the_same_weights

torch = pytest.importorskip("torch")
NOTHING = nn.Identity(), torch.nn.Identity()
MODES = ["sum", "mean", "max"]
INDEX = numpy.array([3, 1, 1, 4, 0, 2, 1, 4, 3])
OFFSETS = {
    "some": [0, 2, 6],
    "an empty bag in each place": [0, 0, 3, 3, 9, 9],
    "one": [0],
}


def agree(index, offsets=None, weights=None, **kwargs):
    """Output, and gradients of the table and of the weights of rows."""

    def run(library, _, leaf):
        w = leaf(numbers(5, 3))
        more = {} if weights is None else {"per_sample_weights": leaf(weights)}
        starts = None if offsets is None else library.tensor(offsets, dtype=library.int64)
        bag = library.nn.functional.embedding_bag
        return bag(library.tensor(index), w, starts, **kwargs, **more)

    compare(*NOTHING, run)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding_idx", [None, 1, -1])
@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
def test_gives_what_pytorch_gives(mode, padding_idx, offsets, device):
    agree(INDEX, offsets, mode=mode, padding_idx=padding_idx)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_rows_of_a_matrix_are_bags(mode, padding_idx, device):
    agree(INDEX.reshape(3, 3), mode=mode, padding_idx=padding_idx)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("offsets", [[0, 4, 9], [0, 0, 9], [0, 9]], ids=str)
def test_the_last_offset_may_be_the_end(mode, offsets, device):
    agree(INDEX, offsets, mode=mode, include_last_offset=True)


@pytest.mark.parametrize("mode", MODES)
def test_what_lies_behind_the_end_is_in_no_bag(mode, device):
    """PyTorch's maximum of this ends the process."""
    w = lucid.tensor(numbers(5, 3), requires_grad=True)
    bag, ends = nn.functional.embedding_bag, lucid.tensor([0, 4, 6])
    y = bag(lucid.tensor(INDEX), w, ends, mode=mode, include_last_offset=True)
    alone = bag(lucid.tensor(INDEX[:6]), w, ends, mode=mode, include_last_offset=True)
    assert y.shape == (2, 3)
    assert lucid.allclose(y, alone)


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_rows_of_a_sum_may_be_weighted(padding_idx, device):
    agree(INDEX, [0, 2, 6], numbers(9, seed=1), mode="sum", padding_idx=padding_idx)
    agree(INDEX.reshape(3, 3), None, numbers(3, 3, seed=1), mode="sum", padding_idx=padding_idx)


@pytest.mark.parametrize("mode", MODES)
def test_no_bags_give_none(mode, device):
    """PyTorch's maximum of this ends the process."""
    y = nn.functional.embedding_bag(
        lucid.tensor(INDEX), lucid.ones(5, 3), lucid.zeros(0, dtype=lucid.int64), mode=mode
    )
    assert y.shape == (0, 3)


@pytest.mark.parametrize("mode", MODES)
def test_no_indices_give_zeros_that_can_be_differentiated(mode, device):
    w = lucid.ones(3, 2, requires_grad=True)
    empty = lucid.zeros(0, dtype=lucid.int64)
    y = nn.functional.embedding_bag(empty, w, lucid.tensor([0, 0]), mode=mode)
    y.sum().backward()
    assert y.tolist() == [[0, 0], [0, 0]]
    assert not w.grad.any()


def test_the_first_of_equal_elements_is_the_largest(device):
    w = lucid.ones(4, 2, requires_grad=True)
    index = lucid.tensor([2, 1, 1, 0])
    nn.functional.embedding_bag(index, w, lucid.tensor([0, 3]), mode="max").sum().backward()
    assert w.grad[:, 0].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradients_may_be_divided_by_how_often_an_index_occurs(mode, device):
    """By its own count: PyTorch on the CPU takes another index's."""
    w = lucid.zeros(5, 1, requires_grad=True)
    bag = nn.functional.embedding_bag
    bag(lucid.tensor(INDEX), w, lucid.tensor([0]), mode=mode, scale_grad_by_freq=True).backward()
    each = 1.0 if mode == "sum" else 1 / len(INDEX)
    assert numpy.allclose(w.grad.cpu().numpy(), each)


@pytest.mark.parametrize("most", [1, 6, 7, 20])
def test_rows_that_occur_often_and_seldom_get_all_their_gradients(most, device):
    """Row i occurs i times; some not at all."""
    index = numpy.repeat(numpy.arange(most + 2), numpy.arange(most + 2) % (most + 1))
    index = numpy.random.default_rng(0).permutation(index)
    w = lucid.zeros(most + 2, 2, requires_grad=True, dtype=lucid.float64)
    dy = numbers(len(index), 2)
    nn.functional.embedding(lucid.tensor(index), w).backward(lucid.tensor(dy))
    expected = numpy.zeros((most + 2, 2))
    numpy.add.at(expected, index, dy)
    numpy.testing.assert_allclose(w.grad.cpu().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_padding_that_is_not_a_number_is_not_read(device):
    w = lucid.tensor([[1.0], [float("nan")]])
    for mode in MODES:
        y = nn.functional.embedding_bag(lucid.tensor([[0, 1]]), w, mode=mode, padding_idx=1)
        assert y.item() == 1


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_long_rows_are_shortened_in_place(norm_type, device):
    tables = []
    for library in (lucid, torch):
        w = library.tensor(numbers(5, 3) * 9)
        bag = library.nn.functional.embedding_bag
        bag(library.tensor([1, 2]), w, library.tensor([0]), max_norm=1.0, norm_type=norm_type)
        tables.append(w.cpu().numpy())
    numpy.testing.assert_allclose(*tables, rtol=1e-6)


@pytest.mark.parametrize("mode, weighted", [("sum", True), ("mean", False), ("max", False)])
def test_second_gradients_agree_with_differences(mode, weighted, device):
    index, starts = lucid.tensor(INDEX), lucid.tensor([0, 2, 2, 6])
    inputs = [lucid.tensor(numbers(5, 2), requires_grad=True)]
    if weighted:
        inputs.append(lucid.tensor(numbers(9, seed=1), requires_grad=True))

    def bags(w, weights=None):
        return nn.functional.embedding_bag(
            index, w, starts, mode=mode, padding_idx=4, per_sample_weights=weights
        ).square()

    assert gradcheck(bags, inputs)
    assert gradgradcheck(bags, inputs)


def test_a_mean_of_halves_does_not_overflow(device):
    """Their sum would be more than a float16 holds."""
    w = lucid.full((2, 1), 60_000.0, dtype=lucid.float16)
    assert nn.functional.embedding_bag(lucid.tensor([[0, 1]]), w).item() == w[0].item()


SETTINGS = [
    {},
    {"mode": "sum", "padding_idx": 1},
    {"mode": "max", "padding_idx": -1},
    {"max_norm": 2.0, "norm_type": 3.0, "scale_grad_by_freq": True},
    {"include_last_offset": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_layer_has_pytorchs_table_and_repr(settings):
    ours, theirs = (m.EmbeddingBag(5, 3, **settings) for m in (nn, torch.nn))
    same_names_and_shapes(ours, theirs)
    assert ours.padding_idx == theirs.padding_idx
    if ours.padding_idx is not None:
        assert not ours.weight[ours.padding_idx].any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ends", [False, True])
def test_the_layer_gives_what_pytorchs_gives(mode, ends, device):
    layers = [
        m.EmbeddingBag(5, 3, mode=mode, include_last_offset=ends, padding_idx=4)
        for m in (nn, torch.nn)
    ]
    with_the_same_weights(*layers)
    compare(*layers, lambda library, m, _: m(library.tensor(INDEX), library.tensor([0, 3, 9])))


def test_a_table_may_be_given(device):
    table = lucid.randn(5, 3)
    layer = nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert not layer.weight.requires_grad
    assert lucid.allclose(layer(lucid.tensor([[0, 1]]))[0], table[0] + table[1])
    assert nn.EmbeddingBag.from_pretrained(table, freeze=False).weight.requires_grad


def bag(*args, **kwargs):
    index, *offsets = args
    offsets = [lucid.tensor(o, dtype=lucid.int64) for o in offsets]
    return nn.functional.embedding_bag(lucid.tensor(index), lucid.ones(3, 2), *offsets, **kwargs)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: bag([0, 1], [1]), r"offsets must begin with 0, not fall, .*; got \[1\]"),
        (lambda: bag([0, 1], [0, 3]), r"not pass the input's length 2; got \[0, 3\]"),
        (lambda: bag([0, 1], [0, 2, 1]), "offsets must begin with 0, not fall"),
        (lambda: bag([0, 1], [], include_last_offset=True), "one offset at least"),
        (lambda: bag([0, 3], [0]), r"embedding_bag: indices must be in \[0, 2\]; got 3"),
        (lambda: bag([0.0], [0]), "indices must be integers; got lucid.float32"),
        (
            lambda: bag([[0]], per_sample_weights=lucid.ones(1, 1)),
            "per_sample_weights go with mode sum; got mode 'mean'",
        ),
        (
            lambda: bag([[0]], mode="sum", per_sample_weights=lucid.ones(2)),
            r"per_sample_weights must have the input's shape \(1, 1\).*; got \(2,\)",
        ),
        (lambda: nn.EmbeddingBag(3, 2, padding_idx=3), r"padding_idx must be in \[-3, 3\); got 3"),
        (
            lambda: nn.EmbeddingBag.from_pretrained(lucid.ones(3)),
            r"the table must be 2-D; got shape \(3,\)",
        ),
    ],
)
def test_refuses_in_one_sentence(call, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()
