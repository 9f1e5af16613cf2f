"""Settings, old names of layers' functions, hooks' older forms, attention as a function."""

from __future__ import annotations

from typing import Any

from tests.parity.cases.shapes import on, with_root
from tests.parity.compare import add, same
from tests.parity.library import Like, Side

IMAGE, MATRIX = Like((2, 4, 6, 6)), Like((2, 4, 6))


def call(name: str, *given: Any, **settings: Any) -> None:
    """The function of tensors like these, at the top of the namespace."""
    add(
        name,
        f"{', '.join(map(str, given))} {settings or ''}",
        lambda s: getattr(s, name)(
            *[s.tensor(g) if isinstance(g, Like) else g for g in given], **settings
        ),
    )


for dims, like in ((1, MATRIX), (2, IMAGE), (3, Like((1, 2, 4, 4, 4)))):
    call(f"max_pool{dims}d", like, 2)
    call(f"max_pool{dims}d", like, 3, 1, 1)
    call(f"max_pool{dims}d", like, kernel_size=2, stride=1, ceil_mode=True)
    weight = Like((like.shape[1], 3, *[2] * dims))
    call(f"conv_transpose{dims}d", like, weight)
    call(f"conv_transpose{dims}d", like, weight, Like((3,)), 2, 1, 1)
call("avg_pool1d", MATRIX, 2)
call("avg_pool1d", MATRIX, 3, 1, 1, False, False)
call("bilinear", Like((2, 3)), Like((2, 4)), Like((5, 3, 4)), Like((5,)))
call("group_norm", IMAGE, 2)
call("group_norm", IMAGE, 2, Like((4,)), Like((4,)), 1e-3)
call("layer_norm", MATRIX, (6,))
call("layer_norm", MATRIX, (4, 6), Like((4, 6)), None, 1e-3)
call("prelu", IMAGE, Like((4,)))
call("threshold", MATRIX, 0.1, 7)
call("hardshrink", MATRIX)
call("hardshrink", MATRIX, 1.0)
call("pairwise_distance", Like((3, 4)), Like((3, 4)))
call("pairwise_distance", Like((3, 4)), Like((3, 4)), 1.0, 1e-3, True)
same("rrelu", lambda s: s.rrelu(s.tensor(MATRIX), 0.1, 0.3, False))
with_root(
    "cartesian_prod",
    lambda s, x: s.cartesian_prod(x),
    lambda s, x: s.cartesian_prod(x, s.arange(2, dtype=x.dtype)),
    lambda s, x: s.cartesian_prod(x, x, x),
    likes=[Like((3,)), Like((2,), "int64"), Like((2, 2))],
)
with_root(
    "combinations",
    lambda s, x: s.combinations(x),
    lambda s, x: s.combinations(x, 3),
    lambda s, x: s.combinations(x, r=2, with_replacement=True),
    lambda s, x: s.combinations(x, 7),
    likes=[Like((4,), grad=False), Like((3,), "int64"), Like((2, 2))],
)
for value in (3, 2.5, True):
    add("scalar_tensor", value, lambda s, v=value: s.scalar_tensor(v))
    add("scalar_tensor", f"{value} int64", lambda s, v=value: s.scalar_tensor(v, dtype=s.int64))
on("Tensor.mH", lambda x: x.mH, likes=[Like((2, 3)), Like((2, 3, 4))])
on("Tensor.H", lambda x: x.H, likes=[Like((2, 3)), Like((2, 3, 4))])
on("Tensor.adjoint", lambda x: x.adjoint(), likes=[Like((2, 3)), Like((2, 3, 4))])


def default_type(s: Side, t: Any) -> Any:
    try:
        s.set_default_tensor_type(t(s) if callable(t) else t)
        return [s.ones(1).dtype, s.tensor([1.0]).dtype, s.arange(2).dtype, s.ones(1).device.type]
    finally:
        s.set_default_dtype(s.float32)


def precision(s: Side, name: str) -> Any:
    before = s.get_float32_matmul_precision()
    try:
        s.set_float32_matmul_precision(name)
        return [s.get_float32_matmul_precision(), s.backends.cuda.matmul.allow_tf32]
    finally:
        s.set_float32_matmul_precision(before)


for kind in ("FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor"):
    add("set_default_tensor_type", kind, lambda s, k=kind: default_type(s, lambda s: getattr(s, k)))
    add("set_default_tensor_type", f"torch.{kind}", lambda s, k=kind: default_type(s, f"torch.{k}"))
add("set_default_tensor_type", "nonsense", lambda s: default_type(s, "Tensor"))
for name in ("highest", "high"):
    add("set_float32_matmul_precision", name, lambda s, n=name: precision(s, n))
