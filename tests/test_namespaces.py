"""Namespaces that scripts import from: module paths, the accelerator, versions, switches."""

import importlib

import pytest

import lucid
from lucid.nn import modules
from tests.kernels.conftest import cuda as cuda


@pytest.mark.parametrize("name", sorted(modules._FILES))
def test_pytorchs_module_paths_can_be_imported(name):
    module = importlib.import_module(f"lucid.nn.modules.{name}")
    layers = [v for k, v in vars(module).items() if isinstance(v, type) and not k.startswith("_")]
    assert layers
    assert all(issubclass(layer, lucid.nn.Module) for layer in layers)


@pytest.mark.parametrize(
    "path",
    ["nn.modules.utils", "nn.parameter", "autograd.variable", "utils.data.dataset",
     "utils.data.sampler", "utils.data.dataloader", "optim.lr_scheduler", "cuda.amp",
     "backends.cudnn", "backends.cuda", "backends.mps", "nn.parallel", "utils.model_zoo", "hub",
     "jit"],
)  # fmt: skip
def test_other_paths_can_be_imported(path):
    assert importlib.import_module(f"lucid.{path}")


@pytest.mark.parametrize("name", sorted(lucid.distributions._FILES))
def test_pytorchs_paths_to_distributions_can_be_imported(name):
    module = importlib.import_module(f"lucid.distributions.{name}")
    for member in lucid.distributions._FILES[name]:
        assert getattr(module, member) is getattr(lucid.distributions, member)


def test_a_script_that_asks_for_apples_gpus_is_told_that_there_are_none():
    assert not lucid.backends.mps.is_built()
    assert not lucid.backends.mps.is_available()


def test_without_a_gpu_there_is_no_accelerator():
    if lucid.cuda.is_available():
        pytest.skip("there is one")
    assert lucid.accelerator.current_accelerator() is None
    assert lucid.accelerator.device_count() == 0
    assert lucid.version.cuda is None
    with pytest.raises(lucid.errors.DeviceError, match="cuda: CuPy is not installed"):
        lucid.accelerator.synchronize()


def test_the_accelerator_is_cuda(cuda):
    assert lucid.accelerator.current_accelerator() == lucid.device("cuda")
    assert lucid.accelerator.device_count() == lucid.cuda.device_count()
    lucid.accelerator.set_device_index(0)
    assert lucid.accelerator.current_device_index() == 0
    assert lucid.accelerator.current_stream() == lucid.cuda.current_stream()
    lucid.accelerator.synchronize()


def test_the_version_of_cuda_is_major_and_minor(cuda):
    major, minor = lucid.version.cuda.split(".")
    assert int(major) >= 12
    assert int(minor) >= 0


def test_the_most_memory_reserved_outlives_empty_cache(cuda):
    lucid.cuda.empty_cache()
    lucid.cuda.reset_peak_memory_stats()
    before = lucid.cuda.max_memory_reserved()
    x = lucid.zeros(1 << 20, device="cuda")
    del x
    lucid.cuda.empty_cache()
    assert lucid.cuda.max_memory_reserved() >= before + (4 << 20)
    lucid.cuda.reset_peak_memory_stats()
    assert lucid.cuda.max_memory_reserved() == lucid.cuda.memory_reserved()


def test_types_on_cuda_are_not_those_of_the_cpu(cuda):
    x = lucid.cuda.FloatTensor([1.0, 2.0])
    assert x.is_cuda
    assert x.type() == "lucid.cuda.FloatTensor"
    assert isinstance(x, lucid.cuda.FloatTensor)
    assert not isinstance(x, lucid.FloatTensor)
    assert x.type(lucid.LongTensor).device.type == "cpu"
    assert x.type("torch.cuda.HalfTensor").dtype is lucid.float16


def test_a_type_makes_no_tensors_elsewhere():
    with pytest.raises(lucid.errors.DTypeError, match="FloatTensor: makes tensors on cpu; got"):
        lucid.FloatTensor([1.0], device="cuda")


def test_safe_globals_end_with_the_block():
    with lucid.serialization.safe_globals([int]):
        assert lucid.serialization.get_safe_globals() == [int]
    assert lucid.serialization.get_safe_globals() == []
