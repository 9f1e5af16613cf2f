"""scaled_dot_product_attention: PyTorch's numbers, its masks, and lucid's dropout."""

import math

import numpy
import pytest

import lucid
from lucid import nn
from lucid.autograd import gradcheck, gradgradcheck
from tests.layer_parity import compare, numbers

torch = pytest.importorskip("torch")
NOTHING = nn.Identity(), torch.nn.Identity()
attend = nn.functional.scaled_dot_product_attention


def both(library):
    return library.nn.functional.scaled_dot_product_attention


def agree(q, k, v, mask=None, **kwargs):
    """Output and gradients for these shapes; a mask as an array."""

    def run(library, _, leaf):
        inputs = [leaf(numbers(*shape, seed=i)) for i, shape in enumerate((q, k, v))]
        m = mask
        if mask is not None:
            m = library.tensor(mask) if mask.dtype == bool else leaf(mask)
        return both(library)(*inputs, m, **kwargs)

    compare(*NOTHING, run)


SHAPES = [
    [(2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 2)],
    [(5, 4), (6, 4), (6, 2)],
    [(2, 5, 4), (2, 6, 4), (2, 6, 4)],
    [(2, 3, 5, 4), (2, 1, 6, 4), (2, 1, 6, 4)],
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("kwargs", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
def test_gives_what_pytorch_gives(shapes, kwargs, device):
    agree(*shapes, **kwargs)


@pytest.mark.parametrize("size", [(5, 6), (5, 1), (2, 1, 5, 6), (2, 3, 5, 6)])
@pytest.mark.parametrize("causal", [False, True])
def test_takes_bool_masks(size, causal, device):
    """With ``is_causal`` both hold, which not all of PyTorch's ways to compute it take."""
    mask = numbers(*size) > -0.5
    mask[..., 0] = True
    combined = mask & numpy.tri(5, 6, dtype=bool) if causal else mask

    def run(library, _, leaf):
        inputs = [leaf(numbers(*shape, seed=i)) for i, shape in enumerate(SHAPES[0])]
        if library is torch:
            return both(library)(*inputs, torch.tensor(combined))
        return attend(*inputs, lucid.tensor(mask), is_causal=causal)

    compare(*NOTHING, run)


@pytest.mark.parametrize("size", [(5, 6), (2, 1, 5, 6), (2, 3, 5, 6)])
def test_takes_masks_that_are_added_and_gives_their_gradients(size, device):
    agree(*SHAPES[0], numbers(*size, seed=7))


def test_heads_may_share_keys_and_values(device):
    agree((2, 6, 5, 4), (2, 3, 7, 4), (2, 2, 7, 4), enable_gqa=True)


@pytest.mark.parametrize("kind", ["bool", "added"])
def test_a_row_whose_keys_are_all_masked_gives_zero_and_no_gradient(kind, device):
    mask = numpy.ones((5, 6), bool)
    mask[2] = False
    given = mask if kind == "bool" else numpy.where(mask, 0.0, -numpy.inf)
    q, k, v = (lucid.tensor(numbers(*s), requires_grad=True) for s in SHAPES[1])
    y = attend(q, k, v, lucid.tensor(given))
    y.sum().backward()
    assert (y[2] == 0).all()
    assert (q.grad[2] == 0).all()
    assert all(t.grad.isfinite().all() for t in (q, k, v))
    if kind == "bool":
        agree(*SHAPES[1], mask)


def test_no_keys_give_zeros(device):
    assert (attend(lucid.ones(3, 2), lucid.ones(0, 2), lucid.ones(0, 4)) == 0).all()


def test_second_gradients_through_a_masked_row_are_right(device):
    mask = lucid.tensor([[True, True], [False, False], [True, False]])
    inputs = [lucid.tensor(numbers(*s), requires_grad=True) for s in [(3, 2), (2, 2), (2, 1)]]
    assert gradgradcheck(lambda q, k, v: attend(q, k, v, mask), inputs)
    added = lucid.tensor(numbers(3, 2), requires_grad=True)
    assert gradcheck(lambda q, k, v, m: attend(q, k, v, m, is_causal=True), [*inputs, added])
    assert gradgradcheck(lambda q, k, v, m: attend(q, k, v, m, is_causal=True), [*inputs, added])


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("causal", [False, True])
def test_the_gradient_that_can_be_differentiated_is_the_same(p, causal, device):
    mask = numpy.where(numbers(5, 6) > -0.5, 0.0, -numpy.inf)
    mask[1] = -numpy.inf
    inputs = [*random_inputs(), lucid.tensor(mask, requires_grad=True)]
    total = attend(*inputs, p, causal).square().sum()
    plain = lucid.autograd.grad(total, inputs, retain_graph=True)
    again = lucid.autograd.grad(total, inputs, create_graph=True)
    for a, b in zip(plain, again, strict=True):
        assert lucid.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_second_gradients_of_a_row_that_is_masked_by_infinities_are_zero(device):
    mask = lucid.tensor([[0.0, 0.0], [-math.inf, -math.inf]], dtype=lucid.float64)
    inputs = [lucid.tensor(numbers(2, 2, seed=i), requires_grad=True) for i in range(3)]
    first = lucid.autograd.grad(attend(*inputs, mask).square().sum(), inputs, create_graph=True)
    second = lucid.autograd.grad(sum(t.square().sum() for t in first), inputs)
    assert all(t.isfinite().all() for t in second)
    assert not second[0][1].any()


def test_large_scores_do_not_overflow(device):
    q = lucid.full((2, 4), 1e3)
    assert attend(q, q, lucid.eye(2)).isfinite().all()


# Dropout.


def plain(q, k, v, p):
    """The same by lucid's other functions."""
    w = (q.matmul(k.transpose(-1, -2)) / math.sqrt(q.shape[-1])).softmax(-1)
    return nn.functional.dropout(w, p).matmul(v)


def random_inputs(device=None):
    return [
        lucid.tensor(numbers(*s, seed=i), device=device, requires_grad=True)
        for i, s in enumerate(SHAPES[0])
    ]


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_dropout_is_the_functions_of_the_weights(p, device):
    results = []
    for function in (lambda *x: attend(*x[:3], None, p), lambda *x: plain(*x, p)):
        inputs = random_inputs()
        lucid.manual_seed(3)
        y = function(*inputs)
        y.square().sum().backward()
        state = lucid.random.default_generator.state_tuple()
        results.append((y, *[t.grad for t in inputs], state))
    for a, b in zip(results[0][:-1], results[1][:-1], strict=True):
        assert lucid.allclose(a, b, rtol=1e-10, atol=1e-12)
    assert results[0][-1] == results[1][-1]


def test_the_mask_of_a_seed_is_the_same_on_every_device(device):
    answers = []
    for where in ("cpu", device):
        lucid.manual_seed(3)
        answers.append(attend(*random_inputs(where), dropout_p=0.5).cpu())
    assert lucid.allclose(*answers, rtol=1e-12)


def test_a_fraction_p_of_the_weights_is_dropped(device):
    """Equal scores, and values of the identity: the output shows every weight."""
    p, n = 0.3, 300
    y = attend(lucid.zeros(n, 1), lucid.zeros(n, 1), lucid.eye(n), dropout_p=p)
    five_sigma = 5 * (p * (1 - p) / n**2) ** 0.5
    assert abs((y == 0).float().mean().item() - p) < five_sigma
    assert abs(y.max().item() * n * (1 - p) - 1) < 1e-5


def test_a_generator_may_be_given(device):
    q = lucid.randn(20, 4)
    before = lucid.random.default_generator.state_tuple()
    a, b = (attend(q, q, q, dropout_p=0.5, generator=g) for g in seeded(1, 1))
    assert lucid.equal(a, b)
    assert lucid.random.default_generator.state_tuple() == before


def seeded(*seeds):
    return [lucid.Generator().manual_seed(seed) for seed in seeds]


def test_nothing_is_drawn_for_p_0_and_p_1(device):
    before = lucid.random.default_generator.state_tuple()
    for p in (0.0, 1.0):
        attend(lucid.ones(3, 2), lucid.ones(3, 2), lucid.ones(3, 2), dropout_p=p)
    assert lucid.random.default_generator.state_tuple() == before


def test_second_gradients_draw_the_same_mask(device):
    inputs = [lucid.tensor(numbers(3, 2, seed=i), requires_grad=True) for i in range(3)]

    def dropped(*x):
        return attend(*x, dropout_p=0.4, generator=lucid.Generator().manual_seed(1))

    assert gradcheck(dropped, inputs)
    assert gradgradcheck(dropped, inputs)


@pytest.mark.parametrize("dtype, tolerance", [("float16", 2e-3), ("bfloat16", 1e-2)])
def test_halves_are_computed_in_float32(dtype, tolerance, device):
    """Inputs, outputs and gradients are rounded once."""
    kind = getattr(lucid, dtype)
    x = [t.detach().to(kind).requires_grad_() for t in random_inputs()]
    exact = [t.detach().double().requires_grad_() for t in x]
    for inputs in (x, exact):
        attend(*inputs, is_causal=True).square().sum().backward()
    for a, b in zip(x, exact, strict=True):
        assert (a.grad.double() - b.grad).abs().max() <= tolerance * max(1, b.grad.abs().max())
