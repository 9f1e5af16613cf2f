"""ctc_loss is PyTorch's, behind a log_softmax; its own gradient is right to second order."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.autograd import gradcheck, gradgradcheck
from tests.against_torch import compare, integers, normal

torch = pytest.importorskip("torch")
F, T = lucid.nn.functional, torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]
TIMES, N, CLASSES = 12, 3, 5
PADDED = integers(N, 4, low=1, high=CLASSES, seed=2)
LENGTHS = {"input_lengths": (12, 10, 9), "target_lengths": (4, 2, 3)}
IN_A_ROW = numpy.concatenate([PADDED[i, :s] for i, s in enumerate(LENGTHS["target_lengths"])])


def behind_softmax(function):
    def loss(scores, targets, **kwargs):
        return function(scores.log_softmax(-1), targets, **kwargs)

    return loss


def agrees(scores, targets, **kwargs):
    here, there = behind_softmax(F.ctc_loss), behind_softmax(T.ctc_loss)
    compare(torch, here, there, [scores, targets], second=False, **kwargs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("targets", [PADDED, IN_A_ROW], ids=["padded", "in a row"])
@pytest.mark.parametrize("kind", [tuple, list, numpy.asarray])
def test_the_loss_is_torchs(reduction, targets, kind, device):
    lengths = {k: kind(v) for k, v in LENGTHS.items()}
    agrees(normal(TIMES, N, CLASSES), targets, reduction=reduction, **lengths)


@pytest.mark.parametrize("blank", [0, 2, CLASSES - 1])
def test_any_class_may_be_the_blank(blank, device):
    labels = (PADDED + blank) % CLASSES
    labels[labels == blank] = (blank + 1) % CLASSES
    agrees(normal(TIMES, N, CLASSES), labels, blank=blank, **LENGTHS)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_repeated_labels_need_a_blank_between_them(reduction, device):
    targets = numpy.asarray([[1, 1, 2, 2], [3, 3, 3, 1], [4, 4, 4, 4]])
    lengths = {"input_lengths": (12, 12, 7), "target_lengths": (4, 3, 4)}
    agrees(normal(TIMES, N, CLASSES), targets, reduction=reduction, **lengths)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_target_may_be_empty(reduction, device):
    lengths = {"input_lengths": (12, 0, 3), "target_lengths": (4, 0, 0)}
    agrees(normal(TIMES, N, CLASSES), PADDED, reduction=reduction, **lengths)
    nothing = {"input_lengths": (12, 0, 3), "target_lengths": (0, 0, 0)}
    agrees(normal(TIMES, N, CLASSES), PADDED[:, :0], reduction=reduction, **nothing)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_sample_may_come_without_a_batch(reduction, device):
    lengths = {"input_lengths": (12,), "target_lengths": (4,)}
    agrees(normal(TIMES, CLASSES), PADDED[0], reduction=reduction, **lengths)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_zero_infinity_takes_impossible_targets_out(reduction, device):
    lengths = {"input_lengths": (12, 3, 9), "target_lengths": (4, 4, 3)}
    agrees(normal(TIMES, N, CLASSES), PADDED, zero_infinity=True, reduction=reduction, **lengths)


def test_an_impossible_target_costs_infinity_and_its_gradient_is_not_finite(device):
    scores = lucid.tensor(normal(TIMES, N, CLASSES), requires_grad=True)
    lengths = {"input_lengths": (12, 3, 9), "target_lengths": (4, 4, 3)}
    x, t = scores.log_softmax(-1), lucid.tensor(PADDED)
    losses = F.ctc_loss(x, t, reduction="none", **lengths)
    assert losses.isinf().tolist() == [False, True, False]
    losses.sum().backward()
    finite = scores.grad.isfinite().all(2).all(0)
    assert finite.tolist() == [True, False, True]


def test_what_is_certain_costs_nothing(device):
    x = lucid.full((3, 1, 3), -float("inf"))
    for t, c in enumerate([1, 0, 2]):
        x[t, 0, c] = 0.0
    x.requires_grad_()
    loss = F.ctc_loss(x, lucid.tensor([[1, 2]]), [3], [2])
    assert loss.item() == 0
    loss.backward()
    assert x.grad.isfinite().all().item()


def test_long_inputs_do_not_underflow(device):
    scores, targets = normal(400, 2, 20, scale=3.0), integers(2, 40, low=1, high=20)
    agrees(scores, targets, input_lengths=(400, 380), target_lengths=(40, 30))


def test_single_precision_loses_few_digits_over_long_inputs(device):
    """Rounding alpha, up to 1300 here, to 6e-8 of itself at each of 400 steps: 1e-4, absolute."""
    scores = lucid.tensor(normal(400, 1, 20, scale=2.0))
    targets = lucid.tensor(integers(1, 40, low=1, high=20))
    grads = []
    for kind in (lucid.float64, lucid.float32):
        x = scores.to(kind).clone().requires_grad_()
        F.ctc_loss(x.log_softmax(-1), targets, [400], [40], reduction="sum").backward()
        grads.append(x.grad.double().cpu().numpy())
    numpy.testing.assert_allclose(grads[1], grads[0], atol=2e-4)


def test_the_gradient_is_that_of_the_log_probabilities_twice(device):
    """PyTorch has no second gradient, and its first one is meant for what log_softmax gives."""
    x = lucid.tensor(normal(5, 2, 4), requires_grad=True)
    targets = lucid.tensor([[1, 1], [2, 3]])

    def loss(x):
        return F.ctc_loss(x, targets, [5, 4], [2, 2], reduction="none")

    assert gradcheck(loss, [x])
    assert gradgradcheck(loss, [x])


def test_the_gradient_is_the_same_whether_it_will_be_differentiated_or_not(device):
    x = lucid.tensor(normal(TIMES, N, CLASSES), requires_grad=True)
    loss = F.ctc_loss(x.log_softmax(-1), lucid.tensor(PADDED), reduction="sum", **LENGTHS)
    plain, recorded = (
        lucid.autograd.grad(loss, x, retain_graph=True, create_graph=again)[0].detach()
        for again in (False, True)
    )
    numpy.testing.assert_allclose(recorded.cpu().numpy(), plain.cpu().numpy(), atol=1e-12)


def test_the_layer_is_its_function(device):
    here, there = (
        library.CTCLoss(blank=4, reduction="sum", zero_infinity=True) for library in (nn, torch.nn)
    )
    targets, lengths = PADDED % 4, {k: numpy.asarray(v) for k, v in LENGTHS.items()}
    compare(torch, behind_softmax(here), behind_softmax(there),
            [normal(TIMES, N, CLASSES), targets], second=False, **lengths)  # fmt: skip
    assert repr(here) == repr(there)


def test_lengths_must_be_one_per_sample(device):
    x, t = lucid.zeros(4, 2, 3), lucid.ones(2, 2, dtype=lucid.int64)
    with pytest.raises(lucid.errors.ShapeError, match="ctc_loss: input_lengths must be 2, one per"):
        F.ctc_loss(x, t, [4], [2, 2])
    with pytest.raises(lucid.errors.ShapeError, match="ctc_loss: target_lengths must not be neg"):
        F.ctc_loss(x, t, [4, 4], [2, -1])
    with pytest.raises(lucid.errors.DTypeError, match="ctc_loss: targets must be integers"):
        F.ctc_loss(x, t.float(), [4, 4], [2, 2])
    with pytest.raises(lucid.errors.ShapeError, match=r"ctc_loss: log_probs must be \(T, N, C\)"):
        F.ctc_loss(lucid.zeros(4, 0, 3), t[:0], [], [])
