"""CUDAGraph: what is recorded, where its memory lies, and what can't be captured, in a sentence."""

import gc
import pathlib
import re

import numpy
import pytest

import lucid
from lucid.backend.cuda import cublas, cudnn
from lucid.backend.cuda import memory as device_memory
from lucid.nn import functional as F
from tests import cuda_emulator
from tests.cuda.captured import counting

HERE = pathlib.Path(__file__).name


def capture(function, **settings):
    graph = lucid.cuda.CUDAGraph()
    with lucid.cuda.graph(graph, **settings):
        y = function()
    return graph, y


@pytest.fixture
def x(cuda):
    return lucid.arange(6.0, device="cuda")


# What it does.


def test_a_graph_computes_when_it_is_replayed(x):
    y = lucid.zeros(6, device="cuda")
    graph, _ = capture(lambda: y.add_(x))
    assert y.tolist() == [0] * 6
    graph.replay()
    x.fill_(10)
    graph.replay()
    assert y.tolist() == [10, 11, 12, 13, 14, 15]


def test_capture_begin_and_end_do_the_same(x):
    graph = lucid.cuda.CUDAGraph()
    assert not lucid.cuda.is_current_stream_capturing()
    graph.capture_begin()
    assert lucid.cuda.is_current_stream_capturing()
    y = x * 2
    graph.capture_end()
    assert not lucid.cuda.is_current_stream_capturing()
    graph.replay()
    assert y.tolist() == [0, 2, 4, 6, 8, 10]


def test_another_stream_may_be_captured_and_the_current_one_replays(x):
    stream = lucid.cuda.Stream()
    graph, y = capture(lambda: x + 1, stream=stream)
    assert lucid.cuda.current_stream() != stream
    graph.replay()
    assert y.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_graph_serves_once_until_it_is_reset(x):
    graph, _ = capture(lambda: x + 1)
    with pytest.raises(RuntimeError, match="holds a capture.*reset"):
        graph.capture_begin()
    graph.reset()
    with pytest.raises(RuntimeError, match="replay: nothing was captured"):
        graph.replay()
    with lucid.cuda.graph(graph):
        y = x + 2
    graph.replay()
    assert y.tolist() == [2, 3, 4, 5, 6, 7]


def test_calls_out_of_order_are_refused(x):
    graph = lucid.cuda.CUDAGraph()
    for call, text in (
        (graph.capture_end, "no capture is under way"),
        (graph.pool, "nothing was captured"),
        (lambda: graph.capture_begin(pool=3), "must be a graph's pool; got int"),
    ):
        with pytest.raises((RuntimeError, TypeError), match=text):
            call()
    other, _ = capture(lambda: x + 1)
    with pytest.raises(lucid.cuda.CaptureError, match="replay: a graph can't be launched"):
        capture(other.replay)
    with pytest.raises(lucid.cuda.CaptureError, match="can't begin inside of another"):
        capture(lambda: lucid.cuda.CUDAGraph().capture_begin())


def test_the_default_stream_of_cuda_is_refused(cuda):
    null = lucid.cuda.Stream(_handle=cuda.xp.cuda.Stream.null)
    with lucid.cuda.stream(null), pytest.raises(RuntimeError, match="default stream"):
        lucid.cuda.CUDAGraph().capture_begin()


# Memory.


def test_what_a_capture_frees_nobody_else_gets(x):
    """Intermediates lie in the graph's pool; eager arrays of their size must not lie there too."""
    for _ in range(2):
        F.relu(x * 3 - 1).exp()
    graph, y = capture(lambda: F.relu(x * 3 - 1).exp())
    others = [lucid.full((6,), 7.0, device="cuda") for _ in range(8)]
    graph.replay()
    numpy.testing.assert_allclose(
        y.cpu().numpy(), numpy.exp(numpy.maximum(numpy.arange(6) * 3 - 1, 0)), rtol=1e-6
    )
    assert all(o.tolist() == [7] * 6 for o in others)


