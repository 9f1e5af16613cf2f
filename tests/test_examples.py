"""The examples run, with warnings as errors, on small budgets; on CUDA too where there is one."""

import hashlib
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.backend.cuda import source
from lucid.vision import models
from lucid.vision.datasets import CIFAR10
from lucid.vision.datasets.files import Resource
from tests.kernels import nvrtc

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example as if from the command line, in this process; its lines."""
    known = list(lucid.cuda.Kernel.known)  # other tests go through lucid's own kernels

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    yield run
    lucid.cuda.Kernel.known[:] = known


def alone(name):
    """Run an example in a process of its own; its output."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def percent(line):
    return float(re.search(r"accuracy ([\d.]+)%", line)[1])


def test_every_example_is_tested_and_listed():
    here = Path(__file__).read_text(encoding="utf-8")
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names = [p.name for p in EXAMPLES.glob("*.py")]
    assert len(names) == 7
    assert all(f'"{name}"' in here and f"`{name}`" in listed for name in names)


def test_every_example_can_be_read_in_one_go():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 120, path.name


def test_train_digits_learns_to_read(run, device):
    pytest.importorskip("sklearn")
    # 23 steps reach about 94 %; a network that learned nothing reads one digit of ten.
    assert percent(run("train_digits.py", "--epochs", 1, "--device", device)[-1]) > 80


@pytest.mark.slow
def test_train_digits_reads_well_after_its_six_epochs():
    pytest.importorskip("sklearn")
    assert percent(alone("train_digits.py").splitlines()[-1]) >= 97


def test_switch_device_shows_each_image():
    assert "channels kept" in alone("switch_device.py")


def test_measure_dropout_compares_with_a_copy():
    assert "of a copy's speed" in alone("measure_dropout.py")


# CIFAR-10, from a folder of the same format.


@pytest.fixture
def tiny_cifar(tmp_path, monkeypatch):
    """12 images to train and 8 to test, in files whose checksums CIFAR10 is told."""
    draw = np.random.default_rng(0)
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()

    def write(name, content):
        data = pickle.dumps(content, 2)
        (folder / name).write_bytes(data)
        return Resource(name, hashlib.md5(data).hexdigest())

    def batch(n):
        pixels = draw.integers(0, 256, (n, 3072), dtype=np.uint8)
        return {"data": pixels, "labels": draw.integers(0, 10, n).tolist()}

    monkeypatch.setattr(CIFAR10, "train_list", [write("data_batch_1", batch(12))])
    monkeypatch.setattr(CIFAR10, "test_list", [write("test_batch", batch(8))])
    names = [f"class {i}" for i in range(10)]
    monkeypatch.setattr(CIFAR10, "meta", write("batches.meta", {"label_names": names}))
    return tmp_path


def test_train_cifar_trains_and_saves(run, tiny_cifar, device):
    saved = tiny_cifar / "weights.safetensors"
    (line,) = run(
        "train_cifar.py", "--data", tiny_cifar, "--epochs", 1, "--limit", 4, "--batch-size", 4,
        "--save", saved, "--device", device,
    )  # fmt: skip
    assert np.isfinite(float(re.search(r"loss ([\d.]+)", line)[1]))
    assert percent(line) % 25 == 0  # of 4 images
    state = lucid.load(saved)
    assert state["conv1.weight"].shape == (64, 3, 3, 3)
    assert state["bn1.num_batches_tracked"].item() == 1


def test_train_cifar_says_how_to_get_the_images(run, tmp_path):
    with pytest.raises(lucid.errors.LucidError, match="download=True"):
        run("train_cifar.py", "--data", tmp_path, "--device", "cpu")


# Self-normalizing networks.


