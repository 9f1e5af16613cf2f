"""The stand-in refuses what CuPy refuses, and what only a GPU would punish."""

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError, machine_with

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


# Host and device.


@pytest.mark.parametrize(
    "mix",
    [
        lambda cp, x, host: x + host,
        lambda cp, x, host: host + x,
        lambda cp, x, host: numpy.asarray(x),
        lambda cp, x, host: numpy.add(host, x),
        lambda cp, x, host: cp.sum(host),
        lambda cp, x, host: cp.where(x > 1, x, host),
        lambda cp, x, host: cp.concatenate([x, host]),
        lambda cp, x, host: cp.add(x, x, out=host),
        lambda cp, x, host: cp.matmul(x, host.T),
        lambda cp, x, host: x.__setitem__(Ellipsis, host),
        lambda cp, x, host: cp.take_along_axis(x, host.astype(int), 0),
    ],
)
def test_refuses_to_mix_host_and_device(cp, x, mix):
    with pytest.raises(TypeError):
        mix(cp, x, numpy.ones((3, 4), "float32"))


def test_refuses_names_and_arguments_that_cupy_lacks(cp, x):
    with pytest.raises(AttributeError):
        cp.insert  # noqa: B018
    with pytest.raises(TypeError):
        cp.sum(x, where=x > 0)
    with pytest.raises(TypeError):
        cp.add(x, 1, where=True)
    with pytest.raises(TypeError):
        cp.indices((2, 2), sparse=True)


def test_classes_and_modules_have_nothing_that_cupys_do_not(cp):
    from tests.cuda_emulator.cupy.surface import SURFACE

    def named(path):
        found = cp
        for part in path.split("."):
            found = getattr(found, part)
        return found

    extra = []
    for path, members in SURFACE["classes"].items():
        ours = {n for n in dir(named(path)) if not n.startswith("_")} - set(dir(bytearray))
        extra += [f"{path}.{n}" for n in sorted(ours - set(members))]
    for path in ("cuda", "cuda.runtime"):
        from_here = {
            n
            for n, value in vars(named(path)).items()
            if callable(value) and not n.startswith("_") and n != "Any"
        }
        extra += [f"{path}.{n}" for n in sorted(from_here - set(SURFACE[path]))]
    assert not extra, extra


def test_an_element_is_a_0d_array_and_so_is_a_sum(cp, x):
    assert isinstance(x[0, 0], cp.ndarray)
    assert isinstance(x.sum(), cp.ndarray)
    assert x[0, 0].base is x


def test_new_memory_is_poisoned(cp):
    assert numpy.isnan(cp.empty(5).get()).all()
    assert (cp.empty(5, "int32").get() == -1).all()


# Types and order: CuPy's own rules.


def _probes():
    from tests.cuda_emulator.cupy.surface import SURFACE

    return SURFACE["probes"]


def test_ufuncs_choose_the_loops_that_the_real_cupy_chooses(cp):
    from tests.cuda_emulator.cupy.loops import _dtype

    wrong = []
    for probe, expected in _probes().items():
        name, kinds = probe.split()
        function = getattr(cp, name)
        try:
            inputs, outputs = function._resolve(tuple(map(_dtype, kinds)))
            chosen = "->".join("".join(d.char for d in ds) for ds in (inputs, outputs))
        except TypeError:
            chosen = None
        if chosen != expected:
            wrong.append((probe, chosen, expected))
    assert not wrong


def test_results_of_ufuncs_are_c_contiguous(cp, x):
    assert (x.T + 1).flags.c_contiguous
    assert x.T.copy(order="K").flags.f_contiguous


def test_python_numbers_do_not_widen(cp, x):
    assert (x * 2.0).dtype == "float32"
    assert (x * numpy.float64(2)).dtype == "float64"
    assert (cp.ones(2, "int8") * 1.5).dtype == "float64"


def test_scatter_add_takes_the_types_that_have_an_atomic(cp):
    index = cp.asarray([0, 0, 1])
    y = cp.zeros(2, "float32")
    cp.add.at(y, index, 1)
    assert y.get().tolist() == [2, 1]
    with pytest.raises(TypeError, match="scatter_add only supports"):
        cp.add.at(cp.zeros(2, "int64"), index, 1)


# What a GPU would do silently.


def test_an_index_out_of_bounds_is_an_error(cp, x):
    for gather in (lambda i: x[i], lambda i: cp.take(x, i, axis=0)):
        with pytest.raises(EmulationError, match="out of bounds"):
            gather(cp.asarray([0, 3]))


def test_writing_different_values_to_one_place_is_an_error(cp, x):
    x[cp.asarray([0, 0])] = 5.0
    with pytest.raises(EmulationError, match="stands twice"):
        x[cp.asarray([0, 0])] = cp.asarray(numpy.arange(8.0).reshape(2, 4))


# The machine.


def test_says_that_it_is_no_gpu(cp):
    assert cp.cuda.runtime.getDeviceProperties(0)["name"] == b"CUDA emulator (CPU)"


def test_runs_under_pytest_only(monkeypatch):
    monkeypatch.delenv("PYTEST_VERSION")
    with pytest.raises(RuntimeError, match="pytest only"):
        cuda_emulator.install()


def test_devices_have_memory_of_their_own(cp):
    with machine_with(devices=2):
        with cp.cuda.Device(1):
            assert cp.zeros(3).device == cp.cuda.Device(1)
        assert cp.zeros(3).device.id == 0
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
            cp.cuda.runtime.setDevice(2)