add("get_float32_matmul_precision", "at first", lambda s: s.get_float32_matmul_precision())


def anomaly(s: Side) -> Any:
    with s.autograd.set_detect_anomaly(True):
        inside = s.is_anomaly_enabled()
    return [inside, s.is_anomaly_enabled()]


add("is_anomaly_enabled", "within and without", anomaly)


# Modules.
def hooked(s: Side, method: str, **settings: Any) -> Any:
    seen: list[Any] = []
    m = s.nn.Linear(2, 2)
    state = {f"old.{k}": v for k, v in m.state_dict().items()}

    def rename(*given: Any) -> None:
        *_, states, prefix, _, strict, missing, unexpected, errors = given
        seen.append((len(given), prefix, strict, missing, unexpected, errors))
        for key in list(states):
            states[key.removeprefix("old.")] = states.pop(key)

    handle = getattr(m, method)(rename, **settings)
    seen.append(str(m.load_state_dict(state)))
    handle.remove()
    seen.append(sorted(m.load_state_dict(state, strict=False).missing_keys))
    return seen


for method in ("register_load_state_dict_pre_hook", "_register_load_state_dict_pre_hook"):
    add(f"nn.Module.{method}", "renames", lambda s, m=method: hooked(s, m))
add(
    "nn.Module._register_load_state_dict_pre_hook",
    "with module",
    lambda s: hooked(s, "_register_load_state_dict_pre_hook", with_module=True),
)


def state_hook(s: Side) -> Any:
    m = s.nn.Sequential(s.nn.Linear(2, 2))

    def drop(module: Any, state: Any, prefix: str, meta: Any) -> None:
        state.pop(f"{prefix}bias")

    m[0]._register_state_dict_hook(drop)
    m._register_state_dict_hook(lambda module, state, prefix, meta: {**state, "more": 1})
    return sorted(m.state_dict())


add("nn.Module._register_state_dict_hook", "in place, then another", state_hook)


def backward_hook(s: Side) -> Any:
    """grad_output is the same in both forms; grad_input for a module of one operation."""
    seen: list[Any] = []
    m = s.nn.Sigmoid()
    handle = m.register_backward_hook(
        lambda m, given, out: seen.append([g.detach().clone() for g in (*given, *out)])
    )
    x = s.tensor(Like())
    m(x).sum().backward()
    handle.remove()
    m(x).sum().backward()
    return seen


def changed_by_hook(s: Side) -> Any:
    m = s.nn.Tanh()
    m.register_backward_hook(lambda m, given, out: (given[0] * 3,))
    x = s.tensor(Like())
    m(x).sum().backward()  # while the module is there
    return x.grad


add("nn.Module.register_backward_hook", "sees", backward_hook)
add("nn.Module.register_backward_hook", "changes", changed_by_hook)
same(
    "nn.Hardtanh",
    lambda s: s.nn.Hardtanh(min_value=-0.5, max_value=0.7)(s.tensor(Like())),
    lambda s: s.nn.Hardtanh(-1, 1, max_value=0.2)(s.tensor(Like())),
    lambda s: str(s.nn.Hardtanh(min_value=-0.5)),
    lambda s: s.nn.Hardtanh(min_value=2.0),
)


def attention(s: Side, apart: bool = False, extra: bool = False, **settings: Any) -> Any:
    def t(*shape: int) -> Any:
        return s.tensor(Like(shape))

    q, k, v = (t(5, 2, 8), t(7, 2, 6), t(7, 2, 4)) if apart else [t(5, 2, 8)] * 3
    weights = {
        "in_proj_weight": None if apart else t(24, 8),
        "in_proj_bias": t(24),
        "bias_k": t(1, 1, 8) if extra else None,
        "bias_v": t(1, 1, 8) if extra else None,
        "add_zero_attn": extra,
        "dropout_p": 0.0,
        "out_proj_weight": t(6, 8),
        "out_proj_bias": t(6),
    }
    if apart:
        settings |= {"use_separate_proj_weight": True, "q_proj_weight": t(8, 8)}
        settings |= {"k_proj_weight": t(8, 6), "v_proj_weight": t(8, 4)}
    function = s.nn.functional.multi_head_attention_forward
    return [x for x in function(q, k, v, 8, 4, **weights, **settings) if x is not None]


for settings in (
    {},
    {"apart": True},
    {"extra": True},
    {"need_weights": False},
    {"average_attn_weights": False, "training": False},
):
    add(
        "nn.functional.multi_head_attention_forward",
        settings,
        lambda s, k=settings: attention(s, **k),
    )
add(
    "nn.functional.multi_head_attention_forward",
    "masked",
    lambda s: attention(s, attn_mask=s.ones(5, 5).triu(1).bool()),
)
