"""Wrong arguments of functions that draw: one sentence that names the function."""

import math

import pytest

import lucid
from tests.dropout_family import next_offset

ERRORS = [
    (lambda: lucid.rand(-1), ValueError, "rand: sizes must not be negative; got (-1,)"),
    (lambda: lucid.rand(2.5), TypeError, "rand: sizes must be ints; got (2.5,)"),
    (lambda: lucid.randn(2, "3"), TypeError, "randn: sizes must be ints; got (2, '3')"),
    (
        lambda: lucid.rand(2, dtype=lucid.int64),
        TypeError,
        "rand: dtype must be floating point; got lucid.int64. Hint: randint",
    ),
    (
        lambda: lucid.randint(5, 5, (2,)),
        ValueError,
        "randint: low must be below high; got low=5, high=5",
    ),
    (
        lambda: lucid.randint(0.5, 5, (2,)),
        TypeError,
        "randint: low and high must be ints; got low=0.5, high=5",
    ),
    (lambda: lucid.randint(5), ValueError, "randint: size is needed; got none. Hint: randint(10, "),
    (
        lambda: lucid.randint(0, 300, (2,), dtype=lucid.uint8),
        ValueError,
        "randint: lucid.uint8 holds whole numbers from 0 to 255; got low=0, high=300",
    ),
    (
        lambda: lucid.empty(2, dtype=lucid.float16).random_(0, 5000),
        ValueError,
        "random_: lucid.float16 holds whole numbers from -2048 to 2048; got low=0, high=5000",
    ),
    (lambda: lucid.empty(2).random_(0), ValueError, "random_: low must be below high; got low=0, "),
    (lambda: lucid.randperm(-1), ValueError, "randperm: sizes must not be negative; got (-1,)"),
    (lambda: lucid.normal(0.0, -1.0, (2,)), ValueError, "normal: std must not be negative; got -1"),
    (lambda: lucid.normal(0.0, 1.0), ValueError, "normal: size is needed when mean and std are"),
    (lambda: lucid.empty(2).normal_(0, -1), ValueError, "normal_: std must not be negative; got"),
    (lambda: lucid.empty(2).uniform_(2, 1), ValueError, "uniform_: from must not be above to; got"),
    (
        lambda: lucid.empty(2, dtype=lucid.int64).uniform_(),
        TypeError,
        "uniform_: the tensor must be floating point; got lucid.int64",
    ),
    (
        lambda: lucid.empty(2).exponential_(0),
        ValueError,
        "exponential_: lambd must be positive; got 0",
    ),
    (
        lambda: lucid.empty(2).bernoulli_(1.5),
        ValueError,
        "bernoulli_: p must be in [0, 1]; got 1.5",
    ),
    (
        lambda: lucid.bernoulli(lucid.tensor([0.5, math.nan])),
        ValueError,
        "bernoulli: probabilities must be in [0, 1]; got some outside",
    ),
    (
        lambda: lucid.multinomial(lucid.tensor([1.0, 0.0]), 2),
        ValueError,
        "multinomial: can't draw 2 of 1 nonzero weights without replacement. Hint: replacement=",
    ),
    (
        lambda: lucid.multinomial(lucid.tensor([1.0, -1.0]), 1),
        ValueError,
        "multinomial: weights must be finite, not negative, and not all 0",
    ),
    (
        lambda: lucid.multinomial(lucid.zeros(3), 1),
        ValueError,
        "multinomial: weights must be finite, not negative, and not all 0",
    ),
    (
        lambda: lucid.multinomial(lucid.ones(3), 0),
        ValueError,
        "multinomial: num_samples must be positive; got 0",
    ),
    (
        lambda: lucid.multinomial(lucid.ones(2, 3, 4), 1),
        ValueError,
        "multinomial: weights must be (C,) or (N, C); got (2, 3, 4)",
    ),
]


@pytest.mark.parametrize("call, error, message", ERRORS, ids=[e[2][:40] for e in ERRORS])
def test_a_wrong_argument_is_refused_in_one_sentence(call, error, message, device):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert next_offset() == 0  # and takes no random numbers
