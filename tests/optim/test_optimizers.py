"""Optimizers: PyTorch's numbers for every combination of options; state, groups and hooks."""

import inspect
import itertools

import pytest

import lucid
from lucid import nn, optim
from lucid.errors import GradError
from lucid.optim import blocks

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]
STEPS = 20


def combinations(**options):
    names = list(options)
    return [
        dict(zip(names, values, strict=True)) for values in itertools.product(*options.values())
    ]


RUNS = [
    *[
        ("SGD", kwargs)
        for kwargs in combinations(
            lr=[0.1],
            momentum=[0, 0.9],
            dampening=[0, 0.3],
            weight_decay=[0, 0.01],
            nesterov=[False, True],
            maximize=[False, True],
        )
        if not kwargs["nesterov"] or (kwargs["momentum"] and not kwargs["dampening"])
    ],
    *[
        (name, kwargs)
        for name in ("Adam", "AdamW")
        for kwargs in combinations(
            lr=[0.01], betas=[(0.9, 0.999), (0.5, 0.9)], weight_decay=[0, 0.1],
            amsgrad=[False, True], maximize=[False, True],
        )
    ],
    *[
        ("RMSprop", kwargs)
        for kwargs in combinations(
            lr=[0.01], momentum=[0, 0.9], centered=[False, True], weight_decay=[0, 0.1],
            maximize=[False, True],
        )
    ],
    *[
        ("Adagrad", kwargs)
        for kwargs in combinations(
            lr=[0.1], lr_decay=[0, 0.1], weight_decay=[0, 0.1],
            initial_accumulator_value=[0, 0.5], maximize=[False, True],
        )
    ],
    *[
        ("Adadelta", kwargs)
        for kwargs in combinations(lr=[1.0], rho=[0.9, 0.5], weight_decay=[0, 0.1])
    ],
    *[
        ("NAdam", kwargs)
        for kwargs in combinations(
            lr=[0.01], betas=[(0.9, 0.999), (0.5, 0.9)], weight_decay=[0, 0.1],
            momentum_decay=[4e-3, 0.5], decoupled_weight_decay=[False, True],
            maximize=[False, True],
        )
    ],
    *[
        ("RAdam", kwargs)  # with beta2 0.9 some of the steps are rectified
        for kwargs in combinations(
            lr=[0.01], betas=[(0.9, 0.999), (0.5, 0.9)], weight_decay=[0, 0.1],
            decoupled_weight_decay=[False, True], maximize=[False, True],
        )
    ],
    *[
        ("Adamax", kwargs)
        for kwargs in combinations(
            lr=[0.01], betas=[(0.9, 0.999), (0.5, 0.9)], weight_decay=[0, 0.1],
            maximize=[False, True],
        )
    ],
    *[
        ("ASGD", kwargs)
        for kwargs in combinations(
            lr=[0.01], lambd=[1e-4, 0.1], alpha=[0.75, 0.5], t0=[1e6, 5], weight_decay=[0, 0.1],
            maximize=[False, True],
        )
    ],
    *[
        ("Rprop", kwargs)
        for kwargs in combinations(
            lr=[0.01], etas=[(0.5, 1.2), (0.3, 2.0)], step_sizes=[(1e-6, 50), (0.005, 0.02)],
            maximize=[False, True],
        )
    ],
]  # fmt: skip
ALL = sorted({name for name, _ in RUNS})


