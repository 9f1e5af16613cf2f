"""Kernels may be written with all that lucid's are written with."""

import ml_dtypes
import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator.programs import load

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)
TYPES = {
    "float": numpy.dtype("float32"),
    "double": numpy.dtype("float64"),
    "__half": numpy.dtype("float16"),
    "__nv_bfloat16": numpy.dtype(ml_dtypes.bfloat16),
}
EVERY = [f"words<{t}, 128>" for t in TYPES] + ["twice_each"]
ATOMIC = [*TYPES, "int", "unsigned", "unsigned long long"]


@pytest.fixture
def cp():
    from tests.cuda_emulator import cupy

    return cupy


@pytest.mark.parametrize("ctype", TYPES)
def test_every_word_is_known_for_every_float_type(cp, ctype):
    kernel = load("vocabulary.cu", *EVERY).get_function(f"words<{ctype}, 128>")
    x, y = cp.ones(128, TYPES[ctype]), cp.empty(300, TYPES[ctype])
    settings = numpy.zeros((), [("scale", "f4"), ("count", "i4"), ("nothing", "u8")])
    settings["scale"] = 3
    kernel((2,), (128,), (x, y, settings, numpy.int64(300)), shared_mem=128 * 16)
    assert (y.get() == 3).all()


def test_a_table_of_pointers_leads_to_many_tensors(cp):
    kernel = load("vocabulary.cu", *EVERY).get_function("twice_each")
    tensors = [cp.ones(5, "float32"), cp.ones(7, "float32")]
    table = cp.asarray(numpy.array([t.data.ptr for t in tensors], "uint64"))
    sizes = cp.asarray(numpy.array([5, 7]))
    flag, base = cp.zeros(1, "float32"), cp.zeros(1, "uint64")
    kernel((1,), (32,), (table, sizes, numpy.int32(2), flag, base))
    assert [t.get().tolist() for t in tensors] == [[2.0] * 5, [2.0] * 7]
    assert (flag.get(), base.get()) == (1, 4)


@pytest.mark.parametrize("ctype", ATOMIC)
def test_atomics_count_every_thread(cp, ctype):
    names = [f"atomics<{t}>" for t in ATOMIC]
    kernel = load("vocabulary.cu", *names).get_function(f"atomics<{ctype}>")
    integers = {"int": "int32", "unsigned": "uint32", "unsigned long long": "uint64"}
    y = cp.zeros(1, TYPES.get(ctype) or integers[ctype])
    kernel((4,), (64,), (y,))
    assert y.get() == 256


def test_atomics_that_cuda_lacks_are_missing(cp):
    """atomicAdd has no signed 64-bit form; g++ would be glad to convert."""
    code = 'extern "C" __global__ void count(long long* n) { atomicAdd(n, 1LL); }'
    with pytest.raises(cuda_emulator.EmulationError, match="atomicAdd"):
        cp.RawModule(code=code).compile()