def test_selu_networks_keep_mean_0_and_variance_1(run, device):
    pytest.importorskip("sklearn")
    small = "--epochs", 1, "--limit", 256, "--depth", 8, "--width", 64
    lines = run("selu_network.py", *small, "--device", device)
    assert lines[0].startswith("SELU and AlphaDropout") and lines[2].startswith("ReLU and Dropout")
    mean, variance = map(float, re.search(r"mean (\S+), variance (\S+)", lines[0]).groups())
    # Means over 355 x 64 numbers that share weights: 64 columns with a deviation of about 1 / 8.
    assert abs(mean) < 0.5 and 0.5 < variance < 2
    assert percent(lines[1]) > 0 and percent(lines[3]) > 0


# PyTorch's weights.


@pytest.fixture
def torch_file(tmp_path):
    """SqueezeNet's weights for 1000 classes, as PyTorch saves them; and they as arrays."""
    torch = pytest.importorskip("torch")
    lucid.manual_seed(3)
    state = models.squeezenet1_1().state_dict()
    arrays = {k: v.cpu().numpy() for k, v in state.items()}
    path = tmp_path / "squeezenet.pt"
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, path)
    return path


def test_finetuning_freezes_what_it_loaded_and_learns_the_rest(run, torch_file, device):
    pytest.importorskip("sklearn")
    lines = run(
        "finetune_torch_weights.py", torch_file, "--model", "squeezenet1_1", "--epochs", 1,
        "--limit", 32, "--size", 32, "--device", device,
    )  # fmt: skip
    # The last convolution: 512 weights and a bias per digit; before it 722,496 weights.
    assert lines[0].startswith("722,496 weights frozen, 5,130 to be learned")
    assert lines[0].endswith("['classifier.1.weight', 'classifier.1.bias']")
    assert lines[1].startswith("epoch  1") and lines[1].endswith("of 32")


def test_finetuning_says_when_a_file_is_of_another_model(run, torch_file):
    with pytest.raises(SystemExit, match="holds no weights of this model"):
        run("finetune_torch_weights.py", torch_file, "--model", "resnet18", "--device", "cpu")


# An op with kernels.


def test_a_custom_op_agrees_with_its_kernels_and_learns(run, device):
    lines = run("custom_op.py", "--epochs", 60, "--limit", 300, "--device", device)
    assert lines[0] == "gradient and second gradient agree with finite differences"
    apart = float(lines[1].rsplit(" ", 1)[1])
    # Both compute in float32; sines of other libraries differ by 2 ulp, here of at most 4.
    assert apart < 2 * 2**-22
    assert ("ran the kernels" in lines[1]) == (device.type == "cuda")
    assert float(lines[2].rsplit(" ", 1)[1]) < 0.1  # sin(3x) has a mean square of 0.5


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_the_custom_kernels_take_every_floating_point_type(kind, device):
    known = list(lucid.cuda.Kernel.known)
    snake = runpy.run_path(str(EXAMPLES / "custom_op.py"))["snake"]
    lucid.cuda.Kernel.known[:] = known
    x = lucid.randn(5, 7).to(getattr(lucid, kind)).T.requires_grad_()
    y = snake(x, 2)
    (dx,) = lucid.autograd.grad(y.sum(), x)
    wide = x.detach().cpu().double().numpy()
    unit = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-22, "float64": 2**-50}[kind]
    wanted = wide + np.sin(2 * wide) ** 2 / 2, 1 + np.sin(4 * wide)
    for ours, theirs in zip((y, dx), wanted, strict=True):
        assert ours.dtype == x.dtype
        assert np.abs(ours.detach().cpu().double().numpy() - theirs).max() < 4 * unit


@pytest.mark.parametrize("architecture", [75, 90])
def test_the_custom_kernels_compile_for_real_gpus(architecture):
    if nvrtc.missing():
        pytest.skip(nvrtc.missing())
    kinds = ("float", "double", "half_t", "bfloat16_t")
    names = tuple(f"{entry}<{kind}>" for entry in ("snake", "snake_backward") for kind in kinds)
    text = source.text(str(EXAMPLES / "custom_op.cu"))
    assert len(nvrtc.compiled(text, names, architecture)) == 8
