"""num_batches_tracked is an ordinary buffer, and costs nothing: what moves statistics counts."""

import copy
import pickle

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F
from tests import cuda_emulator


@pytest.fixture
def emulated(device):
    if device.type != "cuda" or lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("only the emulator counts: --device cuda-emulated")


def trained(layer, batches, c=3):
    for _ in range(batches):
        layer(lucid.randn(4, c, 2, 2))
    return layer


def test_the_count_is_a_buffer_of_one_int64(device):
    layer = trained(nn.BatchNorm2d(3), 3)
    count = dict(layer.named_buffers())["num_batches_tracked"]
    assert count is layer.num_batches_tracked and count.device == device
    assert (count.shape, count.dtype, count.item()) == ((), lucid.int64, 3)


def test_a_state_taken_before_a_step_shows_the_step(device):
    """It shares the module's memory, as for every buffer."""
    layer = nn.BatchNorm2d(3)
    state = layer.state_dict()
    trained(layer, 2)
    assert state["num_batches_tracked"].item() == 2


def test_a_write_is_noticed_as_any_other(device):
    layer = nn.BatchNorm2d(3)
    before = layer.num_batches_tracked._version
    trained(layer, 1)
    assert layer.num_batches_tracked._version == before + 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_counts_on_by_itself(copied, device):
    layer = trained(nn.BatchNorm2d(3), 2)
    other = trained(copied(layer), 3)
    assert (layer.num_batches_tracked.item(), other.num_batches_tracked.item()) == (2, 5)


def test_a_loaded_state_is_counted_on(device):
    state = trained(nn.BatchNorm2d(3), 5).to("cpu").state_dict()
    layer = nn.BatchNorm2d(3)
    layer.load_state_dict(state)
    assert trained(layer, 1).num_batches_tracked.item() == 6


def test_the_count_moves_with_the_layer(device):
    layer = trained(nn.BatchNorm2d(3), 2).to("cpu")
    with lucid.device("cpu"):
        trained(layer, 1)
    assert trained(layer.to(device), 1).num_batches_tracked.item() == 4


def test_evaluation_and_untracked_statistics_are_not_counted(device):
    layer = nn.BatchNorm2d(3)
    trained(layer.eval(), 1)
    layer.train().track_running_stats = False
    trained(layer, 1)
    assert layer.num_batches_tracked.item() == 0
    assert (layer.running_mean == 0).all() and (layer.running_var == 1).all()


def test_a_count_that_became_another_type_goes_on(device):
    layer = nn.BatchNorm2d(3).type(lucid.float32)
    assert trained(layer, 2).num_batches_tracked.item() == 2.0


@pytest.mark.parametrize("c", [3, 600])  # 600: more than a block has threads
def test_without_momentum_the_statistics_are_the_means_over_all_batches(c, device):
    layer = nn.BatchNorm2d(c, momentum=None)
    batches = [lucid.randn(4, c, 2, 2) for _ in range(3)]
    for x in batches:
        layer(x)
    each = np.stack([x.cpu().numpy().astype(np.float64) for x in batches])
    mean = each.mean((1, 3, 4)).mean(0)
    var = each.var((1, 3, 4), ddof=1).mean(0)
    # Three roundings of 2**-24 each; the means are of order 1.
    np.testing.assert_allclose(layer.running_mean.cpu().numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.cpu().numpy(), var, rtol=1e-5)


def test_without_momentum_and_count_there_is_no_mean(device):
    running = lucid.zeros(3), lucid.ones(3)
    with pytest.raises(ValueError, match="batch_norm: momentum None needs num_batches_tracked"):
        F.batch_norm(lucid.ones(2, 3), *running, training=True, momentum=None)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_counting_is_no_work_of_its_own_and_waits_for_nothing(momentum, emulated):
    x = lucid.randn(4, 3, 2, 2)
    counts = {}
    for tracked in (True, False):
        layer = trained(nn.BatchNorm2d(3, momentum=momentum), 1)
        if not tracked:
            layer.num_batches_tracked, layer.momentum = None, 0.1
        with cuda_emulator.counting() as counts[tracked]:
            layer(x)
    assert counts[True] == counts[False]
    assert counts[True].operations == counts[True].synchronisations == counts[True].d2h == 0
