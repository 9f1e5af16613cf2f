"""What the usual training scripts import, and the paths that they take on one device."""

import importlib

import pytest

import lucid

MODULES = [
    "nn",
    "nn.parallel",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "nn.modules.batchnorm",
    "backends.cudnn",
    "distributed",
    "multiprocessing",
    "optim",
    "optim.lr_scheduler",
    "utils.data",
    "utils.data.distributed",
    "utils.checkpoint",
    "cuda.amp",
    "autograd",
    "linalg",
    "jit",
    "hub",
    "onnx",
    "distributions",
]


@pytest.mark.parametrize("path", MODULES)
def test_modules_are_imported_by_pytorchs_paths(path):
    assert importlib.import_module(f"lucid.{path}")
    found = lucid
    for part in path.split("."):
        found = getattr(found, part)


def test_a_launcher_for_many_gpus_takes_the_path_for_one():
    """As PyTorch's ImageNet example asks: WORLD_SIZE, multiprocessing_distributed, ranks."""
    dist = lucid.distributed
    distributed = dist.is_available() and dist.is_initialized()
    sampler = None
    if distributed:
        sampler = lucid.utils.data.distributed.DistributedSampler(range(4))
    loader = lucid.utils.data.DataLoader(range(4), batch_size=2, sampler=sampler)
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]


def test_topk_accuracy_as_scripts_compute_it():
    output = lucid.tensor([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [0.2, 0.3, 0.5]])
    target = lucid.tensor([1, 2, 2])
    _, predicted = output.topk(2, 1, True, True)
    correct = predicted.t().eq(target.view(1, -1).expand_as(predicted.t()))
    percent = [correct[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / 3) for k in (1, 2)]
    assert percent[0].item() == pytest.approx(200 / 3)
    assert percent[1].item() == pytest.approx(200 / 3)


def test_without_a_gpu_init_says_what_to_install():
    if lucid.cuda.is_available():
        pytest.skip("there is one")
    assert not lucid.cuda.is_initialized()
    with pytest.raises(lucid.errors.DeviceError, match="CuPy is not installed"):
        lucid.cuda.init()
