"""L-BFGS: quasi-Newton steps from the last few gradients, for functions evaluated exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lucid.errors import CheckpointError
from lucid.graph.grad_mode import enable_grad, no_grad
from lucid.ops import cat
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import fit
from lucid.optim.wolfe import Point, search
from lucid.tensor import Tensor

_HISTORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """p += t * d, d = -H g, where H approximates the inverse of the second derivative.

    H is known by what it does to the last ``history_size`` changes of the gradient (Liu and
    Nocedal, 1989). One ``step(closure)`` makes up to ``max_iter`` of these, for which the closure,
    which computes the loss and its gradients, is called up to ``max_eval`` times (default 5/4 of
    max_iter), and ends when the largest gradient is at most ``tolerance_grad`` or parameters and
    loss change by less than ``tolerance_change``. t is ``lr``, or with
    ``line_search_fn="strong_wolfe"`` found so that the strong Wolfe conditions hold.

    All parameters are one vector: one group, on one device.

    >>> w = nn.Parameter(lucid.tensor([3.0, -1.0]))
    >>> optimizer = lucid.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    8.0
    >>> w.detach()
    Tensor([1., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
                "history_size": history_size, "line_search_fn": line_search_fn,
            },
        )  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError(
                f"LBFGS: all parameters are one vector, one group; got {len(self.param_groups)}"
                " groups"
            )

    def _check(self, group: dict[str, Any]) -> None:
        require("LBFGS", group, lr=">= 0")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                "LBFGS: line_search_fn must be None or strong_wolfe; got"
                f" {group['line_search_fn']!r}"
            )

    # The parameters as a vector.

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        return cat([(p.detach() * 0 if p._grad is None else p._grad.detach()).reshape(-1)
                    for p in self._params])  # fmt: skip

    def _move(self, t: float, d: Tensor) -> None:
        start = 0
        for p in self._params:
            p.add_(d[start : start + p.numel()].view_as(p), alpha=t)
            start += p.numel()

    # The step.

    @no_grad
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go up to ``max_iter`` times towards the minimum; returns the loss that it began with."""
        if closure is None:
            raise TypeError("LBFGS.step: needs a closure that computes the loss; got None")
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> Any:
            state["func_evals"] += 1
            with enable_grad():
                return closure()

        first = evaluate()
        g = self._gradient()
        if _largest(g) <= group["tolerance_grad"]:
            return first
        known = {name: state.get(name) for name in _HISTORY}
        known.update(_iterate(self, group, state, evaluate, float(first), g, known))
        state.update(known)
        return first

    # State: vectors, and lists of them, in the first parameter's.

    def _fitted(
        self, name: str, i: Any, values: Mapping[str, Any], p: Tensor, group: Mapping[str, Any]
    ) -> dict[str, Any]:
        needed = ("func_evals", "n_iter", *(_HISTORY if values.get("n_iter") else ()))
        missing = [key for key in needed if key not in values]
        if missing:
            raise CheckpointError(
                f"{name}: the state must have {', '.join(missing)}; got"
                f" {', '.join(map(str, values)) or 'nothing'}"
            )
        size = sum(q.numel() for q in self._params)

        def adopt(key: str, value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [adopt(key, v) for v in value]
            value = fit(f"{name}: {key}", value, None, p)
            if isinstance(value, Tensor) and value.shape not in ((), (size,)):
                raise CheckpointError(
                    f"{name}: {key} must have as many elements as all parameters, {size}; got"
                    f" shape {value.shape}"
                )
            return value

        return {key: adopt(key, value) for key, value in values.items()}


def _largest(x: Tensor) -> float:
    return x.abs().amax().item()


def _iterate(
    rule: LBFGS,
    group: Mapping[str, Any],
    state: dict[str, Any],
    evaluate: Callable[[], Any],
    loss: float,
    g: Tensor,
    known: Mapping[str, Any],
) -> dict[str, Any]:
    """The iterations of one step, from a loss and its gradient; what the next one must know."""
    d, t, changes, moves, ro, scale, before, _ = known.values()
    change = group["tolerance_change"]
    done, begun = 0, state["func_evals"] - 1
    while done < group["max_iter"]:
        done += 1
        state["n_iter"] += 1
        if state["n_iter"] == 1:
            d, changes, moves, ro, scale = -g, [], [], [], 1
        else:
            scale = _remember(g - before, d * t, changes, moves, ro, scale, group["history_size"])
            d = _direction(g, changes, moves, ro, scale)
        before, loss_before = g, loss
        lr = float(group["lr"])
        t = lr / max(1.0, g.abs().sum().item()) if state["n_iter"] == 1 else lr
        slope = g.dot(d).item()
        if slope > -change:
            break
        if group["line_search_fn"] is not None:
            left = group["max_eval"] - (state["func_evals"] - begun)
            loss, g, t = _search(rule, evaluate, Point(0.0, loss, g, slope), t, d, change, left)
        else:
            rule._move(t, d)
            if done < group["max_iter"]:  # nobody asks for the last one's
                loss, g = float(evaluate()), rule._gradient()
        if (
            state["func_evals"] - begun >= group["max_eval"]
            or _largest(g) <= group["tolerance_grad"]
            or _largest(d) * abs(t) <= change
            or abs(loss - loss_before) < change
        ):
            break
    return dict(zip(_HISTORY, (d, t, changes, moves, ro, scale, before, loss_before), strict=True))


def _remember(
    y: Tensor, s: Tensor, changes: list, moves: list, ro: list, scale: Any, most: int
) -> Any:
    """Note how the gradient changed (y) over a move (s), if the function is convex there.

    Returns the inverse's first approximation, a number times the identity."""
    product = y.dot(s)
    if product.item() <= 1e-10:
        return scale
    if len(changes) == most:
        for history in (changes, moves, ro):
            del history[0]
    changes.append(y)
    moves.append(s)
    ro.append(1.0 / product)
    return product / y.dot(y)


def _direction(g: Tensor, changes: list, moves: list, ro: list, scale: Any) -> Tensor:
    """-H g, by the two loops of Nocedal (1980)."""
    q, weights = -g, []
    for y, s, r in zip(reversed(changes), reversed(moves), reversed(ro), strict=True):
        weights.append(s.dot(q) * r)
        q = q - y * weights[-1]
    q = q * scale
    for y, s, r, w in zip(changes, moves, ro, reversed(weights), strict=True):
        q = q + s * (w - y.dot(q) * r)
    return q


def _search(
    rule: LBFGS,
    evaluate: Callable[[], Any],
    start: Point,
    t: float,
    d: Tensor,
    tolerance: float,
    most: int,
) -> tuple[float, Tensor, float]:
    """Go along d to a point that satisfies the strong Wolfe conditions: loss, gradient, t there."""
    origin = [p.detach().clone() for p in rule._params]

    def at(t: float) -> Point:
        rule._move(t, d)
        loss, g = float(evaluate()), rule._gradient()
        for p, value in zip(rule._params, origin, strict=True):
            p.copy_(value)
        return Point(t, loss, g, g.dot(d).item())

    found = search(at, start, t, _largest(d), tolerance, most)
    rule._move(found.t, d)
    return found.f, found.g, found.t
