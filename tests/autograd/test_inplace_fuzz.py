"""Random programs of views and in-place writes have the values and gradients that torch gives."""

import random

import numpy
import pytest

import lucid
from lucid.autograd import gradcheck
from lucid.errors import GradError

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (2, 3, 2), (4,), (2, 2, 3)]


def view(rng, t):
    """A random view, as a function of a tensor of t's shape that both libraries understand."""
    n = len(t.shape)
    kinds = ["unsqueeze", "alias"]
    if n:
        kinds += ["slice", "slice", "select", "flatten", "narrow"]
    if n > 1:
        kinds += ["transpose", "transpose", "diagonal", "permute"]
    kind = rng.choice(kinds)
    d = rng.randrange(n) if n else 0
    if kind == "unsqueeze":
        return lambda t: t.unsqueeze(d)
    if kind == "alias":
        return lambda t: t[...]
    if kind == "select":
        i = rng.randrange(t.shape[d])
        return lambda t: t.select(d, i)
    if kind == "slice":
        start, step = rng.randrange(t.shape[d]), rng.choice([1, 1, 2])
        index = (slice(None),) * d + (slice(start, None, step),)
        return lambda t: t[index]
    if kind == "narrow":
        start = rng.randrange(t.shape[d])
        length = rng.randrange(1, t.shape[d] - start + 1)
        return lambda t: t.narrow(d, start, length)
    if kind == "flatten":
        return lambda t: t.reshape(-1)  # a copy where the strides do not allow a view
    order = rng.sample(range(n), n)
    if kind == "permute":
        return lambda t: t.permute(*order)
    if kind == "diagonal":
        return lambda t: t.diagonal(0, order[0], order[1])
    return lambda t: t.transpose(order[0], order[1])


def write(rng, pool, i):
    """A random in-place change of pool[i], as a function of the pool."""
    t = pool[i]
    fitting = [k for k, o in enumerate(pool) if o.shape == t.shape[len(t.shape) - len(o.shape) :]]
    k = rng.choice(fitting)
    c = rng.uniform(-1.5, 1.5)

    def other(pool):  # in torch, writing from memory that overlaps is undefined
        return pool[k].clone()

    changes = [
        lambda p: p[i].mul_(c),
        lambda p: p[i].add_(other(p)),
        lambda p: p[i].mul_(other(p)),
        lambda p: p[i].mul_(p[i]),
        lambda p: p[i].sub_(other(p), alpha=0.5),
        lambda p: p[i].sin_(),
        lambda p: p[i].tanh_(),
        lambda p: p[i].exp_() if abs(p[i].detach()).max() < 2 else p[i],
        lambda p: p[i].copy_(other(p)),
        lambda p: p[i].fill_(c),
        lambda p: p[i].zero_(),
        lambda p: p[i].clamp_(-0.7, 0.7),
        lambda p: p[i].masked_fill_(p[i].detach() > 0.2, c),
    ]
    if t.shape:
        rows = [rng.randrange(t.shape[0]) for _ in range(2)]
        if rows[0] != rows[1]:
            changes.append(lambda p: p[i].__setitem__(rows, p[i][rows] * c))
        changes.append(lambda p: p[i].__setitem__(rows[0], c))
        changes.append(lambda p: p[i].__setitem__(slice(None, None, 2), p[k].sum()))
        changes.append(lambda p: p[i].__setitem__(p[i].detach() > 0, c))
    return rng.choice(changes)


def program(seed, library, x, w):
    """The tensors that the random steps of this seed leave behind."""
    rng = random.Random(seed)
    pool = [x * w, w + 0.0, library.tensor(start(seed)[0])]
    for _ in range(rng.randrange(3, 14)):
        i = rng.randrange(len(pool))
        action = rng.random()
        if action < 0.4:
            pool.append(view(rng, pool[i])(pool[i]))
        elif action < 0.9:
            write(rng, pool, i)(pool)
        else:
            pool.append((pool[i] * 1.3).cos())
    return pool


def start(seed):
    shape = SHAPES[seed % len(SHAPES)]
    return numpy.random.default_rng(seed).uniform(-1, 1, (2, *shape))


def run(seed, library):
    """Values, what requires grad, what is a leaf, gradients."""
    x, w = (library.tensor(v, requires_grad=True) for v in start(seed))
    pool = program(seed, library, x, w)
    sum((t * (n + 1.5)).sum() for n, t in enumerate(pool)).backward()
    # A leaf whose every use was overwritten has no gradient here, and zeros in torch.
    grads = [numpy.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in (x, w)]
    values = [t.detach().numpy() for t in pool]
    return values, [(t.requires_grad, t.is_leaf) for t in pool], grads


@pytest.mark.parametrize("seed", range(300))
def test_random_views_and_writes(seed):
    try:
        values, kinds, grads = run(seed, torch)
    except RuntimeError:  # torch refuses some of what is right here, but never the reverse:
        x, w = (lucid.tensor(v, requires_grad=True) for v in start(seed))
        try:
            assert gradcheck(lambda x, w: program(seed, lucid, x, w), (x, w))
        except GradError as error:
            assert "modified in place" in str(error)
        return
    our_values, our_kinds, our_grads = run(seed, lucid)
    assert our_kinds == kinds
    for ours, theirs in zip(our_values + our_grads, values + grads, strict=True):
        numpy.testing.assert_allclose(ours, theirs, atol=1e-10)
