"""The seeds' network moves between CPU and CUDA, and its step asks for nothing it can spare."""

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.nn import functional as F
from lucid.vision.models import NETS, digits_cnn
from tests import cuda_emulator

STEPS = 6
DROPOUTS = (nn.Dropout2d, nn.FeatureAlphaDropout)


def train(kind, devices, dtype=lucid.float32, order=lucid.contiguous_format):
    """Loss, and the dropout layers' masks, of steps of which each runs on its device."""
    lucid.manual_seed(0)
    model = digits_cnn(kind, p=0.3).to(dtype)
    rng = numpy.random.default_rng(0)
    images = rng.uniform(0, 1, (STEPS, 8, 1, 8, 8))
    labels = rng.integers(0, 10, (STEPS, 8))
    losses, masks = [], []
    for number, device in enumerate(devices):
        model.to(device)
        optimizer = optim.SGD(model.parameters(), lr=0.02, weight_decay=1e-3)
        x = lucid.tensor(images[number]).to(dtype).to(device).contiguous(memory_format=order)
        y = model(x)
        loss = F.cross_entropy(y, lucid.tensor(labels[number], device=device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        masks.append([m.mask.cpu().numpy() for m in model.modules() if isinstance(m, DROPOUTS)])
    return losses, masks, [p.detach().cpu().numpy() for p in model.parameters()]


CPU, CUDA = ["cpu"] * STEPS, ["cuda"] * STEPS
BACK_AND_FORTH = ["cpu", "cuda", "cuda", "cpu", "cuda", "cpu"]


@pytest.fixture(scope="module")
def on_cpu():
    return {kind: train(kind, CPU) for kind in NETS}


@pytest.mark.parametrize("order", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("devices", [CUDA, BACK_AND_FORTH], ids=["cuda", "back and forth"])
@pytest.mark.parametrize("kind", NETS)
def test_another_device_gives_the_same_masks_and_losses(kind, devices, order, on_cpu, cuda):
    losses, masks, parameters = train(kind, devices, order=getattr(lucid, order))
    expected_losses, expected_masks, expected_parameters = on_cpu[kind]
    for step, (mine, theirs) in enumerate(zip(masks, expected_masks, strict=True)):
        assert len(mine) == 4
        for a, b in zip(mine, theirs, strict=True):
            assert 0 < a.mean() < 1 and (a == b).all(), f"step {step}"
    # Each step's rounding, 1e-7 of sums of some hundred terms, goes on into the next.
    numpy.testing.assert_allclose(losses, expected_losses, rtol=2e-5)
    for a, b in zip(parameters, expected_parameters, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_lose_their_precision_alike(dtype, cuda):
    kind = getattr(lucid, dtype)
    here, there = train("relu", CPU, kind), train("relu", CUDA, kind)
    step = {"float16": 2**-11, "bfloat16": 2**-8}[dtype]
    numpy.testing.assert_allclose(there[0], here[0], rtol=20 * step)
    for mine, theirs in zip(here[1], there[1], strict=True):
        assert all((a == b).all() for a, b in zip(mine, theirs, strict=True))


# Per phase of a step: kernels of ours or a library's, and CuPy's own.
#   relu: 4 x (convolution, statistics in 2, norm with relu and dropout2d), 2 pools, product
#   selu: 4 x (convolution, selu with dropout), 2 pools, product
# CuPy's: the input standardized (2), the bias of the linear layer;
# backward: the gradient 1 of the loss, and each bias' sum.
ASKED = {
    "relu": {"forward": (19, 3), "loss": (2, 0), "backward": (24, 2), "update": (1, 0)},
    "selu": {"forward": (11, 3), "loss": (2, 0), "backward": (16, 6), "update": (1, 0)},
}


@pytest.mark.parametrize("kind", NETS)
def test_a_step_waits_for_nothing_and_copies_nothing(kind, cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    model = digits_cnn(kind).to(cuda)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, labels = lucid.rand(8, 1, 8, 8), lucid.randint(0, 10, (8,))
    counts = {}

    def step():
        optimizer.zero_grad()
        with cuda_emulator.counting() as counts["forward"]:
            y = model(x)
        with cuda_emulator.counting() as counts["loss"]:
            loss = F.cross_entropy(y, labels)
        with cuda_emulator.counting() as counts["backward"]:
            loss.backward()
        with cuda_emulator.counting() as counts["update"]:
            optimizer.step()

    for _ in range(3):  # plans, handles, momentum buffers and the pool are settled after two
        step()
    assert {n: (c.launches, c.operations) for n, c in counts.items()} == ASKED[kind]
    for name in ("synchronisations", "d2h", "d2d", "device_allocations", "graph_launches"):
        assert [getattr(c, name) for c in counts.values()] == [0, 0, 0, 0], name
    # The addresses of the gradients, which are new each step, for the one kernel of the update.
    assert [c.h2d for c in counts.values()] == [0, 0, 0, 1]
