"""Random tensors: addressed draws, so that a seed, an offset and an index say all."""

import math

import numpy as np
import pytest

import lucid
from lucid.random import fork_rng
from tests import golden
from tests.dropout_family import FLOATS, next_offset, same_bits, to_numpy

stats = pytest.importorskip("scipy.stats")

UNLIKELY = 1e-6  # seeds are fixed: what passes once passes always
N = 1_000_000
INTEGERS = ["int8", "int16", "int32", "int64", "uint8"]


def double(t):
    return to_numpy(t).astype(np.float64)


# Every function that draws, as a call that takes a generator.
DRAWS = {
    "rand": lambda **k: lucid.rand(40, 50, **k),
    "randn": lambda **k: lucid.randn(40, 50, **k),
    "rand_like": lambda **k: lucid.rand_like(lucid.ones(40, 50), **k),
    "randn_like": lambda **k: lucid.randn_like(lucid.ones(40, 50), **k),
    "randint": lambda **k: lucid.randint(0, 1000, (40, 50), **k),
    "randint_like": lambda **k: lucid.randint_like(lucid.ones(40, 50), 1000, **k),
    "randperm": lambda **k: lucid.randperm(2000, **k),
    "normal": lambda **k: lucid.normal(1.0, 2.0, (40, 50), **k),
    "bernoulli": lambda **k: lucid.bernoulli(lucid.full((40, 50), 0.5), **k),
    "multinomial": lambda **k: lucid.multinomial(lucid.ones(40, 50), 25, **k),
    "multinomial, replacing": lambda **k: lucid.multinomial(lucid.ones(40, 50), 25, True, **k),
    "uniform_": lambda **k: lucid.empty(40, 50).uniform_(-1, 1, **k),
    "normal_": lambda **k: lucid.empty(40, 50).normal_(**k),
    "exponential_": lambda **k: lucid.empty(40, 50).exponential_(**k),
    "bernoulli_": lambda **k: lucid.empty(40, 50).bernoulli_(0.5, **k),
    "random_": lambda **k: lucid.empty(40, 50).random_(**k),
}
every_draw = pytest.mark.parametrize("name", DRAWS)


@every_draw
def test_a_seed_repeats_a_draw_and_the_next_one_differs(name, device):
    draw = DRAWS[name]
    first, second = draw(), draw()
    lucid.manual_seed(0)
    assert same_bits(draw(), first) and same_bits(draw(), second)
    assert not same_bits(first, second)
    assert not first.requires_grad


@every_draw
def test_a_generator_is_a_stream_of_its_own(name, device):
    draw = DRAWS[name]
    own = lucid.Generator().manual_seed(5)
    first, second = draw(generator=own), draw(generator=own)
    assert next_offset() == 0
    lucid.manual_seed(5)
    assert same_bits(draw(), first) and same_bits(draw(), second)


@every_draw
def test_a_draw_owns_the_blocks_it_takes_so_that_draws_never_overlap(name, device):
    DRAWS[name]()
    # The words that 2000 numbers are made of; four words are a block.
    words = {"bernoulli": 500, "rand": 1000, "randint": 2000, "randperm": 2000, "uniform": 1000}
    words |= {"normal": 1000, "randn": 1000, "random": 2000, "exponential": 2000}
    words |= {"multinomial": 2000, "multinomial, replacing": 1000}
    words["bernoulli"] = 2000  # probabilities from a tensor: a float64 each
    key = name.removesuffix("_like").removesuffix("_")
    expected = 500 if name == "bernoulli_" else words[key]
    assert next_offset() == math.ceil(expected / 4)


@every_draw
@pytest.mark.parametrize("generator", [0, "0", object()])
def test_a_generator_of_another_kind_is_refused(name, generator, device):
    with pytest.raises(TypeError, match=r"generator: expected a lucid.Generator; got \w+"):
        DRAWS[name](generator=generator)


@pytest.mark.parametrize("draw", ["rand", "randn"])
def test_nothing_is_consumed_for_an_empty_tensor(draw, device):
    assert getattr(lucid, draw)(3, 0, 2).shape == (3, 0, 2)
    assert lucid.randint(5, (0,)).shape == (0,)
    assert lucid.randperm(0).shape == (0,)
    assert lucid.empty(0).bernoulli_(0.5).shape == (0,)
    assert next_offset() == 0


