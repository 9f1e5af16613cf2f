"""Losses of margins, pairs and triplets are PyTorch's: values, both gradients, options, layers."""

import numpy
import pytest

import lucid
from lucid import nn
from tests.against_torch import compare, integers, normal, uniform

torch = pytest.importorskip("torch")
F, T = lucid.nn.functional, torch.nn.functional
REDUCTIONS = ["mean", "sum", "none"]
signs = integers(6, 4, seed=3) * 2.0 - 1.0


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0, 0.5, -0.2])
def test_margin_ranking_loss_is_torchs(reduction, margin, device):
    arrays = [normal(6, 4), normal(6, 4, seed=1), signs]
    kwargs = {"margin": margin, "reduction": reduction}
    compare(torch, F.margin_ranking_loss, T.margin_ranking_loss, arrays, **kwargs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [1.0, 0.3])
@pytest.mark.parametrize("target", [signs, signs.astype("int64"), normal(4)], ids=str)
def test_hinge_embedding_loss_is_torchs(reduction, margin, target, device):
    arrays = [normal(6, 4), target]
    kwargs = {"margin": margin, "reduction": reduction}
    compare(torch, F.hinge_embedding_loss, T.hinge_embedding_loss, arrays, **kwargs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_soft_margin_loss_is_torchs(reduction, device):
    here, there = F.soft_margin_loss, T.soft_margin_loss
    compare(torch, here, there, [normal(6, 4)], target=signs, reduction=reduction)


def test_soft_margin_loss_does_not_overflow(device):
    x = lucid.tensor([1000.0, -1000.0], requires_grad=True)
    y = F.soft_margin_loss(x, lucid.tensor([-1.0, -1.0]), reduction="none")
    assert y.tolist() == [1000.0, 0.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (4,)], ids=str)
@pytest.mark.parametrize("weight", [None, uniform(4)], ids=["plain", "weighted"])
def test_multilabel_soft_margin_loss_is_torchs(reduction, shape, weight, device):
    arrays = [normal(*shape), uniform(*shape)]
    here, there = F.multilabel_soft_margin_loss, T.multilabel_soft_margin_loss
    compare(torch, here, there, arrays, weight=weight, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("p, margin", [(1, 1.0), (2, 1.0), (2, 0.4)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 4), (4,)], ids=str)
def test_multi_margin_loss_is_torchs(reduction, p, margin, weighted, shape, device):
    weight = torch.tensor(uniform(4)) if weighted else None
    kwargs = {"p": p, "margin": margin, "reduction": reduction}
    compare(
        torch,
        lambda x, t: F.multi_margin_loss(
            x, t, weight=None if weight is None else lucid.tensor(weight.numpy()), **kwargs
        ),
        lambda x, t: T.multi_margin_loss(x, t, weight=weight, **kwargs),
        [normal(*shape), numpy.asarray(integers(*shape[:-1], high=4))],
        second=False,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (1, 1)], ids=str)
def test_multilabel_margin_loss_is_torchs(reduction, shape, device):
    labels = integers(*shape, low=-1, high=shape[-1])
    here, there = F.multilabel_margin_loss, T.multilabel_margin_loss
    compare(torch, here, there, [normal(*shape), labels], second=False, reduction=reduction)


