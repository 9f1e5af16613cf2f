"""Matrices, convolutions and pools: what layers compute."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .calls import Call
from .tensors import Draw, maybe, pick, tensor, words

# Halves are summed in other orders by the two; their sums are compared in the hand-made cases.
WIDE = ("float32", "float64")
FLOATING = ("float32", "float64", "float16", "bfloat16")
MATRICES = (*WIDE, *WIDE, "bfloat16", "int64")
KINDS = ("plain", "ties")


def product(draw: Draw) -> Call:
    name = pick(draw, *PRODUCTS)
    i, j, k, b = (draw(st.integers(0, 4)) for _ in range(4))
    wrong = draw(st.integers(0, 19)) == 19
    dtypes = (pick(draw, *MATRICES),)

    def t(*shape: int) -> Any:
        return tensor(draw, shape, dtypes, KINDS)

    plain = name.removeprefix("Tensor.__").rstrip("_").rpartition(".")[2]
    if plain == "matmul":
        ends = pick(draw, ((i,), (i,)), ((i, j), (j,)), ((j,), (j, k)), ((i, j), (j, k)))
        more = pick(draw, ((), ()), ((b,), ()), ((), (b,)), ((b,), (b,)), ((b, 1), (2,)))
        left = (*more[0], *ends[0]) if len(ends[0]) > 1 else ends[0]
        right = (*more[1], *ends[1]) if len(ends[1]) > 1 else ends[1]
        return Call(name, (t(*left), t(*right[:-1], right[-1] + wrong)))
    if plain == "linear":
        rows = pick(draw, (), (b,), (b, i), (2, 1, b))
        given = maybe(draw, {"bias": lambda: t(k)})
        return Call(name, (t(*rows, j + wrong), t(k, j)), given)
    if plain in ("addmm", "addmv", "baddbmm"):
        lead = (b,) if plain == "baddbmm" else ()
        out = (i,) if plain == "addmv" else (*lead, i, k)
        out = tuple(1 if draw(st.booleans()) else n for n in out)
        given = maybe(
            draw, {"beta": lambda: pick(draw, 0, 2, -1), "alpha": lambda: pick(draw, 0, 3)}
        )
        right = (j,) if plain == "addmv" else (*lead, j, k)
        return Call(name, (t(*out), t(*lead, i, j + wrong), t(*right)), given)
    if plain == "einsum":
        text, a, c = pick(
            draw, ("ij,jk->ik", (i, j), (j, k)), ("bij,bjk->bik", (b, i, j), (b, j, k)),
            ("ij,ij->", (i, j), (i, j)), ("i,j->ji", (i,), (j,)),
            ("...ij,kj->...ik", (b, i, j), (k, j)),
            ("ij,ij->ij", (i, j), (i, j)), ("ii,j->ij", (i, i), (j,)), ("ij,k", (i, j), (k,)),
        )  # fmt: skip
        return Call(name, (text, t(*a), t(*c)))
    if plain == "tensordot":
        return Call(name, (t(b, i, j), t(i, j, k)), {"dims": pick(draw, 2, ([1, 2], [0, 1]))})
    if plain == "bilinear":
        args = (t(b, i), t(b, j), t(k, i, j))
        return Call(name, args, maybe(draw, {"bias": lambda: t(k)}))
    a, c = {
        "mm": ((i, j), (j, k)), "bmm": ((b, i, j), (b, j, k)), "mv": ((i, j), (j,)),
        "dot": ((i,), (i,)), "outer": ((i,), (j,)),
    }[plain]  # fmt: skip
    return Call(name, (t(*a), t(*c[:-1], c[-1] + wrong)))


PRODUCTS = words(
    """
    matmul Tensor.__matmul__ mm bmm mv dot outer addmm addmv baddbmm einsum tensordot
    nn.functional.linear nn.functional.bilinear
    """
)


def linalg(draw: Draw) -> Call:
    """Of matrices that are far from singular, so that rounding is not amplified."""
    n, lead = draw(st.integers(0, 3)), pick(draw, (), (2,), (0,))
    x = tensor(draw, (*lead, n, n), ("float64",), ("unit",))
    shifted = x.base + 0
    name = pick(draw, "linalg.inv", "linalg.det", "linalg.solve", "linalg.svdvals", "linalg.norm")
    if shifted.shape == x.shape:
        for k in range(n):
            shifted[..., k, k] += 2 + k
    if shifted.shape != x.shape:
        name = "linalg.norm"
    if name == "linalg.solve":
        return Call(name, (x, tensor(draw, (*lead, n, 2), ("float64",), KINDS)))
    return Call(name, (type(x)(shifted, x.dtype, x.steps, x.grad, x.kind, x.shape),))


def convolution(draw: Draw) -> Call:
    n, turned = draw(st.integers(1, 3)), draw(st.integers(0, 2)) == 2
    groups = draw(st.integers(1, 3))
    cin, cout = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(n))
    size = tuple(draw(st.integers(1, 6 if n < 3 else 4)) for _ in range(n))
    lead = pick(draw, (), (1,), (2,), (2,), (0,))
    dtypes = (pick(draw, *WIDE),)
    weight = (cin, cout // groups, *kernel) if turned else (cout, cin // groups, *kernel)
    wrong = draw(st.integers(0, 19)) == 19
    x = tensor(draw, (*lead, cin + wrong, *size), dtypes, KINDS)
    w = tensor(draw, weight, dtypes, KINDS)

    def each(low: int, high: int) -> Any:
        several = tuple(draw(st.integers(low, high)) for _ in range(n))
        return pick(draw, several, several[0])

    made = {
        "bias": lambda: tensor(draw, (cout,), dtypes, KINDS),
        "stride": lambda: each(1, 3),
        "padding": lambda: each(0, 2),
        "dilation": lambda: each(1, 2),
    }
    if turned:
        made["output_padding"] = lambda: each(0, 1)
    elif draw(st.integers(0, 3)) == 3:
        made["padding"] = lambda: pick(draw, "same", "valid")
    given = {"groups": groups, **maybe(draw, made)}
    return Call(f"nn.functional.conv{'_transpose' * turned}{n}d", (x, w), given)


def pool(draw: Draw) -> Call:
    n = draw(st.integers(1, 3))
    kind = pick(draw, "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool")
    lead = pick(draw, (1,), (2,), (2, 1), (2, 3), (0, 2))
    size = tuple(draw(st.integers(1, 6 if n < 3 else 4)) for _ in range(n))
    kinds = ("positive",) if kind == "lp_pool" else KINDS  # roots of signed sums are not numbers
    x = tensor(draw, (*lead, *size), WIDE if kind != "max_pool" else FLOATING, kinds)
    name = f"nn.functional.{kind}{n}d"

    def each(low: int, high: int) -> Any:
        several = tuple(draw(st.integers(low, high)) for _ in range(n))
        return pick(draw, several, several[0])

    if kind.startswith("adaptive"):
        out = each(0 if draw(st.integers(0, 9)) == 9 else 1, 4)
        given = maybe(draw, {"return_indices": lambda: True}) if "max" in kind else {}
        return Call(name, (x, out), given)
    made: dict[str, Any] = {"stride": lambda: each(1, 3), "ceil_mode": lambda: True}
    if kind == "lp_pool":
        return Call(name, (x, pick(draw, 1, 2, 3.0), each(1, 3)), maybe(draw, made))
    made["padding"] = lambda: each(0, 1)
    if kind == "max_pool":
        made |= {"dilation": lambda: each(1, 2), "return_indices": lambda: True}
    else:
        made["count_include_pad"] = lambda: False
        if n > 1:
            made["divisor_override"] = lambda: pick(draw, 2, 3)
    return Call(name, (x, each(1, 3)), maybe(draw, made))


FAMILIES = {
    "products": product, "linalg": linalg, "convolutions": convolution, "pools": pool,
}  # fmt: skip
