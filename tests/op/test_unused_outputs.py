"""Gradients of outputs that nobody used: None where backward can take it, no needless array.

And everything that a walk back makes is made on the device of the op, whichever is current.
"""

import numpy as np
import pytest

import lucid
from lucid.nn import functional as F
from lucid.op import Op
from tests import cuda_emulator


class Three(Op):
    """x -> (x, 2 x, the signs as integers); shows what backward is given."""

    given = []

    def forward(self, x):
        return x.copy(), 2 * x, self.xp.sign(x).astype("int64")

    def backward(self, *gradients):
        Three.given[:] = gradients
        first, second, _ = gradients
        return first if second is None else first + second * 2


class Spared(Three):
    takes_none = ("generic",)


def test_an_unused_output_gets_zeros_unless_backward_takes_none(device):
    x = lucid.ones(3, requires_grad=True)
    Three()(x)[0].sum().backward()
    _, second, _ = Three.given
    assert second.device == device and second.tolist() == [0, 0, 0]
    Spared()(x)[0].sum().backward()
    assert Three.given[1] is None
    assert x.grad.tolist() == [2, 2, 2]


def test_the_first_output_gets_zeros_in_any_case(device):
    x = lucid.ones(3, requires_grad=True)
    Spared()(x)[1].sum().backward()
    assert Three.given[0].tolist() == [0, 0, 0] and x.grad.tolist() == [2, 2, 2]


def test_an_integer_output_has_no_gradient_not_even_zeros(device):
    x = lucid.ones(3, requires_grad=True)
    Three()(x)[0].sum().backward()
    assert Three.given[2] is None


W = {"weight": (6,), "bias": (6,)}
NORMS = {
    "layer": (lambda x, w, b: F.layer_norm(x, (4,), w, b), (4,)),
    "layer over two": (lambda x, w, b: F.layer_norm(x, (4, 4), w, b), (4, 4)),
    "rms": (lambda x, w, b: F.rms_norm(x, (4,), w), (4,)),
    "group": (lambda x, w, b: F.group_norm(x, 2, w, b), (6,)),
    "instance": (lambda x, w, b: F.instance_norm(x, None, None, w, b), (6,)),
    "batch": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (6,)),
}


@pytest.mark.parametrize("norm", NORMS)
def test_mean_and_variance_that_nobody_used_are_no_work(norm, cuda_counts):
    """One or two passes over x, and what sums up dw and db. No fill, and no copy of dw or db."""
    function, shape = NORMS[norm]
    x = lucid.randn(5, 6, 4, 4, requires_grad=True)
    w, b = lucid.ones(shape, requires_grad=True), lucid.zeros(shape, requires_grad=True)
    dy = lucid.randn(5, 6, 4, 4)
    for _ in range(2):  # the first compiles
        x.grad = w.grad = b.grad = None
        y = function(x * 2, w, b)  # a leaf would copy group_norm's dx, which is a view
        with cuda_counts() as c:
            y.backward(dy)
    c.operations -= 1  # dx * 2
    assert c.operations == c.d2d == c.h2d == c.synchronisations == 0
    assert c.launches <= 3


def test_indices_of_a_pooling_are_no_work_on_the_way_back(cuda_counts):
    x, dy = lucid.randn(2, 3, 8, 8, requires_grad=True), lucid.ones(2, 3, 4, 4)
    counts = {}
    for wanted in (True, True, False):  # the first compiles
        y = F.max_pool2d(x, 2, return_indices=wanted)
        y = y[0] if wanted else y
        x.grad = None
        with cuda_counts() as counts[wanted]:
            y.backward(dy)
    assert counts[True] == counts[False]
    assert (counts[True].launches, counts[True].operations) == (1, 0)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("axes", [(3,), (0, 2, 3), (1, 2)])
def test_the_gradient_is_the_same_with_none_as_with_zeros(used, axes, create_graph, device):
    """Standardize's, by its fused form and its generic one."""
    from lucid.op.standardize import Standardize
    from lucid.ops.batch_norm import BatchNorm
    from lucid.ops.normalization import LayerNorm

    op = {(0, 2, 3): BatchNorm, (3,): LayerNorm}.get(axes, Standardize)
    x = lucid.randn(3, 4, 2, 5, dtype=lucid.float64, requires_grad=True)
    outputs = op(axes, 1e-5)(x, None, None)
    flowing = [lucid.randn(y.shape, dtype=lucid.float64) for y in outputs]
    total = sum((outputs[i] * flowing[i]).sum() for i in used)
    (dx,) = lucid.autograd.grad(total, x, create_graph=create_graph)

    outputs = op(axes, 1e-5)(x, None, None)
    pairs = enumerate(zip(outputs, flowing, strict=True))
    total = sum((y * g * float(i in used)).sum() for i, (y, g) in pairs)  # zeros arrive
    (expected,) = lucid.autograd.grad(total, x)
    np.testing.assert_allclose(dx.detach().cpu().numpy(), expected.cpu().numpy(), atol=1e-13)


@pytest.fixture
def cuda_counts(device):
    if device.type != "cuda" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")
    return cuda_emulator.counting


@pytest.fixture
def second(device):
    """Another device than the current one."""
    if device.type != "cuda" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("the emulated machine can have two devices: --device cuda-emulated")
    with cuda_emulator.machine_with(devices=2):
        yield lucid.device("cuda:1").concrete()


def test_a_walk_back_works_on_the_device_of_each_op(second):
    x, dy = lucid.ones(3, device=second, requires_grad=True), lucid.ones(3, device=second)
    Spared()(x)[0].backward(dy)
    assert x.grad._array is not dy._array  # a copy, as the caller still has it
    assert x.grad._array.data.device_id == 1
    Three()(x)[0].backward(dy)
    assert Three.given[1]._array.data.device_id == 1  # the zeros
    loss = (x * 2).sum()
    loss.backward()  # begins with a one
    unused = lucid.ones(2, device=second, requires_grad=True)
    (zeros,) = lucid.autograd.grad((x * 2).sum(), [unused], materialize_grads=True)
    assert zeros._array.data.device_id == x.grad._array.data.device_id == 1
    assert x.grad.tolist() == [4, 4, 4]


def test_gradients_that_meet_are_added_where_they_are(second):
    x = lucid.ones(3, device=second, requires_grad=True)
    h = x * 2
    (h.exp() * h + h).sum().backward()
    x.grad.zero_()
    (h := x * 2).sum().backward()
    assert x.grad._array.data.device_id == 1 and x.grad.tolist() == [2, 2, 2]
