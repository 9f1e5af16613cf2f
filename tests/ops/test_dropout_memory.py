"""Between forward and backward a dropout keeps a key and a few numbers: no mask, no input.

tracemalloc sees the memory of NumPy's arrays. Only what was allocated under a call of this file is
counted, so that the other threads of a test runner do not matter. A first call is made before
counting, so that what a thread keeps for good (a quarter of a mebibyte to draw decisions into) is
already there.
"""

import gc
import math
import tracemalloc

import pytest

import lucid
from tests.dropout_family import family

BYTES = 16 * 2**20
NODE = 2**10  # bytes: the Python objects of one step (op, edges, key, leaf) must be below 1 KiB
DEPTH = 40  # frames of a call stack that are remembered: more than lie between here and an array


@pytest.fixture
def traced(one_thread):
    tracemalloc.start(DEPTH)
    held()  # what counting itself keeps for good
    yield
    tracemalloc.stop()


def held():
    """Bytes that are alive and were allocated under a call of this file."""
    gc.collect()
    ours = tracemalloc.Filter(True, __file__, all_frames=True)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)


def growth(function, prepare=lambda: None):
    """Bytes that the result of function(prepare()) holds."""
    given = prepare()
    before = held()
    result = function(given)  # alive until the second count is taken
    taken = held() - before
    del result
    return taken


def output_alone(x):
    """What a tensor like x, and nothing else, takes: its memory and its two Python objects."""
    taken = growth(lambda _: lucid.empty_like(x))
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
def test_nothing_but_the_output_is_held_for_backward(member, dtype, traced):
    x = large(member, dtype)
    member(x).sum().backward()
    assert growth(lambda _: member(x)) - output_alone(x) < NODE


@family
def test_in_place_not_even_the_output_is_held(member, traced):
    x = large(member)
    fresh = lambda: x.view(x.shape) * 1  # noqa: E731
    member(fresh(), inplace=True).sum().backward()
    assert growth(lambda y: member(y, inplace=True), fresh) < NODE


@family
def test_forward_and_backward_need_no_temporary_arrays_of_the_input_s_size(member, traced):
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
def test_a_chain_of_dropouts_keeps_no_values_that_nobody_reads(member, traced):
    x = large(member)
    member(x).sum().backward()

    def chain(_):
        y = x
        for _ in range(5):
            y = member(y)
        return y

    assert growth(chain) - output_alone(x) < 5 * NODE  # one result of five, and five nodes
