"""One call, here and in PyTorch, in float64: values, gradients and second gradients must agree."""

import numpy

import lucid

FLOAT64 = {"rtol": 1e-9, "atol": 1e-11}  # a few hundred roundings


def normal(*shape, seed=0, scale=1.0):
    return numpy.random.default_rng(seed).normal(size=shape) * scale


def uniform(*shape, low=0.0, high=1.0, seed=0):
    return numpy.random.default_rng(seed).uniform(low, high, shape)


def integers(*shape, low=0, high=2, seed=0):
    return numpy.random.default_rng(seed).integers(low, high, shape)


def first(result):
    return result[0] if isinstance(result, tuple) else result


def compare(torch, here, there, arrays, second=True, close=FLOAT64, **kwargs):
    """Both functions on these arrays; those of floating point numbers get gradients."""
    ours = _answers(lucid, lucid.autograd.grad, here, arrays, second, kwargs)
    theirs = _answers(torch, torch.autograd.grad, there, arrays, second, kwargs)
    assert ours.keys() == theirs.keys()
    for what, expected in theirs.items():
        assert ours[what].shape == expected.shape, what
        numpy.testing.assert_allclose(ours[what], expected, err_msg=what, **close)


def _answers(library, grad, function, arrays, second, kwargs):
    x = [a if a is None else library.tensor(a) for a in arrays]
    smooth = [t.requires_grad_() for t in x if t is not None and t.is_floating_point()]
    kwargs = {
        k: library.tensor(v) if isinstance(v, numpy.ndarray) else v for k, v in kwargs.items()
    }
    y = first(function(*x, **kwargs))
    found = {"value": y}
    if not y.requires_grad:
        return {"value": y.detach().cpu().numpy()}
    dy = library.tensor(normal(*y.shape, seed=1)).requires_grad_()
    once = grad(y, smooth, dy, create_graph=second, allow_unused=True)
    found |= {f"gradient {i}": g for i, g in enumerate(once) if g is not None}
    if second:
        once = [g for g in once if g is not None and g.requires_grad]
        again = [library.tensor(normal(*g.shape, seed=2)) for g in once]
        twice = grad(once, [*smooth, dy], again, allow_unused=True)
        found |= {f"second gradient {i}": g for i, g in enumerate(twice) if _counts(g)}
    return {k: t.detach().cpu().numpy() for k, t in found.items()}


def _counts(gradient):
    """Where one says "no gradient" the other may say zeros."""
    return gradient is not None and bool((gradient != 0).any())
