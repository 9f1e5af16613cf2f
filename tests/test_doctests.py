"""The examples in docstrings and in README.md run, and answer what they say."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import lucid

PACKAGE = Path(lucid.__file__).parent
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NAMES = {
    "lucid": lucid,
    "nn": lucid.nn,
    "F": lucid.nn.functional,
    "optim": lucid.optim,
    "Tensor": lucid.Tensor,
}


def modules_with_examples():
    """lucid.backend.cuda is left out: its modules need CuPy."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if ">>> " in path.read_text(encoding="utf-8") and "backend.cuda" not in name:
            yield name


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_the_examples_of_a_module_are_true(name):
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for example in finder.find(importlib.import_module(name), extraglobs=NAMES):
        runner.run(example, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_code_block_of_the_readme_runs_and_prints_what_its_comments_say(block, capsys):
    if not lucid.cuda.is_available():
        block = block.replace('"cuda"', '"cpu"')
    exec(compile(block, "README.md", "exec"), dict(NAMES))
    for line in capsys.readouterr().out.splitlines():
        assert f"# {line}" in block
