"""Files written for one library, run with both: of a file for lucid only the imports change."""

import re
import types
from pathlib import Path

import numpy

import lucid
from tests.layer_parity import flat, on_host, torch

FOLDER = Path(__file__).parent
NETWORKS = sorted((FOLDER / "networks").glob("*.py"))
_IMPORT = re.compile(r"^((?:from|import) )lucid\b(.*)$", re.MULTILINE)


def load(library, path):
    """The module that this file is once its imports name ``library``."""
    source = path.read_text()
    if library is torch:
        source = _IMPORT.sub(r"\1torch\2", source)
    module = types.ModuleType(f"{library.__name__}_{path.stem}")
    exec(compile(source, f"{path}", "exec"), vars(module))
    return module


def random_state(model, seed=0):
    """Numbers for each name of its state: no bias is zero, no variance negative."""
    random = numpy.random.default_rng(seed)
    state = {}
    for name, value in model.state_dict().items():
        shape = tuple(value.shape)
        if not value.is_floating_point():
            state[name] = numpy.zeros(shape, numpy.int64)
        elif len(shape) > 1:
            state[name] = random.normal(size=shape) / numpy.sqrt(numpy.prod(shape[1:]))
        elif name.endswith("bias"):
            state[name] = 0.1 * random.normal(size=shape)
        else:
            state[name] = random.uniform(0.5, 1.5, shape)
    return state


def step(library, model, state, x, dtype):
    """All that a training step and an evaluation answer, as arrays under their names."""
    model.to(getattr(library, dtype))

    def restore():
        model.load_state_dict(
            {
                k: library.tensor(v.astype(dtype if v.dtype.kind == "f" else v.dtype))
                for k, v in state.items()
            }
        )

    restore()
    model.zero_grad(set_to_none=True)
    model.train()
    leaf = library.tensor(x.astype(dtype)).requires_grad_()
    outputs = flat(model(leaf))
    loss = 0
    for i, y in enumerate(outputs):
        weights = numpy.random.default_rng(i).normal(size=tuple(y.shape)) / y.numel() ** 0.5
        loss = loss + (y * library.tensor(weights.astype(dtype))).sum()
    loss.backward()
    answers = {f"output {i}": y for i, y in enumerate(outputs)} | {"input's gradient": leaf.grad}
    answers |= {f"gradient of {k}": p.grad for k, p in model.named_parameters()}
    answers |= {f"buffer {k}": b for k, b in model.named_buffers()}
    found = {k: on_host(v).copy() for k, v in answers.items()}
    for name, make in OPTIMIZERS.items():
        restore()
        make(library, model.parameters()).step()
        found |= {f"{k} after {name}": on_host(p).copy() for k, p in model.named_parameters()}
    restore()
    model.eval()
    with library.no_grad():
        found["evaluation"] = on_host(flat(model(leaf))[0])
    return found


OPTIMIZERS = {
    "SGD": lambda library, weights: library.optim.SGD(
        weights, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    ),
    # eps as large as gradients: a step that depends on their size, not on their sign alone
    "Adam": lambda library, weights: library.optim.Adam(weights, lr=0.1, eps=1e-2),
}


def models():
    """The name of each network, with its file."""
    return [(path, name) for path in NETWORKS for name in load(lucid, path).MODELS]