def pairs_of_parameters(shapes=SHAPES, dtype=torch.float64):
    theirs = [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    return [nn.Parameter(lucid.tensor(p.detach().numpy().copy())) for p in theirs], theirs


def set_gradients(ours, theirs):
    for p, q in zip(ours, theirs, strict=True):
        q.grad = torch.randn_like(q)
        p.grad = lucid.tensor(q.grad.numpy().copy(), device=p.device)


def assert_same(ours, theirs, tolerance):
    for p, q in zip(ours, theirs, strict=True):
        expected = q.detach().numpy()
        assert abs(p.numpy(force=True) - expected).max() <= tolerance * (1 + abs(expected).max())


@pytest.mark.parametrize(
    ("name", "kwargs"), RUNS, ids=[f"{n}-{'-'.join(map(str, k.values()))}" for n, k in RUNS]
)
def test_twenty_steps_equal_pytorchs(name, kwargs, device):
    torch.manual_seed(0)
    ours, theirs = pairs_of_parameters()
    a, b = getattr(optim, name)(ours, **kwargs), getattr(torch.optim, name)(theirs, **kwargs)
    for _ in range(STEPS):
        set_gradients(ours, theirs)
        a.step()
        b.step()
    assert_same(ours, theirs, 1e-10)


@pytest.mark.parametrize("name", ALL)
def test_float32_parameters_larger_than_a_block_follow_pytorchs(name, device, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1 << 14)
    torch.manual_seed(0)
    ours, theirs = pairs_of_parameters([(40_000,)], torch.float32)
    kwargs = {"lr": 0.01} if name == "Rprop" else {"lr": 0.01, "weight_decay": 0.1}
    a, b = getattr(optim, name)(ours, **kwargs), getattr(torch.optim, name)(theirs, **kwargs)
    for _ in range(STEPS):
        set_gradients(ours, theirs)
        a.step()
        b.step()
    assert_same(ours, theirs, 1e-6)


@pytest.mark.parametrize("name", [*ALL, "LBFGS"])
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    ours, theirs = (
        [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]
        for cls in (getattr(optim, name), getattr(torch.optim, name))
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ALL)
def test_the_repr_is_pytorchs(name):
    ours, theirs = pairs_of_parameters([(2,)])
    expected = repr(getattr(torch.optim, name)(theirs, lr=0.1))
    assert repr(getattr(optim, name)(ours, lr=0.1)) == expected


FLAGS = {"foreach": True, "fused": True, "capturable": True}


@pytest.mark.parametrize("name", ALL)
def test_flags_that_choose_among_implementations_change_no_number(name, device):
    taken = inspect.signature(getattr(optim, name)).parameters
    flags = {key: value for key, value in FLAGS.items() if key in taken}
    found = []
    for more in ({}, flags):
        p = nn.Parameter(lucid.tensor([1.0, -2.0, 3.0], dtype=lucid.float64))
        optimizer = getattr(optim, name)([p], lr=0.1, **more)
        for k in range(3):
            p.grad = p.detach() * (k + 1)
            optimizer.step()
        found.append(p.detach().cpu().numpy())
    # Adam counts on the device if it is capturable; pow() there may differ in its last bits.
    assert found[0] == pytest.approx(found[1], rel=1e-14)
    with pytest.raises(ValueError, match=f"{name}: differentiable=True is not supported. Hint"):
        getattr(optim, name)([nn.Parameter(lucid.ones(1))], differentiable=True)


def test_a_channels_last_parameter_is_stepped_like_a_contiguous_one(device):
    x = lucid.randn(4, 3, 5, 5)
    a = nn.Parameter(x.clone())
    b = nn.Parameter(x.contiguous(memory_format=lucid.channels_last))
    gradient = lucid.randn(4, 3, 5, 5)
    for p in (a, b):
        optimizer = optim.Adam([p], lr=0.1)
        p.grad = gradient
        optimizer.step()
        optimizer.step()
    assert (a.detach() == b.detach()).all()
    assert b.is_contiguous(memory_format=lucid.channels_last)


def test_a_parameter_with_gaps_in_memory_is_stepped_in_its_place(device):
    memory = lucid.zeros(4, 6)
    p = nn.Parameter(memory[:, ::2])
    p.grad = lucid.arange(12.0).reshape(4, 3)
    optim.SGD([p], lr=1.0, momentum=0.5).step()
    assert (memory[:, ::2] == -p.grad).all()
    assert (memory[:, 1::2] == 0).all()


@pytest.mark.parametrize("dtype", [lucid.float16, lucid.bfloat16])
def test_half_parameters_are_computed_in_float32_and_rounded_once(dtype, device):
    p = nn.Parameter(lucid.ones(3, dtype=dtype))
    p.grad = lucid.full((3,), 0.5, dtype=dtype)
    optim.SGD([p], lr=0.1).step()
    assert p.dtype == dtype
    assert (p.detach() == lucid.tensor([0.95] * 3).to(dtype)).all()


def test_a_step_does_not_depend_on_the_number_of_threads():
    from lucid.backend.cpu.threads import get_num_threads, set_num_threads

    start, gradient, before = lucid.randn(100_000), lucid.randn(100_000), get_num_threads()
    results = []
    try:
        for threads in (1, 4):
            set_num_threads(threads)
            p = nn.Parameter(start.clone())
            p.grad = gradient
            optim.Adam([p]).step()
            results.append(p.detach())
    finally:
        set_num_threads(before)
    assert (results[0] == results[1]).all()


def test_a_graph_made_before_a_step_is_stale_after_it(device):
    p = nn.Parameter(lucid.ones(2))
    p.grad = lucid.ones(2)
    y = (p * p).sum()
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(GradError, match="modified in place"):
        y.backward()


def test_parameters_without_gradient_stay_and_get_no_state(device):
    p, q = nn.Parameter(lucid.ones(2)), nn.Parameter(lucid.ones(2))
    p.grad = lucid.ones(2)
    optimizer = optim.Adam([p, q], lr=0.1)
    optimizer.step()
    assert q.tolist() == [1, 1]
    assert q not in optimizer.state


def test_a_closure_is_run_with_gradients_and_its_loss_returned(device):
    p = nn.Parameter(lucid.ones(2))
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = p.sum()
        loss.backward()
        return loss

    with lucid.no_grad():
        assert optimizer.step(closure).item() == 2
    assert p.tolist() == [0.5, 0.5]


def test_zero_grad_forgets_or_zeroes():
    p = nn.Parameter(lucid.ones(2))
    p.grad = lucid.ones(2)
    optimizer = optim.SGD([p])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


def test_groups_have_their_own_settings():
    p, q = nn.Parameter(lucid.ones(1)), nn.Parameter(lucid.ones(1))
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.1)
    p.grad, q.grad = lucid.ones(1), lucid.ones(1)
    optimizer.step()
    assert p.item() == pytest.approx(0.9)
    assert q.item() == pytest.approx(0.5)


