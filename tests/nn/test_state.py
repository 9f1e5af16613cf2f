"""state_dict and load_state_dict: what is saved, what is refused, all or nothing."""

import copy
from collections import OrderedDict

import pytest

import lucid
from lucid import nn
from lucid.errors import CheckpointError
from tests.nn.net import Net


def test_the_state_names_parameters_and_persistent_buffers():
    state = Net().state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "scale", "count", "first.weight", "first.bias", "body.1.weight", "body.1.bias",
        "again.weight", "again.bias",
    ]  # fmt: skip
    assert state._metadata["body.1"] == {"version": 1}
    assert not any(t.requires_grad for t in state.values())
    assert Net().state_dict(prefix="x.", keep_vars=True)["x.scale"].requires_grad


def test_a_state_loads_into_another_model(device):
    a, b = Net(), Net()
    keys = b.load_state_dict(a.state_dict())
    assert repr(keys) == "<All keys matched successfully>"
    assert (a(lucid.ones(1, 3)) == b(lucid.ones(1, 3))).all()


def test_loading_copies_unless_told_to_assign():
    state = {"weight": lucid.ones(1, 2), "bias": lucid.ones(1)}
    net = nn.Linear(2, 1)
    before = net.weight
    net.load_state_dict(state)
    assert net.weight is before
    assert net.weight.data_ptr() != state["weight"].data_ptr()
    net.load_state_dict(state, assign=True)
    assert net.weight.data_ptr() == state["weight"].data_ptr()
    assert isinstance(net.weight, nn.Parameter)


def test_arrays_and_other_frameworks_tensors_load_too():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    ours = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    ours.load_state_dict({k: v for k, v in theirs.state_dict().items()})
    assert ours[0].weight.tolist() == theirs[0].weight.tolist()


def broken_state():
    state = Net().state_dict()
    state["frist.weight"] = state.pop("first.weight")
    state["scale"] = lucid.ones(7)
    state["count"] = "three"
    return state


def test_one_error_says_all_that_is_wrong_and_nothing_is_loaded():
    net = Net()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(CheckpointError) as caught:
        net.load_state_dict(broken_state())
    text = str(caught.value)
    assert "nothing was loaded" in text
    assert "missing keys: first.weight (is it frist.weight?)" in text
    assert "unexpected keys: frist.weight" in text
    assert "shape mismatch for scale: (1,) in the model, (7,) in the state" in text
    assert "count: expected a Tensor; got str" in text
    assert all((net.state_dict()[k] == v).all() for k, v in before.items())


def test_without_strict_names_may_differ_but_shapes_may_not():
    state = Net().state_dict()
    del state["scale"]
    state["extra"] = lucid.ones(1)
    keys = Net().load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale"]
    assert keys.unexpected_keys == ["extra"]
    with pytest.raises(CheckpointError, match="shape mismatch for scale"):
        Net().load_state_dict({"scale": lucid.ones(3)}, strict=False)


def test_a_data_parallel_prefix_is_recognised():
    state = nn.DataParallel(nn.Linear(1, 1)).state_dict()
    with pytest.raises(CheckpointError, match="saved from DataParallel; strip the prefix"):
        nn.Linear(1, 1).load_state_dict(state)


class Counter(nn.Module):
    """Keeps a word beside its tensors."""

    def __init__(self, word):
        super().__init__()
        self.word = word

    def get_extra_state(self):
        return self.word

    def set_extra_state(self, state):
        self.word = state


def test_extra_state_is_saved_and_loaded():
    a, b = nn.Sequential(Counter("a")), nn.Sequential(Counter("b"))
    b.load_state_dict(a.state_dict())
    assert b[0].word == "a"
    with pytest.raises(CheckpointError, match="0._extra_state"):
        b.load_state_dict({})


def test_state_hooks_see_and_change_what_is_saved_and_loaded():
    net = nn.Linear(1, 1, bias=False)
    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: module.weight.data.fill_(7))
    net.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update({prefix + "note": lucid.ones(1)})
    )
    state = net.state_dict()
    assert state["weight"].item() == 7
    net.register_load_state_dict_pre_hook(
        lambda module, state, prefix, *rest: state.pop(prefix + "note")
    )
    net.load_state_dict(state)
    assert "note" in state  # the hook changed a copy


@pytest.mark.parametrize("forgives", [True, False])
def test_a_post_hook_may_forgive_missing_keys_or_everything_is_put_back(forgives):
    net = nn.Linear(1, 1)
    with lucid.no_grad():
        net.weight.fill_(3)
    seen = []

    def hook(module, keys):
        seen.append(module.weight.item())
        if forgives:
            keys.missing_keys.clear()

    net.register_load_state_dict_post_hook(hook)
    state = {"weight": lucid.ones(1, 1)}
    if forgives:
        net.load_state_dict(state)
    else:
        with pytest.raises(CheckpointError, match="missing keys: bias"):
            net.load_state_dict(state)
    assert seen == [1]
    assert net.weight.item() == (1 if forgives else 3)


def test_an_overridden_load_hook_of_an_old_script_still_works():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = nn.Sequential(Renamed(1, 1, bias=False))
    net.load_state_dict({"0.w": lucid.full((1, 1), 5.0)})
    assert net[0].weight.item() == 5
