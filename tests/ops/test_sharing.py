"""share_memory_: what another process writes is seen here, and where the elements are not."""

import copy
import gc
import io
import multiprocessing
import pickle

import numpy
import pytest

import lucid
from lucid import nn
from lucid.backend.cpu import shared

fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def on_the_cpu(device):
    if lucid.get_default_device().type != "cpu":
        pytest.skip("on a GPU all memory counts as shared")


def in_a_child(function, *args, context=fork):
    child = context.Process(target=function, args=args)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def fill(x, value):
    x.fill_(value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_a_forked_child_writes_what_the_parent_reads(dtype):
    x = lucid.zeros(3, 4, dtype=getattr(lucid, dtype)).share_memory_()
    in_a_child(fill, x, 1)
    assert x.float().sum().item() == 12


def test_without_it_the_child_has_a_copy():
    x = lucid.zeros(3)
    assert not x.is_shared()
    in_a_child(fill, x, 1)
    assert x.tolist() == [0, 0, 0]


def test_values_shape_strides_and_gradients_stay_what_they_are():
    x = lucid.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)[:, :, ::2].requires_grad_(True)
    expected, strides = x.tolist(), x.stride()
    assert x.share_memory_() is x
    assert (x.tolist(), x.stride(), x.requires_grad) == (expected, strides, True)
    (x * x).sum().backward()
    assert x.grad.tolist() == (2 * x).tolist()


def test_views_move_along_and_are_views_still():
    base = lucid.zeros(2, 6)
    row, turned, apart = base[1], base.t(), lucid.zeros(6)
    row.share_memory_()
    assert base.is_shared()
    assert turned.is_shared()
    assert not apart.is_shared()
    in_a_child(fill, turned, 2)
    assert base.tolist() == [[2] * 6] * 2
    row.fill_(3)
    assert turned[:, 1].tolist() == [3] * 6


def test_a_second_call_moves_nothing():
    x = lucid.ones(4).share_memory_()
    address = x.data_ptr()
    assert x.share_memory_().data_ptr() == address
    assert x[1:].is_shared()
    assert not x.clone().is_shared()
    assert not copy.deepcopy(x).is_shared()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_a_number_or_nothing_may_be_shared(shape):
    x = lucid.full(shape, 5.0).share_memory_()
    assert x.is_shared()
    assert (x.shape, x.sum().item()) == (shape, 5.0 if shape == () else 0.0)


def test_memory_is_given_back_with_the_last_tensor():
    x = lucid.ones(1000).share_memory_()
    y = x[10:]
    number = len(shared._mapped)
    del x
    gc.collect()
    assert len(shared._mapped) == number
    del y
    gc.collect()
    assert len(shared._mapped) == number - 1


# Sent.


def give_back(inbox, outbox):
    x, values = inbox.get(timeout=60)
    x.add_(1)
    outbox.put(x)
    outbox.put((x.is_shared(), values.is_shared(), type(x).__name__, x.requires_grad))
    inbox.get(timeout=60)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_queue_sends_the_place_of_shared_tensors_and_the_values_of_others(method):
    context = multiprocessing.get_context(method)
    inbox, outbox = context.Queue(), context.Queue()
    child = context.Process(target=give_back, args=(inbox, outbox))
    child.start()
    p = nn.Parameter(lucid.zeros(2, 3)).share_memory_()
    p.requires_grad_(False)
    inbox.put((p, lucid.ones(2)))
    back = outbox.get(timeout=60)
    assert outbox.get(timeout=60) == (True, False, "Parameter", False)
    inbox.put(None)
    child.join(60)
    assert p.tolist() == back.tolist() == [[1] * 3] * 2
    back.fill_(7)  # it is the parent's own
    assert p.tolist() == [[7] * 3] * 2
    assert back.data_ptr() == p.data_ptr()


def test_a_file_has_the_values_and_not_the_place():
    x = lucid.ones(3).share_memory_()
    y = pickle.loads(pickle.dumps(x))
    assert not y.is_shared()
    stream = io.BytesIO()
    lucid.save({"x": x}, stream)
    stream.seek(0)
    assert lucid.load(stream)["x"].tolist() == [1, 1, 1]


# Modules.


def net():
    lucid.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def test_a_module_is_shared_in_one_block_with_its_gradients():
    m = net()
    m(lucid.ones(3, 4)).sum().backward()
    state = {k: v.tolist() for k, v in m.state_dict().items()}
    assert m.share_memory() is m
    everything = [*m.parameters(), *m.buffers(), *(p.grad for p in m.parameters())]
    assert all(t.is_shared() for t in everything)
    assert len({id(shared.block_of(t._array)) for t in everything}) == 1
    assert {k: v.tolist() for k, v in m.state_dict().items()} == state


def test_tied_weights_stay_tied():
    m = net()
    m[3].weight.data = m[0].weight.data[:1, :1].expand(1, 8)
    m.share_memory()
    m[0].weight.data[0, 0] = 5
    assert m[3].weight.tolist() == [[5] * 8]


def test_a_lazy_module_has_nothing_to_share_yet():
    with pytest.raises(lucid.errors.ShapeError, match="lazy module has no memory yet.*call the"):
        nn.LazyLinear(3).share_memory()


def train(model, seed):
    """Without locks, each process on batches of its own: Niu et al., Hogwild!, 2011."""
    rule = lucid.optim.SGD(model.parameters(), lr=0.02)
    numbers = numpy.random.default_rng(seed)
    for _ in range(60):
        x = lucid.tensor(numbers.uniform(-1, 1, (16, 4)), dtype=lucid.float32)
        loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
        rule.zero_grad()
        loss.backward()
        rule.step()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_two_processes_train_one_model(method):
    context = multiprocessing.get_context(method)
    m = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).share_memory()
    x = lucid.randn(200, 4).clamp(-1, 1)

    def error():
        with lucid.no_grad():
            return nn.functional.mse_loss(m(x), x.sum(1, keepdim=True)).item()

    before = error()
    children = [context.Process(target=train, args=(m, seed)) for seed in (1, 2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [c.exitcode for c in children] == [0, 0]
    assert error() < before / 3  # 120 steps; alone, 60 reach a fifth


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_an_optimizer_goes_on_with_parameters_that_moved(name):
    """Whatever it keeps between steps, it is not the old memory."""
    settings = {"lr": 0.05, "momentum": 0.9} if name == "SGD" else {}
    found = []
    for shared_after in (None, 2):
        m = net()
        rule = getattr(lucid.optim, name)(m.parameters(), **settings)
        for i in range(5):
            if i == shared_after:
                m.share_memory()
            rule.zero_grad(set_to_none=False)
            m(lucid.ones(3, 4) * (i + 1)).square().sum().backward()
            rule.step()
        found.append([t.tolist() for t in m.state_dict().values()])
    assert found[0] == found[1]


def test_a_graph_that_was_recorded_before_is_walked_all_the_same():
    x = lucid.arange(4.0).requires_grad_()
    y = (x * x).exp().sum()
    x.share_memory_()
    y.backward()
    assert lucid.allclose(x.grad, 2 * x * (x * x).exp())
