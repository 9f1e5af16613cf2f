"""nn.utils: clipping gradients, parameters as a vector."""

import pytest

import lucid
from lucid import nn
from lucid.errors import GradError, ShapeError
from lucid.nn import utils


def parameters_with_gradients(scale=1.0):
    parameters = [nn.Parameter(lucid.zeros(*shape)) for shape in [(3, 4), (5,), (2,)]]
    for p in parameters[:2]:
        p.grad = lucid.randn(*p.shape) * scale
    return parameters  # the last one has none


@pytest.mark.parametrize("norm_type", [1, 2, 3.5, float("inf")])
@pytest.mark.parametrize("scale", [0.01, 10.0])
def test_clipping_by_norm_is_pytorchs(norm_type, scale, device):
    torch = pytest.importorskip("torch")
    ours = parameters_with_gradients(scale)
    theirs = [torch.zeros(p.shape, requires_grad=True) for p in ours]
    for p, q in zip(ours, theirs, strict=True):
        q.grad = None if p.grad is None else torch.tensor(p.grad.tolist())
    total = utils.clip_grad_norm_(ours, 1.0, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type)
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    for p, q in zip(ours[:2], theirs, strict=False):
        assert p.grad.numpy(force=True) == pytest.approx(q.grad.numpy(), rel=1e-6)


def test_one_tensor_or_a_generator_will_do():
    p = nn.Parameter(lucid.ones(1))
    p.grad = lucid.tensor([5.0])
    assert utils.clip_grad_norm_(p, 1.0).item() == 5
    utils.clip_grad_norm_((x for x in [p]), 0.5)
    assert p.grad.item() == pytest.approx(0.5, rel=1e-5)


def test_without_gradients_the_norm_is_zero():
    assert utils.clip_grad_norm_([nn.Parameter(lucid.ones(1))], 1.0).item() == 0


def test_a_norm_that_is_not_finite_is_an_error_on_request(device):
    p = nn.Parameter(lucid.ones(1))
    p.grad = lucid.tensor([float("inf")])
    assert utils.clip_grad_norm_(p, 1.0).item() == float("inf")
    p.grad = lucid.tensor([float("nan")])
    with pytest.raises(GradError, match="must be finite; got nan"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_clipping_by_value_clamps_each_element(device):
    p = nn.Parameter(lucid.ones(3))
    p.grad = lucid.tensor([-5.0, 0.1, 5.0])
    utils.clip_grad_value_([p], 0.5)
    assert p.grad.tolist() == pytest.approx([-0.5, 0.1, 0.5])


def test_a_vector_goes_into_parameters_and_back(device):
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = lucid.arange(13.0)
    utils.vector_to_parameters(vector, net.parameters())
    assert net[0].weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (utils.parameters_to_vector(net.parameters()) == vector).all()
    assert utils.parameters_to_vector(net.parameters()).requires_grad


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ShapeError, match="3; got 4"):
        utils.vector_to_parameters(lucid.ones(4), nn.Linear(2, 1).parameters())
