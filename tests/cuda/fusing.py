"""What the tests of fused layers share: chains, and all that training steps show of them."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.backend.cuda import options
from tests.kernels.agreement import CLOSE

NORM, NORM_DROP, SELU = "NormReluDropout", "NormReluDropout with a key", "SeluDropout"
N, C = 4, 8


@pytest.fixture(autouse=True)
def own_kernels(monkeypatch):
    """cuDNN's batch norm adds in another order; with lucid's own there is one answer."""
    monkeypatch.setattr(options.cudnn, "batch_norm", False)


@pytest.fixture
def apart(monkeypatch):
    """Call it, and fusion is off for the rest of the test."""
    return lambda: monkeypatch.setattr(lucid.backends.fusion, "enabled", False)


def image(*shape, dtype=lucid.float32, order=lucid.contiguous_format, seed=0):
    values = numpy.random.default_rng(seed).normal(size=shape or (N, C, 4, 6)) * 2
    x = lucid.tensor(values, device="cuda").to(dtype)
    x = x.contiguous(memory_format=order) if x.ndim == 4 else x
    return x.detach().requires_grad_()


def ops(y):
    """The fused ops in y's graph, last first."""
    found = [n for n in nodes(y) if type(n).__name__ in (NORM, SELU)]
    return [NORM_DROP if n.key and n.name() == NORM else n.name() for n in found]


def nodes(y):
    """The graph of y, from its end to its beginnings."""
    found, ahead = [], [y.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in found:
            found.append(node)
            ahead += [edge[0] for edge in getattr(node, "edges", ()) if edge is not None]
    return found


def relu_chain(p=0.3, **kwargs):
    return nn.Sequential(nn.BatchNorm2d(C), nn.ReLU(), nn.Dropout2d(p), **kwargs)


def learned(model):
    """Weights and running statistics that are not 0 and 1."""
    rng = numpy.random.default_rng(1)
    with lucid.no_grad():
        for t in [*model.parameters(), *model.buffers()]:
            if t.is_floating_point():
                t.copy_(lucid.tensor(rng.uniform(0.5, 1.5, t.shape)))
    return model.cuda()


def steps(model, x, count=2):
    """All that training steps show: outputs, gradients, masks, statistics, how much was drawn."""
    lucid.manual_seed(5)
    shown = {}
    for i in range(count):
        x.grad = None
        model.zero_grad()
        y = model(x)
        shown[f"y{i}"] = y.detach()
        (y * y).sum().backward()
        shown[f"dx{i}"] = x.grad
        shown.update({f"{n}.grad{i}": p.grad for n, p in model.named_parameters()})
        masks = [(n, m.mask) for n, m in model.named_modules() if hasattr(m, "mask")]
        shown.update({f"{n}.mask{i}": mask for n, mask in masks})
    shown.update(model.state_dict())
    shown["next number"] = lucid.rand(1)
    versions = {n: b._version for n, b in model.named_buffers()}
    return ops(y), {k: None if t is None else t.cpu() for k, t in shown.items()}, versions


def compare(make, x, apart, expected, count=2):
    together = steps(learned(make()), x, count)
    apart()
    alone = steps(learned(make()), x, count)
    assert (together[0], alone[0]) == (expected, [])
    assert together[2] == alone[2]
    assert together[1].keys() == alone[1].keys()
    for name, theirs in alone[1].items():
        ours = together[1][name]
        if theirs is None:
            assert ours is None, name
            continue
        assert (ours.dtype, ours.shape, ours.stride()) == (
            theirs.dtype,
            theirs.shape,
            theirs.stride(),
        )
        a, b = (t.double().numpy() for t in (ours, theirs))
        if x.dtype in (lucid.float16, lucid.bfloat16) and "mask" not in name:
            # Rounded once, not after each layer; so backward starts from other halves.
            close = 8 * CLOSE[str(x.dtype).removeprefix("lucid.")]
            numpy.testing.assert_allclose(a, b, atol=close * max(1, abs(b).max()), err_msg=name)
        else:
            numpy.testing.assert_array_equal(a, b, err_msg=name)
