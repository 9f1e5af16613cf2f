"""`import lucid` is light: what only some users need is imported when they need it."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lucid

HEAVY = ["cupy", "matplotlib", "sklearn", "scipy", "torch", "typer", "rich", "pydantic"]


def modules_after(code):
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def after_import():
    return modules_after("import lucid")


@pytest.mark.parametrize("module", HEAVY)
def test_import_lucid_does_not_import(module, after_import):
    assert module not in after_import


def test_help_imports_no_plotting_and_no_data_library():
    code = (
        "from contextlib import redirect_stdout, suppress\n"
        "from io import StringIO\n"
        "from lucid.cli import main\n"
        "with suppress(SystemExit), redirect_stdout(StringIO()):\n"
        "    main(['train', '--help'])"
    )
    loaded = modules_after(code)
    assert "typer" in loaded
    assert not loaded & {"cupy", "matplotlib", "sklearn", "scipy", "torch", "lucid.train.trainer"}


def test_lucid_shows_no_file_of_the_operations():
    files = {path.stem for path in (Path(lucid.__file__).parent / "ops").glob("*.py")}
    shown = {name: getattr(lucid, name, None) for name in files}
    modules = [m.__name__ for m in shown.values() if isinstance(m, ModuleType)]
    assert not [name for name in modules if name.startswith("lucid.ops")]


def test_the_parts_of_utils_are_there_after_import_lucid():
    code = "import lucid; lucid.utils.data.DataLoader; lucid.utils.checkpoint.checkpoint"
    assert "lucid.utils.data.loader" in modules_after(code)
