"""The stand-in for cuDNN finds what cuDNN would only suffer."""

import ctypes

import pytest

from lucid.backend.cuda import cudnn
from tests.cuda import cudnn_problems
from tests.cuda.conftest import cuda as cuda
from tests.cuda.conftest import emulated as emulated
from tests.cuda_emulator import EmulationError
from tests.cuda_emulator.cudnn_library import Cudnn

SHAPE = (8, 16, 14, 14)
EPS = ctypes.c_float(1e-5)


@pytest.fixture
def call(emulated, cuda):
    """A correct call of batch norm's plan, to be spoilt."""
    token = cuda.enter()
    library = Cudnn()
    problem = cudnn_problems.batch_norm(SHAPE)
    arrays = {
        number: cuda.xp.ones(operand.layout.shape, operand.dtype)
        for number, operand in problem.operands().items()
    }
    scratch = cuda.xp.cuda.alloc(library.workspace)
    pointers = {number: a.data.ptr for number, a in arrays.items()}
    pointers[9] = ctypes.addressof(EPS)
    built, _ = library.build(problem, benchmark=False)

    def execute(workspace=scratch.ptr, **changes):
        changed = {int(n.removeprefix("p")): v for n, v in changes.items()}
        given = {n: p for n, p in {**pointers, **changed}.items() if p is not None}
        library.execute(built, given, workspace)
        return arrays

    yield execute
    cuda.leave(token)


def test_a_correct_call_is_computed(call):
    arrays = call()
    assert (arrays[4].get() == 1).all()  # (1 - 1) / ... * 1 + 1
    assert (arrays[5].get() == 1).all()
    assert abs(arrays[6].get() * 1e-5**0.5 - 1).max() < 1e-6


def test_a_pointer_too_few_or_too_many(call):
    with pytest.raises(EmulationError, match=r"pointers \[1, 2, 3, 4, 5, 9\]"):
        call(p6=None)
    with pytest.raises(EmulationError, match=r"pointers \[1, .* 9, 10\]"):
        call(p10=4096)


def test_a_number_that_is_another(call):
    other = ctypes.c_float(1e-3)
    with pytest.raises(EmulationError, match="number 9 is not 1e-05"):
        call(p9=ctypes.addressof(other))


def test_a_part_that_begins_between_vectors(call, cuda):
    x = cuda.xp.ones(8 * 16 * 14 * 14 + 1, "float32")[1:]
    with pytest.raises(EmulationError, match="not aligned to 16 bytes"):
        call(p1=x.data.ptr)


def test_an_array_that_is_too_small(call, cuda):
    small = cuda.xp.ones(4, "float32")
    with pytest.raises(EmulationError, match="reach past its memory"):
        call(p4=small.data.ptr)


def test_a_result_over_an_input(call):
    arrays = call()
    with pytest.raises(EmulationError, match="a result overlaps another operand"):
        call(p4=arrays[1].data.ptr)


def test_no_workspace(call):
    with pytest.raises(EmulationError, match="the workspace is not device memory of its size"):
        call(workspace=0)


def test_an_operand_with_gaps(emulated):
    problem = cudnn_problems.batch_norm(SHAPE)
    gappy = problem._replace(x=cudnn.Layout(SHAPE, (6272, 392, 28, 2)))
    with pytest.raises(RuntimeError, match="operand 1 has gaps"):
        Cudnn().build(gappy, benchmark=False)