def test_multilabel_margin_loss_works_on_pairs_in_parts(monkeypatch, device):
    from lucid.ops import class_margin

    x, t = lucid.tensor(normal(6, 5)), lucid.tensor(integers(6, 5, low=-1, high=5))
    whole = F.multilabel_margin_loss(x, t, reduction="none")
    monkeypatch.setattr(class_margin, "_BLOCK", 70)  # two of the five columns at a time
    numpy.testing.assert_allclose(
        F.multilabel_margin_loss(x, t, reduction="none").cpu().numpy(), whole.cpu().numpy()
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0, 0.5, -0.5])
@pytest.mark.parametrize("shape", [(6, 4), (4,)], ids=str)
def test_cosine_embedding_loss_is_torchs(reduction, margin, shape, device):
    target = numpy.asarray(integers(*shape[:-1], seed=4) * 2 - 1)
    arrays = [normal(*shape), normal(*shape, seed=1), target]
    kwargs = {"margin": margin, "reduction": reduction}
    compare(torch, F.cosine_embedding_loss, T.cosine_embedding_loss, arrays, **kwargs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("margin, p", [(1.0, 2.0), (2.0, 1.0), (0.5, 3.0), (1.5, float("inf"))])
@pytest.mark.parametrize("shape", [(6, 4), (4,)], ids=str)
def test_triplet_margin_loss_is_torchs(reduction, swap, margin, p, shape, device):
    arrays = [normal(*shape, seed=s) for s in range(3)]
    kwargs = {"margin": margin, "p": p, "swap": swap, "reduction": reduction}
    second = p == 2  # PyTorch's second gradients of the other norms are NaN in places
    compare(torch, F.triplet_margin_loss, T.triplet_margin_loss, arrays, second=second, **kwargs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_triplet_loss_with_a_distance_is_torchs(reduction, swap, given, device):
    arrays = [normal(6, 4, seed=s) for s in range(3)]
    kwargs = {"swap": swap, "reduction": reduction, "margin": 1.5}
    if given:
        kwargs["distance_function"] = lambda a, b: ((a - b) * (a - b)).sum(-1)
    here, there = F.triplet_margin_with_distance_loss, T.triplet_margin_with_distance_loss
    compare(torch, here, there, arrays, **kwargs)


LAYERS = [
    ("MarginRankingLoss", {"margin": 0.5}, [(3, 4)] * 3),
    ("HingeEmbeddingLoss", {"margin": 0.5, "reduction": "sum"}, [(3, 4)] * 2),
    ("SoftMarginLoss", {"reduction": "none"}, [(3, 4), "many signs"]),
    ("MultiLabelSoftMarginLoss", {"reduction": "sum"}, [(3, 4)] * 2),
    ("MultiLabelMarginLoss", {}, [(3, 4), "labels"]),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5}, [(3, 4), "label"]),
    ("CosineEmbeddingLoss", {"margin": 0.1}, [(3, 4), (3, 4), "signs"]),
    ("TripletMarginLoss", {"margin": 0.5, "p": 1.0, "swap": True}, [(3, 4)] * 3),
    ("TripletMarginWithDistanceLoss", {"margin": 0.5, "swap": True}, [(3, 4)] * 3),
]
KINDS = {
    "labels": integers(3, 4, high=4),
    "label": integers(3, high=4),
    "signs": signs[0, :3],
    "many signs": signs[:3].astype("int64"),
}


@pytest.mark.parametrize("name, settings, given", LAYERS, ids=[name for name, *_ in LAYERS])
def test_a_layer_is_its_function_and_shows_as_torchs(name, settings, given, device):
    here, there = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    arrays = [KINDS[g] if isinstance(g, str) else normal(*g, seed=i) for i, g in enumerate(given)]
    compare(torch, here, there, arrays, second=False)
    assert repr(here) == repr(there)
    assert list(here.state_dict()) == list(there.state_dict())


def test_a_weight_per_class_is_part_of_the_state(device):
    for name in ("MultiMarginLoss", "MultiLabelSoftMarginLoss"):
        layer = getattr(nn, name)(weight=lucid.ones(4))
        assert list(layer.state_dict()) == ["weight"]
    assert list(nn.MultiMarginLoss().state_dict()) == []


def test_settings_are_checked_when_a_layer_is_made():
    with pytest.raises(ValueError, match="TripletMarginLoss: margin must be positive; got 0"):
        nn.TripletMarginLoss(margin=0)
    with pytest.raises(ValueError, match="MultiMarginLoss: p must be 1 or 2; got 3"):
        nn.MultiMarginLoss(p=3)
    with pytest.raises(ValueError, match=r"MultiMarginLoss: weight must be \(C,\)"):
        nn.MultiMarginLoss(weight=lucid.ones(2, 2))
