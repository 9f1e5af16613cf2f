"""lucid under PyTorch's names: they are there, take its arguments, and give its results."""

import pytest

import lucid

from . import compare, making
from .__main__ import row, signature_differences
from .intended import SIGNATURES, VALUES
from .names import MISSING, look_up, names

torch = pytest.importorskip("torch")
NAMES = list(names())
HAVE = [n for n in NAMES if look_up(lucid, n.path) is not MISSING]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small arrays, and other tests beside these
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_every_listed_name_is_pytorchs(name):
    assert look_up(torch, name.path) is not MISSING


@pytest.mark.parametrize("name", [n for n in NAMES if n.tier != "tier2"], ids=str)
def test_every_name_that_training_needs_is_there(name):
    assert look_up(lucid, name.path) is not MISSING


@pytest.mark.parametrize("name", [n for n in HAVE if n.path not in SIGNATURES], ids=str)
def test_takes_the_arguments_that_pytorch_takes(name):
    theirs, ours = look_up(torch, name.path), look_up(lucid, name.path)
    assert signature_differences(name.path, theirs, ours, torch) == []


@pytest.mark.parametrize("path", SIGNATURES)
def test_arguments_that_are_meant_to_differ_do(path):
    if look_up(lucid, path) is not MISSING:
        assert signature_differences(path, look_up(torch, path), look_up(lucid, path), torch)


@pytest.mark.parametrize("name", compare.by_name(), ids=str)
def test_gives_what_pytorch_gives(name):
    if "cuda" in name or name.startswith("accelerator") or name.startswith("backends"):
        mine, theirs = lucid.cuda.is_available(), torch.cuda.is_available()
        if mine != theirs:
            pytest.skip(f"one of the two has a CUDA device: lucid {mine}, PyTorch {theirs}")
    differing = [
        f"{case.label}: {difference}"
        for case in compare.by_name()[name]
        for difference in compare.compare(case, torch)
        if compare.intended(case, difference) is None
    ]
    assert differing == []


def test_every_case_is_of_a_listed_name():
    assert set(compare.by_name()) <= {n.path for n in NAMES}


def test_every_layer_is_shown_saved_and_switched():
    """Its repr, its state's keys, training and evaluation are looked at."""
    compare.by_name()
    layers = {n.path for n in HAVE if n.path.startswith("nn.") and n.path.count(".") == 1}
    found = {p for p in layers if isinstance(look_up(lucid, p), type)}
    modules = {p for p in found if issubclass(look_up(lucid, p), lucid.nn.Module)}
    assert modules <= making.SHOWN


def test_every_intended_difference_says_why():
    assert all(len(reason) > 10 for *_, reason in VALUES)
    assert all(len(reason) > 10 for reason in SIGNATURES.values())


def test_a_row_of_the_table_counts_calls_and_reasons():
    exp = row(next(n for n in NAMES if n.path == "exp"), torch)
    assert (exp.present, exp.arguments, exp.differences) == (True, [], [])
    assert exp.cases == len(compare.by_name()["exp"])
    floors = row(next(n for n in NAMES if n.path == "Tensor.__floordiv__"), torch)
    assert floors.reasons["its gradient is 0 almost everywhere"] > 0


def test_a_wrong_result_is_noticed(monkeypatch):
    """The comparison itself: values, gradients, dtypes, shapes and refusals are looked at."""
    case = next(c for c in compare.by_name()["exp"] if c.label == "(2, 3) float32")
    right = lucid.exp
    for wrong in (
        lambda x: right(x) + 1e-3,
        lambda x: right(x.detach()),
        lambda x: right(x).double(),
        lambda x: right(x)[:1],
        lambda x: right(x) + (x - x.detach()) * 1e-2,
    ):
        monkeypatch.setattr(lucid, "exp", wrong)
        assert compare.compare(case, torch)
    monkeypatch.setattr(lucid, "exp", right)
    assert not compare.compare(case, torch)
