"""A training step beside PyTorch: forward, cross entropy, backward, SGD with momentum."""

import math

import pytest

from benchmarks import networks
from benchmarks.training import batch, contenders, seconds_per_step

# The network, the images of one sample, how many samples.
STEPS = {
    "LeNet": (networks.lenet, (1, 28, 28), 64),
    "seeds' CNN": (networks.seed_cnn, (3, 32, 32), 64),
    "SELU CNN": (networks.selu_cnn, (3, 32, 32), 64),
    "MLP": (networks.mlp, (1, 28, 28), 64),
    "ResNet-18": (networks.resnet18, (3, 32, 32), 16),
}
BATCHES = [8, 16, 32, 64, 128]


@pytest.mark.parametrize("name", STEPS)
def test_training_step(name, threads, report):
    report(f"training step {name} {threads} threads", contenders(*STEPS[name]))


def test_time_grows_linearly_with_the_batch(request):
    """A network whose time grew faster would lose what larger batches are for."""
    rounds = request.config.getoption("--rounds")
    build, image, _ = STEPS["seeds' CNN"]
    seconds = {n: seconds_per_step(build, batch(image, n), rounds) for n in BATCHES}
    slope = growth(seconds)
    print(f"\nseeds' CNN: time ~ batch ** {slope:.2f}, from {BATCHES[0]} to {BATCHES[-1]} samples")
    assert slope <= 1.05


def growth(seconds):
    """The least squares slope of log time over log batch: 1 is linear."""
    xs, ys = [math.log(n) for n in seconds], [math.log(s) for s in seconds.values()]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    products = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return products / sum((a - x) ** 2 for a in xs)
