"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict: as lists and dicts behave."""

from collections import OrderedDict

import pytest

import lucid
from lucid import nn


def layers(n=3):
    return [nn.Linear(2, 2) for _ in range(n)]


def test_sequential_calls_in_order(device):
    a, b = nn.Linear(2, 3), nn.Linear(3, 1)
    x = lucid.ones(1, 2)
    assert (nn.Sequential(a, b)(x) == b(a(x))).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([nn.ReLU(), nn.ReLU()], r"got list at position 1. Hint: Sequential\(\*layers\)"),
        (nn.ReLU, r"got the class ReLU at position 1. Hint: ReLU\(\)"),
        (lucid.relu, "got function at position 1$"),
    ],
)
def test_what_is_no_layer_of_sequential_is_named(wrong, said):
    with pytest.raises(TypeError, match=f"^Sequential: every layer must be a Module; {said}"):
        nn.Sequential(nn.Linear(2, 2), wrong)


def test_sequential_takes_names():
    net = nn.Sequential(OrderedDict([("fc", nn.Linear(1, 1)), ("act", nn.ReLU())]))
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    assert net.act is net[1] is net[-1]


@pytest.mark.parametrize("kind", [nn.Sequential, lambda *m: nn.ModuleList(m)])
def test_both_lists_behave_as_lists(kind):
    m = layers(4)
    net = kind(*m[:3])
    assert len(net) == 3
    assert list(net) == m[:3]
    assert list(reversed(net)) == m[2::-1]
    assert m[1] in net
    assert m[3] not in net
    assert list(net[1:]) == m[1:3]
    assert type(net[1:]) is type(net)
    net.append(m[3]).insert(0, nn.ReLU())
    assert [name for name, _ in net.named_children()] == ["0", "1", "2", "3", "4"]
    assert net.pop(0).__class__ is nn.ReLU
    assert list(net) == m
    del net[1:3]
    assert list(net) == [m[0], m[3]]
    assert list(net._modules) == ["0", "1"]
    net[0] = m[1]
    assert list(net) == [m[1], m[3]]
    net.extend(m[:1])
    assert list(net + kind(m[2])) == [m[1], m[3], m[0], m[2]]
    net += kind(m[2])
    assert len(net) == 4


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_says_what_is_in_range(index):
    with pytest.raises(IndexError, match=r"must be in \[-3, 3\); got"):
        nn.Sequential(*layers())[index]
    with pytest.raises(IndexError, match=r"must be in \[-3, 3\); got"):
        nn.ModuleList(layers())[index]


def test_sequential_repeats():
    net = nn.Sequential(nn.ReLU()) * 3
    assert len(net) == 3
    net *= 2
    assert len(net) == 6


def test_a_slice_of_sequential_keeps_names_and_shares_parameters():
    net = nn.Sequential(*layers())
    part = net[1:]
    assert list(part._modules) == ["1", "2"]
    assert part[0].weight is net[1].weight


def test_module_list_members_are_part_of_the_owner():
    owner = nn.Module()
    owner.blocks = nn.ModuleList(layers(2))
    assert len(list(owner.parameters())) == 4
    with pytest.raises(NotImplementedError):
        owner.blocks(1)


def test_module_dict_behaves_as_a_dict():
    a, b = layers(2)
    net = nn.ModuleDict({"a": a})
    net["b"] = b
    assert list(net) == list(net.keys()) == ["a", "b"]
    assert list(net.values()) == [a, b]
    assert dict(net.items()) == {"a": a, "b": b}
    assert "a" in net
    assert len(net) == 2
    assert net.pop("a") is a
    net.update([("c", a)])
    del net["b"]
    assert list(net) == ["c"]
    net.clear()
    assert not list(net.parameters())


def test_a_module_dict_name_that_is_a_method_is_refused():
    with pytest.raises(KeyError, match="already exists"):
        nn.ModuleDict({"keys": nn.ReLU()})


def test_parameter_list_behaves_as_a_list():
    net = nn.ParameterList([lucid.ones(1), nn.Parameter(lucid.zeros(1))])
    net.append(lucid.ones(2))
    net += [lucid.ones(3)]
    assert len(net) == len(list(net.parameters())) == 4
    assert all(isinstance(p, nn.Parameter) for p in net)
    assert net[-1].shape == (3,)
    assert len(net[1:3]) == 2
    net[0] = lucid.ones(5)
    assert net[0].shape == (5,)
    assert list(net.state_dict()) == ["0", "1", "2", "3"]


def test_parameter_dict_behaves_as_a_dict():
    net = nn.ParameterDict({"a": lucid.ones(1)})
    net["b"] = nn.Parameter(lucid.ones(2))
    assert list(net) == ["a", "b"]
    assert net.get("c") is None
    assert net.setdefault("c", lucid.ones(3)).shape == (3,)
    assert net.popitem()[0] == "c"
    assert list((net | {"d": lucid.ones(1)}).keys()) == ["a", "b", "d"]
    assert [p.shape for p in net.values()] == [(1,), (2,)]
    assert net.pop("a").shape == (1,)
    assert list(net.state_dict()) == ["b"]
    with pytest.raises(KeyError):
        net["a"]


def test_reprs_are_pytorchs():
    torch = pytest.importorskip("torch")

    def build(nn, ones):
        return [
            nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()]),
            nn.ModuleList([nn.Sequential(nn.ReLU(), nn.ReLU()) for _ in range(2)]),
            nn.ModuleList([]),
            nn.Sequential(),
            nn.ModuleDict({"a": nn.ReLU()}),
            nn.ParameterList([ones(2, 3), 3]),
            nn.ParameterList([]),
        ]

    for ours, theirs in zip(build(nn, lucid.ones), build(torch.nn, torch.ones), strict=True):
        assert repr(ours) == repr(theirs).replace("torch.", "lucid.")
