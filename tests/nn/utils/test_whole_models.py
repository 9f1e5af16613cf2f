"""All gradients or parameters of a model at once, and models without first values."""

import inspect

import numpy
import pytest

import lucid
from lucid import nn
from lucid.errors import GradError, ShapeError

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (5,), ()]


def parameters(framework, scale=1.0):
    """Parameters with the same gradients on either side."""
    rng = numpy.random.default_rng(0)
    made = []
    for shape in SHAPES:
        p = framework.nn.Parameter(framework.tensor(rng.normal(size=shape)))
        p.grad = framework.tensor(scale * rng.normal(size=shape))
        made.append(p)
    return [*made, framework.nn.Parameter(framework.zeros(2))]  # one without gradient


def assert_same_gradients(ours, theirs):
    for p, q in zip(ours[:-1], theirs[:-1], strict=True):
        numpy.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3, float("inf"), 0.5])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipped_gradients_are_pytorchs(norm_type, max_norm, device):
    ours, theirs = parameters(lucid), parameters(torch)
    mine = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    other = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert mine.item() == pytest.approx(other.item(), rel=1e-12)
    assert_same_gradients(ours, theirs)


def test_values_are_clipped_as_pytorchs(device):
    ours, theirs = parameters(lucid), parameters(torch)
    nn.utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    assert_same_gradients(ours, theirs)


def test_a_norm_that_is_not_finite_is_refused_if_asked_for(device):
    ours = parameters(lucid, scale=float("inf"))
    with pytest.raises(GradError, match="must be finite"):
        nn.utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)


def test_the_old_name_warns():
    with pytest.warns(FutureWarning, match="now called clip_grad_norm_"):
        nn.utils.clip_grad_norm(parameters(lucid), 1.0)


def test_parameters_go_into_a_vector_and_back(device):
    ours, theirs = parameters(lucid), parameters(torch)
    v, w = nn.utils.parameters_to_vector(ours), torch.nn.utils.parameters_to_vector(theirs)
    numpy.testing.assert_array_equal(v.detach().cpu().numpy(), w.detach().numpy())
    nn.utils.vector_to_parameters(2 * v.detach(), ours)
    torch.nn.utils.vector_to_parameters(2 * w.detach(), theirs)
    for p, q in zip(ours, theirs, strict=True):
        numpy.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().numpy())


def test_the_vector_is_part_of_the_graph(device):
    ours = parameters(lucid)
    (nn.utils.parameters_to_vector(ours) * lucid.arange(20.0, dtype=lucid.float64)).sum().backward()
    assert ours[-1].grad.tolist() == [18, 19]


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ShapeError, match="as many elements as the parameters, 20; got 3"):
        nn.utils.vector_to_parameters(lucid.ones(3), parameters(lucid))
    with pytest.raises(TypeError, match="expected a Tensor; got list"):
        nn.utils.vector_to_parameters([1.0], parameters(lucid))


def test_skip_init_makes_the_module_and_draws_no_numbers(device):
    lucid.manual_seed(0)
    expected = lucid.rand(1).item()
    lucid.manual_seed(0)
    net = nn.utils.skip_init(nn.Conv2d, 3, 4, kernel_size=3, bias=False, device=device)
    assert type(net) is nn.Conv2d
    assert net.weight.shape == (4, 3, 3, 3)
    assert net.weight.device == device
    assert net.bias is None
    assert lucid.rand(1).item() == expected


def test_skip_init_is_where_it_is_told_to_be(device):
    assert nn.utils.skip_init(nn.Linear, 3, 4).weight.device.type == "cpu"


def test_skip_init_does_not_initialise():
    drawn = []

    class Watched(nn.Linear):
        def reset_parameters(self):
            drawn.append(self)

    net = nn.utils.skip_init(Watched, 3, 4)
    assert not drawn
    net.reset_parameters()
    assert drawn == [net]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(nn.Dropout, "must take a device; got Dropout"), (dict, "expected a subclass of Module")],
)
def test_skip_init_refuses_what_it_can_not_make(kind, text):
    with pytest.raises(TypeError, match=text):
        nn.utils.skip_init(kind)


NAMES = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grads_with_norm_", "clip_grad_value_",
    "get_total_norm", "parameters_to_vector", "remove_spectral_norm", "remove_weight_norm",
    "skip_init", "spectral_norm", "vector_to_parameters", "weight_norm",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [
            (p.name, p.default)
            for p in inspect.signature(getattr(m.nn.utils, name)).parameters.values()
        ]
        for m in (lucid, torch)
    )
    assert mine == other