# Frozen values.

FROZEN = [case for case in golden.CASES if not case[0].startswith("drops")]


@pytest.mark.parametrize("case", FROZEN, ids=lambda case: "-".join(map(str, case)))
def test_frozen_values_come_out_of_the_public_functions(case, device):
    what, seed, stream, offset, count = case
    kind, *settings = what.split()
    generator = lucid.Generator()
    generator.set_state_tuple((seed, stream, offset))
    if kind == "uniform":
        t = lucid.rand(count, dtype=getattr(lucid, settings[0]), generator=generator)
    elif kind == "integers":
        t = lucid.randint(int(settings[0]), int(settings[1]), (count,), generator=generator)
    else:
        t = lucid.randperm(count, generator=generator)
    assert golden.digest(to_numpy(t)) == golden.CASES[case]


@pytest.mark.parametrize("offset", [2**32 - 1, 2**32, 2**64 - 1, 2**80])
def test_offsets_beyond_32_bits_give_the_words_of_philox(offset, device):
    generator = lucid.Generator().manual_seed(3)
    generator.set_offset(offset)
    u = lucid.rand(1000, dtype=lucid.float64, generator=generator)
    words = np.random.Philox(key=np.array([3, 0], np.uint64)).advance(offset).random_raw(1000)
    assert same_bits(u, (words >> np.uint64(11)) * 2.0**-53)
    assert generator.get_offset() == offset + 250


# Shapes, dtypes, ranges.


@pytest.mark.parametrize("draw", [lucid.rand, lucid.randn])
@pytest.mark.parametrize("dtype", FLOATS)
def test_size_and_dtype_are_given_as_in_pytorch(draw, dtype, device):
    kind = getattr(lucid, dtype)
    t = draw(2, 3, dtype=kind, requires_grad=True)
    assert (t.shape, t.dtype, t.device, t.requires_grad) == ((2, 3), kind, device, True)
    assert draw((2, 3)).shape == draw([2, 3]).shape == draw(t.shape).shape == (2, 3)
    assert draw().shape == ()
    assert draw(np.int64(2)).dtype is lucid.float32


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_numbers_lie_in_0_to_1_without_1_and_are_even(dtype, device):
    u = double(lucid.rand(N, dtype=getattr(lucid, dtype)))
    assert u.min() >= 0 and u.max() < 1
    counts = np.bincount((u * 128).astype(int), minlength=128)  # bfloat16 has 256 values there
    assert stats.chisquare(counts).pvalue > UNLIKELY


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_numbers_are_normal(dtype, device):
    z = double(lucid.randn(N, dtype=getattr(lucid, dtype)))
    assert abs(z.mean()) < 5 / N**0.5
    assert abs(z.var() - 1) < 5 * (2 / N) ** 0.5
    if dtype in ("float32", "float64"):
        assert stats.kstest(z, "norm").pvalue > UNLIKELY
        pairs = z.reshape(-1, 2)  # the two numbers of one Box-Muller pair
        assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / (N / 2) ** 0.5
        assert abs(np.corrcoef(pairs.T**2)[0, 1]) < 5 / (N / 2) ** 0.5


@pytest.mark.parametrize("low, high", [(0, 10), (-3, 4), (5, 6), (0, 1000)])
def test_integers_are_even_over_their_range_without_its_end(low, high, device):
    t = lucid.randint(low, high, (100_000,))
    assert t.dtype is lucid.int64
    counts = np.bincount(to_numpy(t) - low, minlength=high - low)
    assert len(counts) == high - low
    assert high - low == 1 or stats.chisquare(counts).pvalue > UNLIKELY


def test_integers_cover_all_of_int64(device):
    t = to_numpy(lucid.randint(-(2**63), 2**63, (N,))).astype(np.float64)
    assert t.min() < -(2**63) * 0.9999 and t.max() > 2**63 * 0.9999
    assert abs(t.mean()) < 5 * 2**63 / (3 * N) ** 0.5


