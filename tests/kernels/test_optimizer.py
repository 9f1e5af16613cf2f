"""Optimizer steps, gradient norms and unscaling over many tensors in one launch each."""

import numpy as np
import pytest

import lucid
from lucid.nn.utils import clip_grad_norm_, get_total_norm
from tests import cuda_emulator
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, name_of, unaligned

SHAPES = [(3,), (100, 90), (1,), (0, 4), (7, 11), (8192,), (8193,)]
OPTIMIZERS = [
    (lucid.optim.SGD, {"lr": 0.1}),
    (lucid.optim.SGD, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (lucid.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    (lucid.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (lucid.optim.Adam, {"lr": 0.01}),
    (lucid.optim.Adam, {"lr": 0.01, "weight_decay": 0.1, "maximize": True, "amsgrad": True}),
    (lucid.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
]


def train(optimizer, settings, dtype, device, steps=3):
    parameters = [
        lucid.tensor(draw(*shape, seed=i).astype(dtype), device=device, requires_grad=True)
        for i, shape in enumerate(SHAPES)
    ]
    rule = optimizer(parameters, **settings)
    for step in range(steps):
        for i, p in enumerate(parameters):
            p.grad = lucid.tensor(draw(*p.shape, seed=100 * step + i).astype(dtype), device=device)
        if step == 1:
            parameters[2].grad = None
        rule.step()
    return [p.detach() for p in parameters]


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("optimizer, settings", OPTIMIZERS, ids=lambda v: str(v)[-60:])
def test_three_steps_are_the_rules(cuda, optimizer, settings, dtype):
    ours = train(optimizer, settings, dtype, "cuda")
    exact = train(optimizer, settings, dtype, "cpu")
    for a, b in zip(ours, exact, strict=True):
        assert_close(cuda, a._array, b.to(lucid.float64).numpy(), times=4)


def test_one_launch_per_dtype(cuda):
    from lucid.backend.cuda import optimizer as family

    launches = []
    original = family._LAUNCH["adam"]
    family._LAUNCH["adam"] = lambda *args: (launches.append(args[1]), original(*args))
    try:
        parameters = [
            lucid.tensor(draw(9, 9).astype(kind), requires_grad=True)
            for kind in (np.float32, np.float16, np.float32, np.float16)
        ]
        for p in parameters:
            p.grad = lucid.ones_like(p)
        lucid.optim.Adam(parameters).step()
    finally:
        family._LAUNCH["adam"] = original
    assert sorted(map(str, launches)) == ["float16", "float32"]


def test_other_orders_of_memory(cuda):
    x = draw(2, 8, 4, 5)
    p = lucid.tensor(x).contiguous(memory_format=lucid.channels_last).detach().requires_grad_()
    q = lucid.tensor(x, device="cpu", requires_grad=True)
    g = draw(2, 8, 4, 5, seed=1)
    p.grad, q.grad = lucid.tensor(g), lucid.tensor(g, device="cpu")
    for t in (p, q):
        lucid.optim.SGD([t], lr=0.1, momentum=0.9).step()
    assert_close(cuda, p._array, q.detach().numpy())


def test_found_inf_stops_a_step_and_scale_divides_the_gradient(cuda):
    from types import SimpleNamespace

    settings = {
        "lr": 0.5, "weight_decay": 0, "momentum": 0, "dampening": 0, "nesterov": False,
        "maximize": False, "first": False,
    }  # fmt: skip
    scale = cuda.asarray(np.full(1, 4.0, np.float32))
    for found, moved, left in ((0.0, 1 - 0.5 * 8 / 4, 2.0), (1.0, 1.0, 8.0)):
        p, g = cuda.asarray(np.ones(9, np.float32)), cuda.asarray(np.full(9, 8, np.float32))
        job = SimpleNamespace(p=p, g=g, states=[], settings=settings)
        flag = cuda.asarray(np.full(1, found, np.float32))
        cuda.kernels.optimizer_step("sgd", [job], scale, flag)
        np.testing.assert_array_equal(cuda.to_numpy(p), np.full(9, moved, np.float32))
        np.testing.assert_array_equal(cuda.to_numpy(g), np.full(9, left, np.float32))


# The table of addresses.


def two_models(keep):
    """Two models of the same sizes, stepped in turn, and how often addresses were sent."""
    models = [[lucid.ones(9, requires_grad=True), lucid.ones(5, requires_grad=True)] for _ in "ab"]
    rules = [lucid.optim.SGD(m, lr=0.1, momentum=0.9) for m in models]

    def step():
        for model, rule in zip(models, rules, strict=True):
            rule.zero_grad(set_to_none=not keep)
            sum((p * 2).sum() for p in model).backward()
            rule.step()

    step()
    step()
    with cuda_emulator.counting() as c:
        step()
    return c.h2d


def test_addresses_of_kept_gradients_are_sent_once(cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("counts what the emulated device was asked: --device cuda-emulated")
    assert two_models(keep=True) == 0
    assert two_models(keep=False) == 2  # the emulator never gives the same memory twice running


def test_new_addresses_are_refused_while_a_bare_stream_captures(cuda):
    p = lucid.ones(9, requires_grad=True)
    rule = lucid.optim.SGD([p], lr=0.1)
    p.grad = lucid.ones(9)
    rule.step()
    kept, p.grad = p.grad, lucid.ones(9)
    stream = cuda.xp.cuda.get_current_stream()
    stream.begin_capture()
    try:
        with pytest.raises(RuntimeError, match=r"optimizer: .*Hint: capture with lucid.cuda.graph"):
            rule.step()
        p.grad = kept
        rule.step()  # these are known
    finally:
        graph = stream.end_capture()
    graph.launch(stream)
    assert_close(cuda, p._array, np.full(9, 0.8))


@pytest.mark.parametrize("bad", [None, np.inf, -np.inf, np.nan])
def test_unscaling_finds_what_is_not_finite(cuda, bad):
    arrays = [draw(9000), draw(5, 5, dtype=np.float16), draw(3, dtype=np.float64)]
    if bad is not None:
        arrays[0][8500] = bad
    ours = [cuda.asarray(a) for a in arrays]
    scale, found = (cuda.asarray(np.full(1, v, np.float32)) for v in (0.5, 0.0))
    cuda.kernels.unscale_gradients(ours, scale, found)
    assert cuda.to_numpy(found)[0] == (bad is not None)
    for a, b in zip(ours, arrays, strict=True):
        np.testing.assert_array_equal(cuda.to_numpy(a), b * b.dtype.type(0.5))


@pytest.mark.parametrize("kind", [2.0, float("inf"), 3.0])
@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_the_norm_and_clipping(cuda, kind, limit):
    gradients = [draw(*shape, seed=i) for i, shape in enumerate(SHAPES)]
    found = []
    for device in ("cuda", "cpu"):
        parameters = [lucid.tensor(g, device=device, requires_grad=True) for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = lucid.tensor(g, device=device)
        parameters = [p for p in parameters if p.numel() or kind == 2.0]
        total = clip_grad_norm_(parameters, limit, kind)
        found.append([total, *(p.grad for p in parameters)])
    for a, b in zip(*found, strict=True):
        assert_close(cuda, a._array, b.to(lucid.float64).numpy(), times=4)


def test_the_norm_of_halves_and_floats_together(cuda):
    tensors = [lucid.tensor(draw(300, dtype=k)) for k in (np.float16, np.float32)]
    exact = np.sqrt(sum((t.cpu().numpy().astype(np.float64) ** 2).sum() for t in tensors))
    assert abs(get_total_norm(tensors).item() - exact) < 1e-5 * exact


@pytest.mark.parametrize("grid, block", [(1, 32), (2, 96), (5, 1024)])
def test_grid_and_block_change_no_norm(cuda, grid, block):
    from lucid.backend.cuda import optimizer as family

    kind = np.dtype("float32")
    found = []
    arrays = [cuda.asarray(draw(20_001)), unaligned(cuda, draw(77, seed=1))]
    for shape in ((grid, block), (4, 256)):
        table, chunks = family._table("test", [[a] for a in arrays])
        partial = cuda.xp.empty(chunks, kind)
        family._chunk_norms(*shape, kind, *table, partial, 0)
        found.append(bits(cuda, partial))
    np.testing.assert_array_equal(*found)
