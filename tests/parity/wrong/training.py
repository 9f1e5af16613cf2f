"""Right optimizers, schedules, gradient clipping, data and mixed precision, to be spoilt."""

from __future__ import annotations

from typing import Any

from tests.parity.library import Side
from tests.parity.refusals import right, using
from tests.parity.wrong.tensors import f, i

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
    "Adam": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1},
    "AdamW": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "momentum": 0.5},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "eps": 1e-8},
    "Adadelta": {"lr": 0.1, "rho": 0.9, "eps": 1e-8},
    "Adamax": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8},
    "NAdam": {"lr": 0.1, "betas": (0.9, 0.99), "momentum_decay": 0.1},
    "RAdam": {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8},
    "Rprop": {"lr": 0.1, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0)},
    "ASGD": {"lr": 0.1, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6},
}


def stepped(name: str) -> Any:
    """The parameter after one step of the optimizer."""

    def step(s: Side, weight: Any, **settings: Any) -> Any:
        optimizer = s.get(f"optim.{name}")([weight], **settings)
        if getattr(weight, "requires_grad", False):
            (weight * weight).sum().backward()
        optimizer.step()
        return weight.detach()

    return step


for name, settings in OPTIMIZERS.items():
    using(f"optim.{name}", stepped(name), f(2, 3), **settings)


def scheduled(name: str) -> Any:
    """The learning rates of three steps of the schedule."""

    def run(s: Side, *args: Any, **settings: Any) -> Any:
        optimizer = s.optim.SGD([s.root.nn.Parameter(s.root.ones(2))], lr=0.1)
        schedule = s.get(f"optim.lr_scheduler.{name}")(optimizer, *args, **settings)
        rates = []
        for _ in range(3):
            optimizer.step()
            schedule.step()
            rates.append(schedule.get_last_lr())
        return rates

    return run


SCHEDULES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "StepLR": ((2,), {"gamma": 0.5}),
    "MultiStepLR": (([1, 2],), {"gamma": 0.5}),
    "ExponentialLR": ((0.5,), {}),
    "ConstantLR": ((), {"factor": 0.5, "total_iters": 2}),
    "LinearLR": ((), {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 3}),
    "PolynomialLR": ((), {"total_iters": 4, "power": 2.0}),
    "CosineAnnealingLR": ((4,), {"eta_min": 0.01}),
    "CosineAnnealingWarmRestarts": ((4,), {"T_mult": 2, "eta_min": 0.01}),
    "OneCycleLR": ((0.5,), {"total_steps": 9, "pct_start": 0.5, "anneal_strategy": "cos"}),
    "CyclicLR": ((0.01, 0.2), {"step_size_up": 4, "mode": "triangular", "cycle_momentum": False}),
}
for name, (args, settings) in SCHEDULES.items():
    using(f"optim.lr_scheduler.{name}", scheduled(name), *args, **settings)


def clipped(name: str) -> Any:
    def clip(s: Side, weight: Any, *args: Any, **settings: Any) -> Any:
        if getattr(weight, "requires_grad", False):
            (weight * weight).sum().backward()
        norm = s.get(f"nn.utils.{name}")([weight], *args, **settings)
        return norm, weight.grad

    return clip


using("nn.utils.clip_grad_norm_", clipped("clip_grad_norm_"), f(2, 3), 1.0, norm_type=2.0)
using("nn.utils.clip_grad_value_", clipped("clip_grad_value_"), f(2, 3), 0.5)


def vector(s: Side, *tensors: Any) -> Any:
    return s.get("nn.utils.parameters_to_vector")(tensors)


using("nn.utils.parameters_to_vector", vector, f(2, 3), f(4))


def batches(s: Side, x: Any, y: Any, **settings: Any) -> Any:
    data = s.get("utils.data.TensorDataset")(x, y)
    return [batch[0].shape[0] for batch in s.get("utils.data.DataLoader")(data, **settings)]


using("utils.data.DataLoader", batches, f(5, 3, grad=False), i(5), batch_size=2, num_workers=0)


def split(s: Side, lengths: Any) -> Any:
    data = s.get("utils.data.TensorDataset")(s.root.arange(5))
    return [len(part) for part in s.get("utils.data.random_split")(data, lengths)]


using("utils.data.random_split", split, [3, 2])


def part(s: Side, indices: Any) -> Any:
    whole = s.get("utils.data.TensorDataset")(s.root.arange(5))
    data = s.get("utils.data.Subset")(whole, indices)
    return [data[k][0] for k in range(len(data))]


using("utils.data.Subset", part, [3, 2])


def sampled(name: str) -> Any:
    def draw(s: Side, *args: Any, **settings: Any) -> Any:
        return len(list(s.get(f"utils.data.{name}")(*args, **settings)))

    return draw


using("utils.data.SequentialSampler", sampled("SequentialSampler"), [1, 2, 3])
using("utils.data.RandomSampler", sampled("RandomSampler"), [1, 2, 3], num_samples=2)
weights = [0.5, 0.25, 0.25]
using("utils.data.WeightedRandomSampler", sampled("WeightedRandomSampler"), weights, 2)
using("utils.data.BatchSampler", sampled("BatchSampler"), [1, 2, 3], 2, drop_last=False)


def cast(s: Side, **settings: Any) -> Any:
    x = s.root.ones(3, 3)
    with s.get("amp.autocast")(**settings):
        return x @ x


using("amp.autocast", cast, device_type="cpu", enabled=True)


def scaled(s: Side, **settings: Any) -> Any:
    return s.get("amp.GradScaler")("cpu", **settings).get_scale()


using(
    "amp.GradScaler", scaled, init_scale=8.0, growth_factor=2.0, backoff_factor=0.5,
    growth_interval=10,
)  # fmt: skip

right("nn.init.trunc_normal_", f(4, 3, grad=False), 0.0, 1.0, -2.0, 2.0, needed=1, values=False)
right("nn.init.calculate_gain", "leaky_relu", 0.1, needed=1)
right("nn.init.sparse_", f(4, 3, grad=False), 0.5, needed=2, values=False)
right("nn.init.uniform_", f(4, 3, grad=False), 0.0, 1.0, needed=1, values=False)