def test_randint_takes_pytorch_s_ways_of_giving_a_range(device):
    expected = to_numpy(lucid.randint(0, 10, (5,)))
    for call in (
        lambda: lucid.randint(10, (5,)),
        lambda: lucid.randint(10, size=(5,)),
        lambda: lucid.randint(high=10, size=[5]),
        lambda: lucid.randint(low=0, high=10, size=(5,)),
    ):
        lucid.manual_seed(0)
        assert (to_numpy(call()) == expected).all()


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_integers_come_in_any_dtype(dtype, device):
    kind = getattr(lucid, dtype)
    t = lucid.randint(3, 100, (1000,), dtype=kind)
    assert t.dtype is kind
    lucid.manual_seed(0)
    assert (double(t) == double(lucid.randint(3, 100, (1000,)))).all()
    assert lucid.randint_like(t, 7).dtype is kind


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_a_permutation_holds_each_number_once(n, device):
    t = lucid.randperm(n)
    assert t.dtype is lucid.int64
    assert sorted(t.tolist()) == list(range(n))


def test_every_permutation_is_as_likely_as_any_other(device):
    counts = {}
    for _ in range(2400):
        order = tuple(lucid.randperm(4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > UNLIKELY


# Multinomial.


@pytest.mark.parametrize("replacement", [True, False])
def test_indices_come_in_proportion_to_their_weights(replacement, device):
    weights = lucid.tensor([0.0, 1.0, 2.0, 0.0, 5.0, 0.0])
    first = lucid.multinomial(weights.expand(80_000, 6), 2, replacement)[:, 0]
    counts = np.bincount(to_numpy(first), minlength=6)
    assert not counts[[0, 3, 5]].any()
    assert stats.chisquare(counts[[1, 2, 4]], [10_000, 20_000, 50_000]).pvalue > UNLIKELY


def test_without_replacement_no_index_comes_twice_and_the_order_is_that_of_drawing(device):
    weights = lucid.tensor([1.0, 2.0, 5.0])
    drawn = to_numpy(lucid.multinomial(weights.expand(80_000, 3), 3))
    assert (np.sort(drawn, 1) == np.arange(3)).all()
    pairs = np.bincount(3 * drawn[:, 0] + drawn[:, 1], minlength=9).reshape(3, 3)
    w = np.array([1.0, 2.0, 5.0])
    expected = 80_000 * (w / 8)[:, None] * w / (8 - w)[:, None]
    off = ~np.eye(3, dtype=bool)
    assert stats.chisquare(pairs[off], expected[off]).pvalue > UNLIKELY


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial_takes_one_row_or_many(replacement, device):
    one = lucid.multinomial(lucid.ones(5), 3, replacement)
    assert (one.shape, one.dtype) == ((3,), lucid.int64)
    assert lucid.multinomial(lucid.ones(4, 5), 3, replacement).shape == (4, 3)
    assert lucid.multinomial(lucid.ones(0, 5), 3, replacement).shape == (0, 3)


# The state.


def test_a_saved_state_continues_where_it_was_taken(device):
    lucid.manual_seed(12)
    lucid.rand(5)
    state = lucid.get_rng_state()
    first = lucid.randn(10)
    lucid.manual_seed(99)
    lucid.rand(77)
    lucid.set_rng_state(state)
    assert same_bits(lucid.randn(10), first)
    assert state.dtype is lucid.uint8 and state.device.type == "cpu"


def test_a_generator_s_state_is_a_tensor_that_another_one_can_take(device):
    one, other = lucid.Generator().manual_seed(2**64 - 1), lucid.Generator()
    one.set_offset(2**70)
    other.set_state(one.get_state())
    assert same_bits(lucid.rand(5, generator=one), lucid.rand(5, generator=other))


@pytest.mark.parametrize("state", [lucid.zeros(32), b"x" * 32, None])
def test_a_state_of_another_kind_is_refused(state):
    with pytest.raises(TypeError, match=r"set_state: expected the uint8 tensor of get_state\(\)"):
        lucid.set_rng_state(state)


def test_a_state_of_another_library_is_refused():
    with pytest.raises(ValueError, match="set_state: the state of a generator has 32 bytes"):
        lucid.set_rng_state(lucid.zeros(5056, dtype=lucid.uint8))


def test_fork_rng_leaves_the_default_generator_as_it_was(device):
    lucid.rand(3)
    state = lucid.get_rng_state()
    with fork_rng():
        lucid.manual_seed(1)
        lucid.rand(1000)
    assert same_bits(lucid.get_rng_state(), state)
