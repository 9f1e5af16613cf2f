"""Module: registration, walking, conversion, parameters, repr."""

import copy
import pickle

import pytest

import lucid
from lucid import nn, optim
from lucid.errors import DTypeError
from tests.nn.net import Net

# Registration.


def test_assigning_decides_what_a_thing_is():
    net = Net()
    assert list(net._parameters) == ["scale"]
    assert list(net._modules) == ["first", "body", "again"]
    assert list(net._buffers) == ["count", "cache"]


def test_walks_name_everything_once():
    net = Net()
    expected = ["scale", "first.weight", "first.bias", "body.1.weight", "body.1.bias"]
    assert [name for name, _ in net.named_parameters()] == expected
    assert len(list(net.parameters())) == len(expected)
    assert [name for name, _ in net.named_modules()] == ["", "first", "body", "body.0", "body.1"]
    assert [name for name, _ in net.named_children()] == ["first", "body"]
    assert [name for name, _ in net.named_buffers()] == ["count", "cache"]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]


def test_shared_things_are_named_twice_on_request():
    names = [name for name, _ in Net().named_parameters(remove_duplicate=False)]
    assert "again.weight" in names
    assert "first.weight" in names


def test_a_thing_may_change_its_kind_when_assigned_anew():
    net = Net()
    net.first = nn.Parameter(lucid.ones(2))
    assert "first" in net._parameters
    assert "first" not in net._modules


def test_deleting_removes_from_the_register():
    net = Net()
    del net.scale, net.count, net.body
    assert not hasattr(net, "scale")
    assert [name for name, _ in net.named_modules()] == ["", "first"]


def test_a_buffer_may_be_replaced_by_a_tensor():
    net = Net()
    net.count = lucid.tensor(3)
    assert net.state_dict()["count"].item() == 3


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda n: setattr(n, "scale", lucid.ones(1)), TypeError, "Net.scale: a parameter"),
        (lambda n: setattr(n, "first", 3), TypeError, "Net.first: a submodule"),
        (lambda n: setattr(n, "count", 3), TypeError, "Net.count: a buffer"),
        (lambda n: n.register_parameter("a.b", None), KeyError, "dot"),
        (lambda n: n.register_parameter("p", lucid.ones(1)), TypeError, "must be a Parameter"),
        (lambda n: n.register_buffer("forward", None), KeyError, "already exists"),
        (lambda n: n.register_buffer("b", 1), TypeError, "must be a Tensor"),
        (lambda n: n.add_module("m", 1), TypeError, "must be a Module"),
        (lambda n: n.get_submodule("body.7"), AttributeError, "has no submodule '7'"),
        (lambda n: n.get_parameter("first.wait"), AttributeError, "has no parameter 'wait'"),
        (lambda n: n.nothing, AttributeError, "'Net' object has no attribute 'nothing'"),
        (lambda n: n.to(lucid.int64), DTypeError, "floating point; got lucid.int64"),
        (lambda n: n.train("yes"), ValueError, "bool"),
    ],
)
def test_mistakes_are_named(act, error, text):
    with pytest.raises(error, match=text):
        act(Net())


@pytest.mark.parametrize(
    "value", [nn.Parameter(lucid.ones(1)), nn.Linear(1, 1), nn.Buffer(lucid.ones(1))]
)
def test_assigning_before_init_says_what_to_call(value):
    class Forgetful(nn.Module):
        def __init__(self):
            self.thing = value

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) first"):
        Forgetful()


