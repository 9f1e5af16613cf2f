"""The ctypes call itself, on a library of the same prototypes that works in host memory."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest

from lucid.backend.cuda import cublas, libraries

SOURCE = Path(__file__).parent / "libcublas.cpp"
ELEMENTS = {"float32": (0, 68), "float64": (1, 70)}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    path = tmp_path_factory.mktemp("cublas") / "libcublas.so.13"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", str(SOURCE), "-o", str(path)], check=True)
    return path


@pytest.fixture
def library(compiled, monkeypatch):
    class Runtime:
        runtimeGetVersion = staticmethod(lambda: 13000)

    class Cupy:
        cuda = type("cuda", (), {"runtime": Runtime})

    found = ctypes.CDLL(str(compiled)), str(compiled)
    monkeypatch.setattr(cublas, "cupy", lambda: Cupy)
    monkeypatch.setattr(libraries, "load", lambda *args, **kwargs: found)
    return cublas.Library()


@pytest.mark.parametrize("beta", [0, 1])
@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)], ids=str)
def test_every_argument_arrives_in_its_place(library, turned, dtype, beta):
    rng = numpy.random.default_rng(0)
    batch, m, n, k = 2, 3, 5, 4
    a = rng.uniform(-1, 1, (batch, 7, 6)).astype(dtype)  # column-major: a[i, column, row]
    b = rng.uniform(-1, 1, (batch, 8, 9)).astype(dtype)
    c = rng.uniform(-1, 1, (batch, 6, 8)).astype(dtype)
    left = a[:, :m, :k] if turned[0] else a[:, :k, :m].swapaxes(1, 2)
    right = b[:, :k, :n] if turned[1] else b[:, :n, :k].swapaxes(1, 2)
    expected = c.copy()
    expected[:, :n, :m] = (left @ right + beta * c[:, :n, :m].swapaxes(1, 2)).swapaxes(1, 2)
    handle = library.create(7, 0x1000, cublas.WORKSPACE)
    product = cublas.Product(
        *turned, m, n, k, a.ctypes.data, 6, 42, b.ctypes.data, 9, 72,
        beta, c.ctypes.data, 8, 48, batch, *ELEMENTS[dtype],
    )  # fmt: skip
    library.multiply(handle, product)
    tolerance = {"float32": 1e-6, "float64": 1e-14}[dtype]
    numpy.testing.assert_allclose(c, expected, rtol=tolerance, atol=tolerance)


def test_a_refusal_is_named(library):
    handle = library.create(7, 0x1000, 1)  # not the workspace that the library wants
    product = cublas.Product(*[0] * 16, 0, 68)
    with pytest.raises(RuntimeError, match=r"cublasGemmStridedBatchedEx .* invalid value \(7\)"):
        library.multiply(handle, product)


def test_the_version_is_one_number(library):
    assert library.version() == 130102


def test_a_library_is_found_in_the_folder_of_its_wheel(compiled, tmp_path, monkeypatch):
    folder = tmp_path / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    for name in ("libcublas.so.13", "libcublasLt.so.13"):
        shutil.copy(compiled, folder / name)
    monkeypatch.syspath_prepend(str(tmp_path))
    _, path = libraries.load("cublas", (13,), before=("cublasLt",))
    assert path == str(folder / "libcublas.so.13")


def test_what_was_tried_in_vain_is_told():
    with pytest.raises(OSError, match=r"libnothing\.so\.99"):
        libraries.load("nothing", (99,))
