"""A step of an optimizer over the parameters of ResNet-18, beside PyTorch."""

import pytest

import lucid
from benchmarks import harness
from benchmarks.networks import resnet18

CASES = {
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "SGD": ("SGD", {"lr": 1e-3}),
    "SGD with momentum": ("SGD", {"lr": 1e-3, "momentum": 0.9}),
}


def contenders(name):
    kind, settings = CASES[name]
    libraries = {harness.OURS: lucid}
    if torch := harness.torch():
        libraries["torch"] = torch
    return {key: step(library, kind, settings) for key, library in libraries.items()}


def step(library, kind, settings):
    """A step whose parameters must move by the first one."""
    parameters = list(resnet18(library.nn).parameters())
    for p in parameters:
        p.grad = library.full_like(p.detach(), 1e-4)
    optimizer = getattr(library.optim, kind)(parameters, **settings)
    before = [p.detach().clone() for p in parameters]
    optimizer.step()
    for p, old in zip(parameters, before, strict=True):
        assert bool((p.detach() != old).any()), "a parameter did not move"
    return optimizer.step


@pytest.mark.parametrize("name", CASES)
def test_optimizer_step(name, threads, report):
    report(f"{name} over ResNet-18 {threads} threads", contenders(name))
