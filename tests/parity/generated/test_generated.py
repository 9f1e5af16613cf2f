"""Calls that nobody thought of: lucid answers what PyTorch answers, or refuses what it refuses.

In the gate every family gets the same few hundred calls each time. LUCID_GENERATED=20000 makes
that many, other ones each time; ``python -m tests.parity.generated`` goes on after a difference.
"""

import os
import warnings

import pytest

import lucid

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")

from .calls import Call, differing  # noqa: E402  needs hypothesis
from .families import FAMILIES, calls  # noqa: E402
from .intended import GENERATED, reason  # noqa: E402
from .tensors import Drawn  # noqa: E402

LONG = int(os.environ.get("LUCID_GENERATED", "0"))
CALLS = LONG or 100  # for each family; all together about half a minute
SETTINGS = hypothesis.settings(
    max_examples=CALLS,
    derandomize=not LONG,  # the gate draws the same calls each time
    database=None,
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    deadline=None,  # other programs run beside the tests
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small arrays, and other tests beside these
    yield
    torch.set_num_threads(before)


def unintended(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of either library, about what was drawn
        return [d for d in differing(call, torch) if reason(call, d) is None]


@pytest.mark.parametrize("family", FAMILIES)
def test_generated_calls_give_what_pytorch_gives(family):
    @SETTINGS
    @hypothesis.given(calls(family))
    def compared(call):
        found = unintended(call)
        assert not found, "; ".join(found) + repr(call)

    compared()


def ones(dtype="float32", **more):
    import numpy

    return Drawn(numpy.ones((2, 3)), dtype, shape=(2, 3), **more)


def test_a_call_prints_itself_as_python_that_runs(capsys):
    x = ones(steps=(("permute", (1, 0)),), grad=True)
    exec(repr(Call("add", (x, 2), {"alpha": 3})), {})
    theirs, ours = capsys.readouterr().out.split("Tensor(")[0], capsys.readouterr()
    assert theirs.count("7., 7.") == 3
    assert ours.err == ""


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("exp", lambda x: x.exp() + 1e-3),
        ("exp", lambda x: x.detach().exp()),
        ("exp", lambda x: x.exp().double()),
        ("exp", lambda x: x.exp()[:1]),
        ("exp", lambda x: x.exp() + (x - x.detach()) * 1e-2),
        ("exp", lambda x: x.exp() + (x - x.detach()) ** 2),
    ],
    ids=["values", "no gradient", "dtype", "shape", "gradient", "second gradient"],
)
def test_a_wrong_answer_is_noticed(name, wrong, monkeypatch):
    call = Call(name, (ones(grad=True),))
    assert differing(call, torch) == []
    monkeypatch.setattr(lucid, name, wrong)
    assert differing(call, torch)


def test_a_copy_where_a_view_should_be_is_noticed(monkeypatch):
    call = Call("transpose", (ones(), 0, 1), note="view")
    assert differing(call, torch) == []
    right = lucid.transpose
    monkeypatch.setattr(lucid, "transpose", lambda x, a, b: right(x.clone(), a, b))
    assert differing(call, torch)


def test_a_refusal_that_is_missing_is_noticed(monkeypatch):
    call = Call("exp", (ones(),), {"colour": 1})
    assert differing(call, torch) == []
    monkeypatch.setattr(lucid, "exp", lambda x, colour: x)
    assert differing(call, torch)


def test_every_intended_difference_of_generated_calls_says_why():
    assert all(len(why) > 10 for *_, why in GENERATED)
