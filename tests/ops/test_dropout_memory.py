"""Between forward and backward a dropout keeps a key and a few numbers: no mask, no input.

A first call is made before counting, so that what a thread keeps for good (a quarter of a mebibyte
to draw decisions into) is already there.
"""

import math
import tracemalloc

import pytest

import lucid
from tests.dropout_family import family
from tests.memory import traced

BYTES = 16 * 2**20
NODE = 2**10  # bytes: the Python objects of one step (op, edges, key, leaf) must be below 1 KiB


@pytest.fixture
def held(one_thread):
    with traced(__file__) as held:
        yield held


def growth(held, function, prepare=lambda: None):
    """Bytes that the result of function(prepare()) holds."""
    given = prepare()
    before = held()
    result = function(given)  # alive until the second count is taken
    taken = held() - before
    del result
    return taken


def output_alone(held, x):
    """What a tensor like x, and nothing else, takes: its memory and its two Python objects."""
    lucid.empty_like(x)  # a function's first call keeps what is written for the others
    taken = growth(held, lambda _: lucid.empty_like(x))
    assert BYTES <= taken < BYTES + NODE
    return taken


def large(member, dtype="float32"):
    """16 MiB in the member's usual number of dimensions; channels of 1024 elements."""
    count = BYTES // (4 if dtype == "float32" else 2)
    shape = (64, count // 65_536, *[1] * (len(member.shape) - 3), 1024)
    assert math.prod(shape) == count
    return lucid.ones(shape, dtype=getattr(lucid, dtype), requires_grad=True)


@family
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nothing_but_the_output_is_held_for_backward(member, dtype, held):
    x = large(member, dtype)
    member(x).sum().backward()
    assert growth(held, lambda _: member(x)) - output_alone(held, x) < NODE


@family
def test_in_place_not_even_the_output_is_held(member, held):
    x = large(member)
    fresh = lambda: x.view(x.shape) * 1  # noqa: E731
    member(fresh(), inplace=True).sum().backward()
    assert growth(held, lambda y: member(y, inplace=True), fresh) < NODE


@family
def test_forward_and_backward_need_no_temporary_arrays_of_the_input_s_size(member, held):
    x = large(member)
    dy = lucid.ones(x.shape)
    member(x).backward(dy)
    x.grad = None
    before = held()
    tracemalloc.reset_peak()
    y = member(x)
    y.backward(dy)
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak < 2 * BYTES + BYTES // 4  # y, the gradient, and blocks of 2**18 decisions


@family
def test_a_chain_of_dropouts_keeps_no_values_that_nobody_reads(member, held):
    x = large(member)
    member(x).sum().backward()

    def chain(_):
        y = x
        for _ in range(5):
            y = member(y)
        return y

    assert growth(held, chain) - output_alone(held, x) < 5 * NODE  # a result, five nodes
