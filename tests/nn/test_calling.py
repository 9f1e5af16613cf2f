"""Calling a module: hooks around forward and backward, and the layer's path in an error."""

import pytest

import lucid
from lucid import nn


def test_forward_hooks_replace_arguments_and_results():
    net = nn.Identity()
    net.register_forward_pre_hook(lambda m, args: args[0] + 1)
    handle = net.register_forward_hook(lambda m, args, y: (args[0], y * 10))
    assert net(1) == (2, 20)
    handle.remove()
    assert net(1) == 2


def test_hooks_run_in_order_and_prepended_ones_first():
    net, seen = nn.Identity(), []
    net.register_forward_hook(lambda *a: seen.append("a"))
    net.register_forward_hook(lambda *a: seen.append("b"), prepend=True)
    net(1)
    assert seen == ["b", "a"]


def test_hooks_with_kwargs_see_and_change_them():
    class Add(nn.Module):
        def forward(self, x, y=0):
            return x + y

    net = Add()
    net.register_forward_pre_hook(lambda m, a, k: (a, {"y": k["y"] * 2}), with_kwargs=True)
    net.register_forward_hook(lambda m, a, k, out: (out, k), with_kwargs=True)
    assert net(1, y=5) == (11, {"y": 10})


def test_always_called_hooks_run_after_an_error_too():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    net, seen = Broken(), []
    net.register_forward_hook(lambda m, a, y: seen.append(y), always_call=True)
    net.register_forward_hook(lambda m, a, y: seen.append("never"))
    with pytest.raises(ValueError, match="broken"):
        net(1)
    assert seen == [None]


class Two(nn.Module):
    """Two inputs that need gradients, one that doesn't, two outputs."""

    def forward(self, a, n, b):
        return a * b, a + b


def test_backward_hooks_see_the_gradients_of_inputs_and_outputs(device):
    torch = pytest.importorskip("torch")

    def record(framework, module):
        seen = []
        module.register_full_backward_pre_hook(lambda m, gy: seen.append(("pre", gy)))
        module.register_full_backward_hook(lambda m, gx, gy: seen.append(("post", gx, gy)))
        a = framework.tensor([2.0], requires_grad=True)
        b = framework.tensor([3.0], requires_grad=True)
        y, z = module(a, 5, b)
        (y * 10 + z).sum().backward()
        plain = [
            (kind, *[[None if g is None else g.tolist() for g in part] for part in parts])
            for kind, *parts in seen
        ]
        return plain, a.grad.tolist(), b.grad.tolist()

    class Theirs(torch.nn.Module):
        forward = Two.forward

    assert record(lucid, Two()) == record(torch, Theirs())


def test_backward_hooks_replace_gradients(device):
    net = nn.Linear(2, 2)
    net.register_full_backward_pre_hook(lambda m, gy: (gy[0] * 0 + 1,))
    net.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 0 + 7,))
    x = lucid.ones(1, 2, requires_grad=True)
    (net(x) * 100).sum().backward()
    assert x.grad.tolist() == [[7, 7]]
    assert net.bias.grad.tolist() == [1, 1]


def test_a_backward_hook_of_the_first_layer_fires_without_input_gradients(device):
    net, seen = nn.Linear(2, 2), []
    net.register_full_backward_hook(lambda m, gx, gy: seen.append((gx, gy[0].tolist())))
    net(lucid.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1, 1]])]


def test_hooks_do_nothing_without_a_graph():
    net = nn.Linear(2, 2)
    net.register_full_backward_hook(lambda m, gx, gy: None)
    with lucid.no_grad():
        assert not net(lucid.ones(1, 2)).requires_grad


# Errors carry the layer's path.


def test_an_error_in_a_layer_names_its_path_once():
    net = nn.Sequential()
    net.features = nn.Sequential(nn.ReLU(), nn.Linear(3, 4))
    with pytest.raises(RuntimeError) as caught:
        net(lucid.ones(1, 5))
    assert caught.value.__notes__ == ["in layer features.1 (Linear) of Sequential"]


def test_an_error_of_a_single_layer_has_no_note():
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(3, 4)(lucid.ones(1, 5))
    assert not hasattr(caught.value, "__notes__")


def test_an_error_with_hooks_names_its_path_too():
    net = nn.Sequential(nn.Linear(3, 4))
    net.register_forward_hook(lambda *a: None)
    with pytest.raises(RuntimeError) as caught:
        net(lucid.ones(1, 5))
    assert caught.value.__notes__ == ["in layer 0 (Linear) of Sequential"]
