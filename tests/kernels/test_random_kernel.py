"""Random numbers drawn on the device are those of the CPU, from the same keys."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from lucid.backend import philox
from lucid.backend.cuda import random
from tests import golden

KEY = philox.Key(7, 2**64 - 1, 2**64 + 3)
SIZES = [0, 1, 3, 7, 8, 9, 15, 16, 17, 255, 256, 257, 10007]
FLOATS = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def drawn_on(cuda):
    """The functions of lucid.backend.philox, drawn on the device."""

    def draw(kind):
        return lambda *arguments: cuda.to_numpy(cuda.draw(kind, *arguments))

    decisions = draw("decisions")
    return SimpleNamespace(
        Key=philox.Key,
        threshold=philox.threshold,
        drops=lambda key, threshold, count: decisions(key, count, threshold),
        **{kind: draw(kind) for kind in ("uniform", "normal", "integers", "permutation", "words")},
    )


@pytest.mark.parametrize("case", golden.CASES, ids=str)
def test_frozen_values(cuda, case):
    assert golden.digest(golden.draw(drawn_on(cuda), case)) == golden.CASES[case]


@pytest.mark.parametrize("count", SIZES)
def test_every_size(cuda, count):
    device = drawn_on(cuda)
    p, range_ = philox.threshold(0.4), (-3, 2**40)
    pairs = [
        (device.drops(KEY, p, count), philox.drops(KEY, p, count)),
        (device.integers(KEY, count, *range_), philox.integers(KEY, count, *range_)),
        (device.words(KEY, count), philox.words(KEY, count)),
        (device.permutation(KEY, count), philox.permutation(KEY, count)),
    ]
    pairs += [(device.uniform(KEY, count, t), philox.uniform(KEY, count, t)) for t in FLOATS]
    for ours, expected in pairs:
        assert ours.dtype == expected.dtype
        assert ours.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("count", SIZES)
def test_normal_numbers_agree_to_a_few_ulp(cuda, count, dtype):
    ours = drawn_on(cuda).normal(KEY, count, dtype)
    expected = philox.normal(KEY, count, dtype)
    assert ours.dtype == expected.dtype
    # sin and cos near their zeros: an ulp of the angle (below 8) times the radius (below 9).
    wide = np.float32 if ours.itemsize == 2 else dtype
    ulp = float(ml_dtypes.finfo(wide).eps)
    few = 4 * float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(
        ours.astype(np.float64), expected.astype(np.float64), rtol=few, atol=8 * 9 * ulp
    )


@pytest.mark.parametrize("offset", [0, 2**32 - 1, 2**64 - 3, 2**64 - 1, 2**95])
def test_every_offset(cuda, offset):
    key = philox.Key(0, 0, offset)
    assert drawn_on(cuda).words(key, 40).tobytes() == philox.words(key, 40).tobytes()


@pytest.mark.parametrize(("grid", "block"), [(1, 1), (1, 33), (2, 256), (50, 64)])
def test_grid_and_block_do_not_matter(cuda, grid, block):
    y = cuda.xp.empty(1003, np.float32)
    random._uniform(grid, block, y.dtype, y, y.size, *random.key_arguments(KEY))
    assert cuda.to_numpy(y).tobytes() == philox.uniform(KEY, 1003, np.float32).tobytes()


def test_an_empty_range_is_refused(cuda):
    with pytest.raises(ValueError, match="integers: low must be below high"):
        cuda.draw("integers", KEY, 3, 5, 5)
