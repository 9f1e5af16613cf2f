"""What the tests of a kernel family share: arrays on the device, and how close is close."""

import ml_dtypes
import numpy as np

FLOATS = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
# A float32 result of a few operations; halves are computed in float32 and rounded once.
CLOSE = {"float32": 2e-6, "float64": 1e-13, "float16": 1e-3, "bfloat16": 8e-3}


def name_of(dtype):
    return np.dtype(dtype).name


def draw(*shape, dtype=np.float32, seed=0, scale=2.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


def last(cuda, x):
    """x on the device, channels last in memory."""
    a = cuda.asarray(np.ascontiguousarray(np.moveaxis(x, 1, -1)))
    return cuda.xp.moveaxis(a, -1, 1)


def unaligned(cuda, x):
    """x on the device, one element behind a multiple of 16 bytes."""
    memory = cuda.xp.empty(x.size + 1, x.dtype)
    view = memory[1:].reshape(x.shape)
    view[...] = cuda.asarray(x)
    return view


def assert_close(cuda, y, expected, times=1.0):
    """Within the rounding of y's dtype, relative to the largest number there is, at least to 1."""
    y = cuda.to_numpy(y)
    assert y.shape == expected.shape
    wide, expected = y.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(wide[~finite], expected[~finite])
    if finite.any():
        size = max(1.0, np.abs(expected[finite]).max())
        error = np.abs(wide[finite] - expected[finite]).max()
        assert error <= times * CLOSE[y.dtype.name] * size


def bits(cuda, a):
    a = np.ascontiguousarray(cuda.to_numpy(a))
    return a.view(f"u{a.itemsize}").copy()