def test_graphs_that_share_a_pool_reuse_its_memory(x):
    pool = lucid.cuda.graph_pool_handle()

    def work():
        return (lucid.cat([x] * 20000) * 2).sum()

    work()
    first, a = capture(work, pool=pool)
    taken = pool._pool.total_bytes()
    second, b = capture(work, pool=first.pool())
    assert first.pool() is second.pool() is pool
    assert pool._pool.total_bytes() - taken < 4096  # the sum's, not the terms'
    for graph in (first, second):
        graph.replay()
    assert a.item() == b.item() == 2 * 15 * 20000


def test_memory_statistics_count_a_graphs_memory_until_it_is_gone(x):
    gc.collect()
    before = lucid.cuda.memory_allocated(), lucid.cuda.memory_reserved()
    graph, y = capture(lambda: lucid.cat([x] * 50_000) * 2)
    size = 6 * 50_000 * 4
    assert lucid.cuda.memory_allocated() - before[0] >= size
    assert lucid.cuda.memory_reserved() - before[1] >= 2 * size  # the term's, freed, too
    del graph, y
    gc.collect()
    assert lucid.cuda.memory_allocated() == before[0]


def test_a_graph_out_of_memory_says_so_and_keeps_its_blocks(x):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("a small device: --device cuda-emulated")
    pool = device_memory.Pool()
    free, total = lucid.cuda.mem_get_info()
    with cuda_emulator.machine_with(memory=total - free + (1 << 20)), pool.in_use():
        freed = lucid.empty(1000, device="cuda")
        held = pool._pool.total_bytes()
        del freed
        with pytest.raises(lucid.cuda.OutOfMemoryError, match=r"asked for 4\.00 MiB"):
            lucid.empty(1 << 20, device="cuda")
        assert pool._pool.total_bytes() == held


def test_garbage_is_collected_again_after_a_capture_good_or_bad(x):
    assert gc.isenabled()
    capture(lambda: x + 1)
    assert gc.isenabled()
    with pytest.raises(lucid.cuda.CaptureError):
        capture(lambda: x.tolist())
    assert gc.isenabled()


# Matrix products.


def test_a_product_is_captured_with_neither_a_new_handle_nor_memory_of_the_drivers(products, x):
    a = lucid.ones(8, 8, device="cuda")
    pool = lucid.cuda.graph_pool_handle()
    with pool.in_use():
        a @ a
    before = dict(cublas._handles)
    graph = lucid.cuda.CUDAGraph()
    with lucid.cuda.graph(graph, pool=pool), counting() as c:
        y = a @ a
    assert cublas._handles == before
    assert c.device_allocations == 0
    graph.replay()
    assert y[0, 0].item() == 8
    workspaces = [workspace for _, workspace in before.values()]
    assert workspaces
    assert all(w.mem.size >= cublas.WORKSPACE for w in workspaces)


def test_a_stream_that_has_no_handle_yet_gets_one_before_the_capture(products, x):
    a = lucid.ones(8, 8, device="cuda")
    a @ a
    stream = lucid.cuda.Stream()
    graph, y = capture(lambda: a @ a, stream=stream)
    assert stream.cuda_stream in {key[2] for key in cublas._handles}
    graph.replay()
    assert y[3, 3].item() == 8


# What can't be captured.


def weights():
    return lucid.nn.Parameter(lucid.ones(3, device="cuda"))


def stepped(make, warm=True):
    """A captured step of an optimizer."""
    p = weights()
    rule = make([p])
    p.grad = lucid.ones(3, device="cuda")
    if warm:
        rule.step()
    return rule.step


