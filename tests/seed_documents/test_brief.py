"""Requirements R82 to R87: what the project adds to the seeds, as far as it can be checked here."""

import ast
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.errors import DeviceError
from tests.dropout_family import FAMILY, to_numpy

PACKAGE = Path(lucid.__file__).parent
KERNELS = PACKAGE.parent / "kernels"


def imports(path):
    """Names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_R82_one_interface_hides_numpy_and_cupy_from_every_operation():
    assert lucid.device("cpu").xp is np
    sources = [p for part in ("op", "ops", "nn", "optim") for p in (PACKAGE / part).rglob("*.py")]
    assert len(sources) > 20
    for path in sources:
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & {"numpy", "cupy", "ml_dtypes"}, path


def test_R83_the_device_is_chosen_by_name_and_missing_cuda_is_explained():
    device = lucid.device("cuda")
    assert (device.type, str(lucid.device("cuda:1"))) == ("cuda", "cuda:1")
    if lucid.cuda.is_available():
        assert lucid.ones(3, device=device).cpu().tolist() == [1.0] * 3
        return
    with pytest.raises(DeviceError) as caught:
        lucid.ones(3, device=device)
    assert lucid.cuda.why_unavailable() in str(caught.value)
    assert "Hint:" in str(caught.value)


def test_R84_hand_written_kernels_draw_the_mask_scale_and_correct_in_one_pass():
    text = (KERNELS / "dropout.cu").read_text()
    assert "__global__" in text
    for number in ("scale", "shift", "fill", "philox"):
        assert number in text


def test_R85_one_engine_walks_back_on_both_devices():
    engine = PACKAGE / "graph" / "engine.py"
    assert not any("backend" in name or "numpy" in name for name in imports(engine))
    assert "cuda" not in engine.read_text()


def test_R86_a_convolutional_network_with_dropout_learns(device):
    """Which of two corners is bright: from chance to nearly always right in 60 steps."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.2), nn.MaxPool2d(4),
        nn.Flatten(), nn.Linear(8 * 4, 2),
    )  # fmt: skip
    labels = lucid.randint(2, (128,))
    x = lucid.randn(128, 1, 8, 8) * 0.3
    x[:, 0, 0, 0] += labels.float() * 3
    x[:, 0, 7, 7] += (1 - labels).float() * 3
    before = float(nn.functional.cross_entropy(model(x), labels))
    for _ in range(60):
        model.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        with lucid.no_grad():
            for weight in model.parameters():
                weight -= 0.1 * weight.grad
    model.eval()
    after = float(nn.functional.cross_entropy(model(x), labels))
    right = to_numpy(model(x).argmax(1) == labels).mean()
    assert after < before / 4
    assert right > 0.95


def test_R87_a_benchmark_measures_dropout_beside_a_copy_on_each_device():
    throughput = pytest.importorskip("lucid.cli.throughput")
    devices = ["cpu", "cuda"] if lucid.cuda.is_available() else ["cpu"]
    results = throughput.measure(devices, [throughput.STEP], "float32", rounds=2)
    assert [(r.layer, r.device.partition(":")[0]) for r in results] == [
        (m.layer, d) for d in devices for m in FAMILY
    ]
    for result in results:
        assert result.bandwidth.median > 0
        assert 0 < result.of_copy.median < 10