def test_a_module_without_forward_says_so():
    class Silent(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Silent: a Module must define forward"):
        Silent()(1)


def test_init_takes_no_arguments_unless_told_to_pass_them_on():
    class Other:
        def __init__(self, value):
            self.value = value

    class Both(nn.Module, Other):
        call_super_init = True

    assert Both(3).value == 3
    with pytest.raises(TypeError, match="takes no arguments"):
        nn.Module(3)


def test_things_are_found_by_their_path():
    net = Net()
    assert net.get_submodule("body.1") is net.body[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("body.1.weight") is net.body[1].weight
    assert net.get_buffer("count") is net.count
    net.set_submodule("body.1", nn.Identity())
    assert isinstance(net.body[1], nn.Identity)


def test_dir_shows_what_is_registered():
    assert {"scale", "first", "count", "forward"} <= set(dir(Net()))


# Modes and conversion.


def test_train_and_eval_reach_everything():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_conversion_keeps_the_parameters_the_same_objects(device):
    net = Net()
    before = list(net.parameters())
    net(lucid.ones(1, 3)).sum().backward()
    net.double()
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert all(p.dtype == p.grad.dtype == lucid.float64 for p in before if p.grad is not None)
    assert net.count.dtype == lucid.int64
    assert net.cache.dtype == lucid.float64
    assert net(lucid.ones(1, 3, dtype=lucid.float64)).dtype == lucid.float64


def test_an_optimizer_made_before_a_conversion_keeps_working(device):
    net = nn.Linear(2, 1, bias=False)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    net.double()
    before = net.weight.tolist()
    net(lucid.ones(1, 2, dtype=lucid.float64)).sum().backward()
    optimizer.step()
    assert net.weight.tolist() == [[w - 1 for w in before[0]]]


def test_to_takes_devices_dtypes_tensors_and_memory_formats(device):
    net = nn.Conv2d(3, 4, 3)
    assert net.to(lucid.float16).weight.dtype == lucid.float16
    assert net.to(lucid.ones(1)).weight.dtype == lucid.float32
    assert net.to(device, lucid.float64).weight.dtype == lucid.float64
    assert net.to("cpu").weight.device == lucid.device("cpu")
    net.to(memory_format=lucid.channels_last)
    assert net.weight.is_contiguous(memory_format=lucid.channels_last)


def test_type_converts_integers_too():
    assert Net().type(lucid.float64).count.dtype == lucid.float64


def test_to_empty_keeps_the_shapes(device):
    net = nn.Linear(3, 4).to_empty(device=device)
    assert net.weight.shape == (4, 3)
    assert net.weight.requires_grad


def test_a_copy_keeps_the_order_of_memory(device):
    net = nn.Conv2d(3, 4, 3).to(memory_format=lucid.channels_last)
    assert copy.deepcopy(net).weight.is_contiguous(memory_format=lucid.channels_last)


def test_requires_grad_and_zero_grad(device):
    net = Net()
    net(lucid.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_apply_visits_children_first():
    seen = []
    Net().apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_copies_and_pickles_are_equal_and_independent(device):
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.first
        assert isinstance(other.scale, nn.Parameter)
        x = lucid.ones(1, 3)
        assert (other(x) == net(x)).all()
        with lucid.no_grad():
            other.scale.mul_(2)
        assert net.scale.item() == 1


# Parameters.


def test_a_parameter_shows_its_class():
    p = nn.Parameter(lucid.ones(2))
    assert repr(p) == "Parameter containing:\nTensor([1., 1.], grad=None)"
    assert type(p * 1) is lucid.Tensor
    assert type(copy.deepcopy(p)) is type(pickle.loads(pickle.dumps(p))) is nn.Parameter


def test_a_parameter_shares_its_datas_memory():
    data = lucid.ones(2)
    assert nn.Parameter(data).data_ptr() == data.data_ptr()
    assert not nn.Parameter(data, requires_grad=False).requires_grad


def test_a_buffer_object_registers_itself():
    net = nn.Module()
    net.a = nn.Buffer(lucid.ones(1))
    net.b = nn.Buffer(lucid.ones(1), persistent=False)
    assert list(net.state_dict()) == ["a"]
    assert len(list(net.buffers())) == 2


# The look.


def test_the_repr_is_nested_as_pytorchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
                self.heads = nn.ModuleDict({"a": nn.Linear(3, 1), "b": nn.Identity()})
                self.items = nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.Sequential(nn.GELU())])
                self.nothing = None

            def extra_repr(self):
                return "one line\nanother"

        return Net()

    assert repr(build(nn)) == repr(build(torch.nn))
    assert repr(nn.Module()) == repr(torch.nn.Module())


def test_data_parallel_passes_through():
    inner = nn.Linear(2, 1)
    net = nn.DataParallel(inner, device_ids=[0])
    assert net.module is inner
    assert (net(lucid.ones(1, 2)) == inner(lucid.ones(1, 2))).all()
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
