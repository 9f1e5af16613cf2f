"""erf against SciPy's, in ulp of each type."""

import numpy
import pytest

from lucid.backend.cpu.special import erf

special = pytest.importorskip("scipy.special")


@pytest.mark.parametrize("dtype, ulps", [("float32", 8), ("float64", 2)])
def test_erf_is_right_to_a_few_ulp(dtype, ulps):
    x = numpy.concatenate([numpy.linspace(-7, 7, 20_001), numpy.geomspace(1e-30, 1, 500)])
    x = x.astype(dtype)
    truth = special.erf(x.astype("float64"))
    error = numpy.abs(erf(x) - truth) / numpy.spacing(numpy.abs(truth).astype(dtype))
    assert error[x != 0].max() <= ulps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_of_the_edges(dtype):
    x = numpy.array([0.0, -0.0, numpy.inf, -numpy.inf, numpy.nan, 30, -30], dtype)
    numpy.testing.assert_array_equal(erf(x), [0, 0, 1, -1, numpy.nan, 1, -1])


def test_erf_keeps_shape_and_takes_0d():
    assert erf(numpy.zeros((2, 0, 3), "float32")).shape == (2, 0, 3)
    assert erf(numpy.array(0.5, "float32")).shape == ()