def test_a_group_added_later_is_stepped_too():
    p, q = nn.Parameter(lucid.ones(1)), nn.Parameter(lucid.ones(1))
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.add_param_group({"params": [q], "lr": 1.0})
    q.grad = lucid.ones(1)
    optimizer.step()
    assert q.item() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (nn.Linear(2, 2), r"got a Linear. Hint: model.parameters\(\)"),
        (nn.Linear(2, 2).parameters, r"got a method. Hint: model.parameters\(\)"),
        (lucid.ones(2), r"got a Tensor. Hint: \[tensor\]"),
    ],
)
def test_what_holds_no_parameters_is_named(given, said):
    rule = "SGD: params must be an iterable of tensors or dicts; "
    with pytest.raises(TypeError, match=f"^{rule}{said}$"):
        optim.SGD(given, lr=0.1)


def test_named_parameters_keep_their_names():
    optimizer = optim.SGD(nn.Linear(2, 1).named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


P = nn.Parameter(lucid.ones(1))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optim.SGD([P], lr=-1), ValueError, "SGD: lr must be >= 0; got -1"),
        (lambda: optim.SGD([P], lr=float("nan")), ValueError, "SGD: lr must be >= 0; got nan"),
        (lambda: optim.SGD([P], nesterov=True), ValueError, "nesterov needs momentum > 0"),
        (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError, r"betas must be in \[0, 1\)"),
        (lambda: optim.AdamW([P], eps=-1), ValueError, "AdamW: eps must be >= 0; got -1"),
        (lambda: optim.SGD([P], differentiable=True), ValueError, "differentiable=True is not"),
        (lambda: optim.SGD(P), TypeError, "got a Tensor"),
        (lambda: optim.SGD([]), ValueError, "must not be empty"),
        (lambda: optim.SGD([1]), TypeError, "can only optimize tensors; got int"),
        (lambda: optim.SGD([P * 2]), ValueError, "can only optimize leaves"),
        (lambda: optim.SGD([{"params": {P}}]), TypeError, "fixed order"),
        (lambda: optim.SGD([{"params": [P]}, {"params": [P]}]), ValueError, "more than one"),
        (lambda: optim.SGD([{"lr": 1}]), ValueError, '"params"'),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_step_hooks_run_around_each_step():
    p = nn.Parameter(lucid.ones(1))
    p.grad = lucid.ones(1)
    optimizer = optim.SGD([p], lr=0.1)
    seen = []
    first = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(p.item()))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(p.item()))
    optimizer.step()
    assert seen == [1.0, pytest.approx(0.9)]
    first.remove()
    optimizer.step()
    assert len(seen) == 3


def test_an_optimizer_of_ones_own_defines_step():
    class Halve(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self):
            with lucid.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.mul_(0.5)

    p = nn.Parameter(lucid.ones(1))
    Halve([p]).step()
    assert p.item() == 0.5
