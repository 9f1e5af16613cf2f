"""Habits of public model files that PyTorch allows, and whose state keys must come out alike."""

from collections import OrderedDict

import pytest

import lucid
from lucid import nn

torch = pytest.importorskip("torch")


def _without_the_last(nn):
    layers = OrderedDict(stem=nn.Linear(2, 2), block=nn.Linear(2, 3), pool=nn.Identity())
    model = nn.Sequential(layers)
    del model[-1]
    return model


def test_after_a_deletion_named_layers_are_numbered_as_in_pytorch():
    ours, theirs = _without_the_last(nn), _without_the_last(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict())[0] == "0.weight"


@pytest.mark.parametrize("setting", ["stride", "padding", "dilation"])
def test_a_list_of_one_number_counts_for_both_directions(device, setting):
    x = lucid.randn(1, 3, 9, 8)
    one, both = (nn.Conv2d(3, 4, 3, **{setting: value}) for value in ([2], 2))
    both.load_state_dict(one.state_dict())
    assert lucid.equal(one(x), both(x))


def test_a_kernel_size_of_one_number_in_a_list_is_refused():
    with pytest.raises(ValueError, match="kernel_size must be an int or 2 of them; got .3."):
        nn.Conv2d(3, 4, [3])
