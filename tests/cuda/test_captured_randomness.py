"""Random numbers of captured graphs: each replay draws what the step would have drawn then."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F
from lucid.utils.checkpoint import checkpoint
from tests.cuda.captured import counting


def offset():
    return lucid.default_generator.get_offset()


def masks(call, count):
    return [call().cpu().numpy().copy() for _ in range(count)]


def captured(function):
    """function() as a replay; run once before, as every capture wants it."""
    function()
    graph = lucid.cuda.CUDAGraph()
    with lucid.cuda.graph(graph):
        y = function()

    def replay():
        graph.replay()
        return y

    return replay


@pytest.fixture
def x(cuda):
    return lucid.ones(500, device="cuda")


DRAWS = {
    "dropout": lambda x: F.dropout(x, 0.5),
    "feature_alpha_dropout": lambda x: F.feature_alpha_dropout(x.reshape(5, 10, 10), 0.5, True),
    "twice": lambda x: F.dropout(F.dropout(x, 0.2), 0.3),
    "randn": lambda x: x + lucid.randn(500, device="cuda"),
    "rand": lambda x: x + lucid.rand(500, device="cuda"),
    "randperm": lambda x: lucid.randperm(50, device="cuda"),
}


@pytest.mark.parametrize("name", DRAWS)
def test_replays_draw_what_calls_draw(name, x):
    lucid.manual_seed(1)
    expected = masks(lambda: DRAWS[name](x), 4)
    end = offset()
    lucid.manual_seed(1)
    replay = captured(lambda: DRAWS[name](x))
    found = masks(replay, 3)
    numpy.testing.assert_array_equal(found, expected[1:])
    assert offset() == end


def test_draws_seeds_and_streams_between_replays_are_respected(x):
    replay = captured(lambda: F.dropout(x, 0.5))
    for prepare in (
        lambda: lucid.manual_seed(7),
        lambda: lucid.rand(3),
        lambda: lucid.default_generator.set_offset(2**64 - 3),  # carries into the second word
        lambda: setattr(lucid.default_generator, "stream", 5),
        lambda: None,
    ):
        prepare()
        before = lucid.default_generator.state_tuple()
        (expected,) = masks(lambda: F.dropout(x, 0.5), 1)
        end = lucid.default_generator.state_tuple()
        lucid.default_generator.set_state_tuple(before)
        (found,) = masks(replay, 1)
        numpy.testing.assert_array_equal(found, expected)
        assert lucid.default_generator.state_tuple() == end
    lucid.default_generator.stream = 0


def test_only_draws_in_between_cost_a_copy(x):
    replay = captured(lambda: F.dropout(x, 0.5))
    for between, copies in ((lambda: None, 0), (lambda: lucid.rand(3), 1), (lambda: None, 0)):
        between()
        with counting() as c:
            replay()
        assert (c.h2d, c.launches, c.synchronisations) == (copies, 0, 0)


def test_backward_drops_what_forward_dropped(x):
    x = x.clone().requires_grad_()

    def step():
        x.grad = None
        y = F.dropout(x, 0.5)
        y.sum().backward()
        return lucid.stack([y.detach(), x.grad])

    replay = captured(step)
    for y, dx in masks(replay, 3):
        numpy.testing.assert_array_equal(y, dx)


def test_a_checkpoint_drops_the_same_again(x):
    x = x.clone().requires_grad_()

    def step():
        x.grad = None
        y = checkpoint(lambda t: F.dropout(t, 0.5), x, use_reentrant=False)
        y.sum().backward()
        return lucid.stack([y.detach(), x.grad])

    lucid.manual_seed(2)
    expected = masks(step, 3)
    lucid.manual_seed(2)
    found = masks(captured(step), 2)
    numpy.testing.assert_array_equal(found, expected[1:])
    numpy.testing.assert_array_equal(found[1][0], found[1][1])


def test_the_mask_of_a_layer_is_the_last_replays(x):
    layer = nn.Dropout(0.5)
    replay = captured(lambda: layer(x))
    for _ in range(2):
        y = replay().cpu().numpy()
        numpy.testing.assert_array_equal(layer.mask.cpu().numpy() != 0, y != 0)


def test_each_generator_goes_on_by_itself(x):
    a, b = lucid.Generator().manual_seed(1), lucid.Generator().manual_seed(1)

    def step():
        return lucid.stack([F.dropout(x, 0.5, generator=g) for g in (a, b, a)])

    expected = masks(step, 3)
    a.manual_seed(1), b.manual_seed(1)
    numpy.testing.assert_array_equal(masks(captured(step), 2), expected[1:])
    assert a.get_offset() == 2 * b.get_offset()


def test_two_graphs_share_a_generator_in_turn(x):
    calls = [lambda: F.dropout(x, 0.5), lambda: F.dropout(x, 0.1)]
    replays = [captured(call) for call in calls]
    order = [0, 1, 1, 0, 1]
    lucid.manual_seed(4)
    expected = [masks(calls[i], 1) for i in order]
    lucid.manual_seed(4)
    numpy.testing.assert_array_equal([masks(replays[i], 1) for i in order], expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda: lucid.manual_seed(3),
        lambda: lucid.default_generator.set_offset(3),
        lambda: lucid.random.seed(),
    ],
)
def test_a_generator_can_not_be_set_in_a_capture(change, x):
    with (
        pytest.raises(lucid.cuda.CaptureError, match=r"can't be set while a graph is captured"),
        lucid.cuda.graph(lucid.cuda.CUDAGraph()),
    ):
        change()


def test_a_capture_that_fails_draws_nothing(x):
    before = lucid.default_generator.state_tuple()
    with (
        pytest.raises(lucid.cuda.CaptureError),
        lucid.cuda.graph(lucid.cuda.CUDAGraph()),
    ):
        F.dropout(x, 0.5).sum().item()
    assert lucid.default_generator.state_tuple() == before
