"""The reverse walk. Knows nodes and gradients; has never heard of arrays or devices.

A node is an Op that has been called, or a Leaf. It offers

    edges             one (node, output index) per input, None where no gradient is wanted
    outputs           how many outputs it has
    hooks             {output index: functions of that output's gradient}, or None
    pull(gradients)   gradients of its outputs -> gradients of its inputs, one per edge
    release()         forget what forward kept
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lucid.errors import GradError
from lucid.graph.autocast import state as autocast
from lucid.graph.grad_mode import flags

Edge = tuple[Any, int]


def run(
    roots: Sequence[Edge],
    gradients: Sequence[Any],
    *,
    retain_graph: bool,
    create_graph: bool,
    capture: Sequence[Edge] | None = None,
) -> list[Any]:
    """Send ``gradients`` from ``roots`` down the graph.

    Without ``capture`` they end in the leaves. With it, only the paths that lead to the captured
    edges are walked, no leaf is touched, and their gradients are returned (None: not reached).
    """
    waiting = _count_consumers(roots, capture)
    captured: dict[Edge, Any] = dict.fromkeys(capture or ())
    inbox: dict[Any, list[Any]] = {}
    for (node, index), gradient in zip(roots, gradients, strict=True):
        if node in waiting:
            _deliver(inbox, node, index, gradient)
    ready = [node for node in inbox if waiting[node] == 0]

    recording, flags.grad = flags.grad, create_graph
    casting, autocast.enabled = autocast.enabled, frozenset()  # backward runs in forward's dtypes
    try:
        while ready:
            node = ready.pop()
            arrived = inbox.pop(node, None) or [None] * node.outputs
            if node.hooks:
                _run_hooks(node, arrived)
            if captured:
                for index, gradient in enumerate(arrived):
                    if (node, index) in captured:
                        captured[node, index] = gradient
            pulled = (arrived[0] is not None or any(g is not None for g in arrived)) and (
                capture is None or any(edge and edge[0] in waiting for edge in node.edges)
            )
            sent = node.pull(arrived) if pulled else [None] * len(node.edges)
            del arrived
            for edge, gradient in zip(node.edges, sent, strict=True):
                if edge is None or edge[0] not in waiting:
                    continue
                source, index = edge
                if gradient is not None:
                    _deliver(inbox, source, index, gradient)
                waiting[source] -= 1
                if waiting[source] == 0:
                    ready.append(source)
            gradient = sent = None
            if pulled and not retain_graph:
                node.release()
    finally:
        flags.grad, autocast.enabled = recording, casting
    return list(captured.values()) if capture is None else [captured[edge] for edge in capture]


def _deliver(inbox: dict, node: Any, index: int, gradient: Any) -> None:
    slots = inbox.get(node)
    if slots is None:
        slots = inbox[node] = [None] * node.outputs
    slots[index] = gradient if slots[index] is None else slots[index] + gradient


def _run_hooks(node: Any, arrived: list[Any]) -> None:
    for index, hooks in node.hooks.items():
        for key in sorted(hooks):  # ids count up: in the order of registration
            gradient, hook = arrived[index], hooks.get(key)
            if gradient is None or hook is None:
                continue
            replacement = hook(gradient)
            if replacement is None:
                continue
            if getattr(replacement, "shape", None) != gradient.shape:
                raise GradError(
                    "register_hook: a hook must return None or a gradient of shape"
                    f" {gradient.shape}; got {replacement!r:.80}"
                )
            arrived[index] = replacement


def _count_consumers(roots: Iterable[Edge], capture: Sequence[Edge] | None) -> dict[Any, int]:
    """For every node below the roots (and above a captured edge): how many edges point at it."""
    consumers: dict[Any, list[Any]] = {}
    stack = []
    for node, _ in roots:
        if node not in consumers:
            consumers[node] = []
            stack.append(node)
    while stack:
        consumer = stack.pop()
        for edge in consumer.edges:
            if edge is None:
                continue
            node = edge[0]
            if node not in consumers:
                consumers[node] = []
                stack.append(node)
            consumers[node].append(consumer)
    if capture is None:
        return {node: len(above) for node, above in consumers.items()}

    useful = {node for node, _ in capture if node in consumers}
    stack = list(useful)
    while stack:
        for consumer in consumers[stack.pop()]:
            if consumer not in useful:
                useful.add(consumer)
                stack.append(consumer)
    return {node: sum(c in useful for c in consumers[node]) for node in useful}
