"""Matrix products on CUDA: cuBLAS' arguments for every way in which matrices can lie."""

import numpy
import pytest

import lucid
from lucid.backend.cuda import cublas, options
from tests import cuda_emulator

# Relative to sums of some ten products of numbers of size 1; halves are rounded once.
CLOSE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}


def operands(cuda, dtype, *shapes):
    rng = numpy.random.default_rng(0)
    return [
        lucid.tensor(rng.uniform(-1, 1, s), device=cuda).to(getattr(lucid, dtype)) for s in shapes
    ]


def multiply(a, b, *rest):
    a_, b_, *rest_ = (t._array for t in (a, b, *rest))
    return a._device.kernels.matmul(a_, b_, *rest_)


def wide(t):
    return t.cpu().double().numpy()


LIE = {
    "as they are": lambda a, b: (a, b),
    "left transposed": lambda a, b: (a.transpose(-1, -2).contiguous().transpose(-1, -2), b),
    "right transposed": lambda a, b: (a, b.transpose(-1, -2).contiguous().transpose(-1, -2)),
    "both transposed": lambda a, b: tuple(
        t.transpose(-1, -2).contiguous().transpose(-1, -2) for t in (a, b)
    ),
    "rows apart": lambda a, b: tuple(lucid.cat([t, t], -1)[..., : t.shape[-1]] for t in (a, b)),
    "columns apart": lambda a, b: tuple(
        lucid.stack([t, t], -1).reshape(*t.shape[:-1], -1)[..., ::2] for t in (a, b)
    ),
}
SHAPES = [
    ((3, 4), (4, 5)),
    ((1, 4), (4, 5)),
    ((3, 1), (1, 5)),
    ((3, 4), (4, 1)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 6)),
    ((2, 5, 3, 4), (2, 1, 4, 6)),
    ((20, 1, 2, 3), (20, 3, 3, 2)),  # more calls than a copy costs
]


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("lie", LIE)
def test_every_way_to_lie_gives_numpys_product(lie, shapes, dtype, cuda):
    a, b = LIE[lie](*operands(cuda, dtype, *shapes))
    y = lucid.Tensor._wrap(multiply(a, b), cuda)
    assert y.dtype is getattr(lucid, dtype)
    tolerance = CLOSE[dtype]
    numpy.testing.assert_allclose(wide(y), wide(a) @ wide(b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("lie", [name for name in LIE if name != "columns apart"])
@pytest.mark.parametrize("shapes", SHAPES[4:7], ids=str)
def test_only_matrices_with_gaps_both_ways_are_copied(lie, shapes, products, cuda):
    a, b = LIE[lie](*operands(cuda, "float32", *shapes))
    with cuda_emulator.counting() as c:
        multiply(a, b)
    assert (len(products), c.launches, c.operations, c.d2d) == (1, 1, 0, 0)
    assert c.synchronisations == 0


def test_a_batch_that_one_step_cannot_walk_takes_several_calls_and_no_copy(products, cuda):
    a, b = operands(cuda, "float32", (2, 1, 3, 4), (5, 4, 6))
    with cuda_emulator.counting() as c:
        multiply(a, b)
    assert ([p.batch for p in products], c.operations) == ([5, 5], 0)


def test_many_rows_times_one_matrix_is_one_product(products, cuda):
    multiply(*operands(cuda, "float32", (7, 3, 4), (4, 5)))
    (product,) = products
    assert (product.m, product.n, product.k, product.batch) == (5, 21, 4, 1)


@pytest.mark.parametrize("dtype", CLOSE)
def test_a_bias_is_added_before_the_one_rounding(dtype, cuda):
    x, w, b = operands(cuda, dtype, (2, 7, 5), (3, 5), (3,))
    y = lucid.nn.functional.linear(x, w, b)
    expected = wide(x) @ wide(w).T + wide(b)
    step = {"float64": 1e-15, "float32": 6e-8, "float16": 2**-11, "bfloat16": 2**-8}[dtype]
    numpy.testing.assert_allclose(wide(y), expected, rtol=1.05 * step, atol=4e-7)


def test_sums_of_halves_are_float32_and_tf32_is_asked_for(products, cuda, monkeypatch):
    for dtype in CLOSE:
        multiply(*operands(cuda, dtype, (3, 4), (4, 5)))
    monkeypatch.setattr(options.matmul, "allow_tf32", True)
    for dtype in CLOSE:
        multiply(*operands(cuda, dtype, (3, 4), (4, 5)))
    assert [p.compute for p in products] == [70, 68, 68, 68, 70, 77, 68, 68]


def test_nothing_times_nothing_is_zeros_and_no_call(products, cuda):
    a, b = operands(cuda, "float32", (3, 0), (0, 5))
    assert (multiply(a, b) == 0).all() and multiply(a, b).shape == (3, 5)
    assert multiply(*operands(cuda, "float32", (0, 3), (3, 5))).shape == (0, 5)
    assert not products


def test_results_go_where_they_are_wanted(cuda):
    a, b = operands(cuda, "float32", (3, 4), (4, 5))
    for out in (cuda.xp.empty((3, 5), "f"), cuda.xp.empty((5, 3), "f").T):
        assert cuda.kernels.matmul(a._array, b._array, out=out) is out
        numpy.testing.assert_allclose(out.get(), wide(a) @ wide(b), rtol=1e-5, atol=1e-6)


def test_each_stream_has_its_own_handle_and_a_graph_repeats_a_product(products, cuda):
    a, b = operands(cuda, "float32", (3, 4), (4, 5))
    stream = cuda.xp.cuda.Stream(non_blocking=True)
    pool = cuda.xp.cuda.MemoryPool()
    cuda.synchronize()
    with stream, cuda.xp.cuda.using_allocator(pool.malloc):
        multiply(a, b)  # makes the handle
        before = len(cublas.library().handles)
        stream.begin_capture()
        y = multiply(a, b)
        graph = stream.end_capture()
        graph.launch(stream)
    stream.synchronize()
    assert len(cublas.library().handles) == before
    numpy.testing.assert_allclose(y.get(), wide(a) @ wide(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", CLOSE)
def test_without_cublas_cupy_does_it(dtype, cuda, monkeypatch):
    monkeypatch.setattr(cublas, "library", lambda: None)
    a, b = operands(cuda, dtype, (2, 3, 4), (2, 4, 5))
    y = lucid.matmul(a, b)
    assert y.dtype is getattr(lucid, dtype)
    numpy.testing.assert_allclose(wide(y), wide(a) @ wide(b), rtol=CLOSE[dtype], atol=CLOSE[dtype])


def test_the_reason_why_there_is_no_cublas_is_told(monkeypatch):
    def missing(self):
        raise OSError("libcublas.so.13: cannot open shared object file")

    monkeypatch.setattr(cublas.Library, "__init__", missing)
    assert "libcublas.so.13: cannot open" in cublas._find.__wrapped__()[1]