REFUSED = {
    "item": (lambda x: x.sum().item(), r"item\(\) at .*values can't come to the host"),
    "tolist": (lambda x: x.tolist(), r"tolist\(\) at .*read them after the replay"),
    "float": (lambda x: float(x[0]), r" float\(\) at .*values can't come to the host"),
    "bool": (lambda x: bool(x[0] > 1), r" bool\(\) at .*values can't come"),
    "print": (lambda x: repr(x), r" repr\(\) at .*values can't come"),
    "cpu": (lambda x: x.cpu(), r"cpu\(\) at .*values can't come"),
    "tensor": (lambda x: x + lucid.tensor([1.0]), r"tensor\(\) at .*numbers can't be sent"),
    "to": (lambda x: lucid.ones(3, device="cpu").cuda(), r"cuda\(\) at .*numbers can't be sent"),
    "mask": (lambda x: x[x > 1], r" getitem\(\) at .*can't be recorded"),
    "nonzero": (lambda x: x.nonzero(), r"nonzero\(\) at .*can't be recorded"),
    "synchronize": (lambda x: lucid.cuda.synchronize(), r"synchronize\(\) at .*can't wait"),
    "stream": (lambda x: lucid.cuda.current_stream().synchronize(), "the host can't wait"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_waits_or_copies_is_refused_with_its_place(name, x):
    forbidden, text = REFUSED[name]
    with pytest.raises(lucid.cuda.CaptureError, match=text) as refused:
        capture(lambda: forbidden(x))
    assert re.search(rf"{HERE}:\d+", str(refused.value))
    assert "Hint: " in str(refused.value)
    assert not lucid.cuda.is_current_stream_capturing()
    graph, y = capture(lambda: x + 1)  # the stream is as before
    graph.replay()
    assert y.tolist() == [1, 2, 3, 4, 5, 6]


STEPS = {
    "counted on the host": (
        lambda: stepped(lambda ps: lucid.optim.Adam(ps, lr=0.1)),
        r"Adam.step: the steps are counted on the host.*Adam\(\.\.\., capturable=True\)",
    ),
    "without a kernel": (
        lambda: stepped(lambda ps: lucid.optim.RMSprop(ps, lr=0.1)),
        r"RMSprop.step: .*Hint: SGD",
    ),
    "first step": (
        lambda: stepped(lambda ps: lucid.optim.SGD(ps, lr=0.1, momentum=0.9), warm=False),
        r"SGD.step: the state can't be begun.*run the step once before",
    ),
    "first step of Adam": (
        lambda: stepped(lambda ps: lucid.optim.Adam(ps, capturable=True), warm=False),
        r"Adam.step: the state can't be begun",
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_an_optimizer_that_can_not_be_captured_says_why(name, cuda):
    make, text = STEPS[name]
    step = make()
    with pytest.raises(lucid.cuda.CaptureError, match=text):
        capture(step)
    step()  # and goes on


def test_parameters_elsewhere_are_refused(cuda):
    p = lucid.nn.Parameter(lucid.ones(3, device="cpu"))
    p.grad = lucid.ones(3, device="cpu")
    with pytest.raises(lucid.cuda.CaptureError, match=r"on cuda:0; got lucid.float32 on cpu"):
        capture(lucid.optim.SGD([p], lr=0.1).step)


def test_a_convolution_without_a_plan_says_so(problems):
    x, w = lucid.ones(1, 3, 9, 9, device="cuda"), lucid.ones(5, 3, 2, 2, device="cuda")
    with pytest.raises(lucid.cuda.CaptureError, match=r"conv2d\(\) at .*has no plan.*run the step"):
        capture(lambda: F.conv2d(x, w))
    assert not cudnn.plans._plans
    F.conv2d(x, w)
    graph, y = capture(lambda: F.conv2d(x, w))
    graph.replay()
    assert y.unique().tolist() == [12]


def test_a_stream_without_a_cublas_handle_says_so(cuda, monkeypatch):
    a = lucid.ones(8, 8, device="cuda")
    monkeypatch.setattr(cublas, "_handles", {})
    with pytest.raises(lucid.cuda.CaptureError, match=r" matmul\(\) at .*, in MatMul: .*no handle"):
        capture(lambda: a @ a)


def test_an_error_of_the_steps_own_comes_through_as_it_is(x):
    with pytest.raises(lucid.errors.ShapeError, match="add"):
        capture(lambda: x + lucid.ones(4, device="cuda"))
    with pytest.raises(KeyError):
        capture(lambda: {}["missing"])
    assert not lucid.cuda.is_current_stream_capturing()


def test_a_capture_in_one_thread_hinders_no_other(x):
    import threading

    found = []
    with lucid.cuda.graph(lucid.cuda.CUDAGraph()):
        thread = threading.Thread(target=lambda: found.append(lucid.Generator().reserve(2)))
        thread.start()
        thread.join()
        y = x + 1
    assert found == [(lucid.Generator().initial_seed(), 0, 0)]
    assert y.shape == (6,)


def test_without_a_gpu_nothing_captures():
    if not lucid.cuda.is_available():
        assert lucid.cuda.is_current_stream_capturing() is False
