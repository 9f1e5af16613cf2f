"""Parameters are updated in blocks, shared among threads: nobody can tell."""

import numpy as np
import pytest

import lucid
from lucid import nn, optim
from lucid.backend.cpu import vectors
from lucid.optim import blocks

SIZES = [7, 3 * blocks.BLOCK + 5, 2000, blocks.BLOCK, 1, 0, 9000]
RULES = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.1},
}


@pytest.fixture
def threads():
    """Sets their number for one test."""
    before = lucid.get_num_threads()
    yield lucid.set_num_threads
    lucid.set_num_threads(before)


def trained(name, kwargs, dtype=lucid.float32, sizes=SIZES):
    generator = lucid.Generator().manual_seed(0)
    draws = [[lucid.randn(n, generator=generator).to(dtype) for n in sizes] for _ in range(3)]
    parameters = [nn.Parameter(x) for x in draws[0]]
    optimizer = getattr(optim, name)(parameters, lr=0.1, **kwargs)
    for gradients in draws[1:]:
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g
        optimizer.step()
    return [p.detach().numpy() for p in parameters]


@pytest.mark.parametrize("name", RULES)
def test_the_number_of_threads_changes_no_bit(name, threads):
    results = []
    for number in (1, 2, 3):
        threads(number)
        results.append(b"".join(p.tobytes() for p in trained(name, RULES[name])))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("name", RULES)
def test_without_blas_the_numbers_are_the_same_but_for_rounding(name, monkeypatch):
    with_blas = trained(name, RULES[name])
    monkeypatch.setattr(vectors, "_routines", dict)
    for p, q in zip(with_blas, trained(name, RULES[name]), strict=True):
        # A few roundings of numbers up to 5; Adam's first steps divide by |g|, whatever its size.
        assert abs(p - q).max(initial=0) <= 1e-5


def test_half_types_are_rounded_once_in_every_block():
    sizes = [blocks.BLOCK + 3]
    start, g1, g2 = (x[0] for x in _draws(sizes))
    (p,) = trained("SGD", {"momentum": 0.5}, lucid.float16, sizes)
    first = (start.astype("f4") - 0.1 * g1.astype("f4")).astype("f2")
    b = (0.5 * g1.astype("f4") + g2.astype("f4")).astype("f2")
    expected = first.astype("f4") - 0.1 * (0.5 * g1.astype("f4") + g2.astype("f4"))
    assert abs(b).max() > 0
    # Half a unit in the last place of numbers up to 8 is 2**-9.
    assert abs(p.astype("f4") - expected).max() <= 2**-9 + 1e-6


def _draws(sizes):
    generator = lucid.Generator().manual_seed(0)
    return [
        [lucid.randn(n, generator=generator).to(lucid.float16).numpy() for n in sizes]
        for _ in range(3)
    ]


def test_parameters_that_share_memory_are_updated_one_after_the_other(monkeypatch):
    def backwards(function, count, grain):
        """As threads might: the last block first."""
        for start in reversed(range(0, count, grain)):
            function(start, start + grain)

    monkeypatch.setattr(blocks, "parallel_for", backwards)
    size = blocks.BLOCK + 10
    both = lucid.ones(size)
    views = [both[10:].detach(), both.detach(), both[:-10].detach()]
    for k, view in enumerate(views):
        view.requires_grad_()
        view.grad = lucid.full_like(view.detach(), k)
    optim.SGD(views, lr=0.5, weight_decay=1.0).step()
    # x - (x + k) / 2 for k = 0, 1 and 2, for k = 1 and 2 at the front, for 0 and 1 at the end.
    assert [both[i].item() for i in (0, 10, size - 11, size - 10, size - 1)] == [
        -1.0, -1.125, -1.125, -0.25, -0.25
    ]  # fmt: skip


@pytest.mark.parametrize("a, b", [(0.0, 1.0), (1.0, 0.0)])
def test_a_factor_of_0_is_multiplied_all_the_same(a, b):
    """BLAS would leave the product out: 0 * NaN is NaN, 0 * inf too."""
    y, x = np.full(5000, float("nan"), "f4"), np.full(5000, float("inf"), "f4")
    if b:
        y[:] = 1
    with np.errstate(invalid="ignore"):
        blocks.blend(np, y, b, x, a, np.empty_like(y))
    assert np.isnan(y).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("b", [1, 0.75])
@pytest.mark.parametrize("size", [5, 5003])
def test_blend(dtype, b, size):
    draw = np.random.default_rng(0)
    y, x = draw.normal(size=(2, size)).astype(dtype)
    x.flags.writeable = False
    expected = b * y.astype("f8") - 0.3 * x.astype("f8")
    blocks.blend(np, y, b, x, -0.3, np.empty_like(y))
    # Two roundings of numbers below 8.
    assert abs(y - expected).max() <= 16 * np.finfo(dtype).eps
