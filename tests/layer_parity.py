"""The same layer in lucid and in PyTorch, run on the same numbers: outputs and gradients."""

import numpy
import pytest

import lucid

torch = pytest.importorskip("torch")


def numbers(*shape, seed=0):
    return numpy.random.default_rng(seed).uniform(-1, 1, shape)


def with_the_same_weights(ours, theirs):
    """Both in float64."""
    theirs.double()
    ours.double().load_state_dict({k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def flat(result):
    """All tensors of an answer."""
    if result is None:
        return []
    if hasattr(result, "batch_sizes"):
        return [result.data]
    return [t for part in result for t in flat(part)] if isinstance(result, tuple) else [result]


def on_host(t):
    return t.detach().cpu().numpy()


def agree(ours, theirs, tolerance=1e-10):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if a is None or b is None:  # no gradient
            assert a is b
            continue
        assert tuple(a.shape) == tuple(b.shape)
        numpy.testing.assert_allclose(on_host(a), on_host(b), tolerance, tolerance)


def sums(results, library):
    """One number that depends on every output in its own way."""
    total = 0
    for i, t in enumerate(results):
        weights = numbers(*t.shape, seed=i + 1)
        total = total + (t * library.tensor(weights) * (t + 1)).sum()
    return total


def compare(ours, theirs, run, backward=True):
    """Outputs of ``run(library, layer, leaf)`` and all gradients, of weights and leaves."""
    answers = []
    for library, layer in ((lucid, ours), (torch, theirs)):
        leaves = []

        def leaf(array, library=library, leaves=leaves):
            leaves.append(library.tensor(array))
            return leaves[-1].requires_grad_()

        for p in layer.parameters():
            p.grad = None
        results = flat(run(library, layer, leaf))
        if backward:
            sums(results, library).backward()
        grads = [p.grad for p in layer.parameters()] + [t.grad for t in leaves]
        answers.append((results, grads))
    for a, b in zip(*answers, strict=True):
        agree(a, b)


def same_names_and_shapes(ours, theirs):
    """State dicts and reprs."""
    shapes = {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in ours.state_dict().items()} == shapes
    assert list(ours.state_dict()) == list(shapes)
    assert repr(ours) == repr(theirs)
