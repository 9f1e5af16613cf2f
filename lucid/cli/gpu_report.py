"""`lucid gpu-report`: all that is to be found out on a machine with a GPU, by one command."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lucid.cli.options import Debug
from lucid.cli.versions import commit, lucid_version, processor, version_of

if TYPE_CHECKING:
    from lucid.cli.gpu_document import Document
    from lucid.cli.gpu_processes import Budget

EMULATOR = "CUDA emulator (CPU)"
FOR_TESTS = 0.4  # of the time, at most
FOR_SANITIZER = 0.2
QUICK_TESTS = ("tests/test_tiny.py", "tests/kernels", "tests/ops/test_dropout.py")
DRY_RUN_TESTS = ("tests/test_tiny.py",)
LIBRARIES = {
    "NumPy": ("numpy",),
    "CuPy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "cuDNN": ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"),
    "cuDNN frontend": ("nvidia-cudnn-frontend",),
    "ml_dtypes": ("ml_dtypes",),
    "torch": ("torch",),
}


def gpu_report(
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    minutes: Annotated[
        float, typer.Option(min=1, help="How long it may take; what matters most comes first.")
    ] = 25,
    quick: Annotated[bool, typer.Option("--quick", help="Few tests, sizes and rounds.")] = False,
    skip_tests: Annotated[bool, typer.Option("--skip-tests", help="Only measure.")] = False,
    emulated_dry_run: Annotated[
        bool,
        typer.Option(
            "--emulated-dry-run",
            help="Try this command itself, on the emulated device of the tests.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Test and measure lucid on this machine's GPU; write a report that names the device.

    The test suite, compute-sanitizer, the dropout family beside a copy and beside PyTorch, training
    steps, overhead. Each figure is a median with quartiles. The report is written as it grows: what
    is stopped keeps what it had. Exits with 1 if a test fails or a benchmark raises.
    """
    from lucid.cli.gpu_document import Document
    from lucid.cli.gpu_processes import Budget

    name = checked_device(emulated_dry_run)
    root = checkout()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # for benchmarks/, which no wheel holds
    budget = Budget(minutes)
    now = datetime.now()
    options = {"minutes": minutes, "quick": quick, "skip tests": skip_tests}
    about = facts(name) | {"started": now.isoformat(timespec="seconds"), "options": options}
    folder = Path(tempfile.mkdtemp(prefix="lucid-emulated-")) if emulated_dry_run else out
    document = Document(folder, now.strftime("%Y-%m-%d-%H%M"), about, emulated_dry_run)
    document.save()  # what can't be written should fail now, not in half an hour
    say = Voice(document)
    say(f"{name}; report: {document.markdown}; {minutes:g} minutes at most")
    try:
        _work(document, root, budget, say, quick, skip_tests)
        document.finished = True
    except KeyboardInterrupt:
        say("Stopped; what was found so far is written.")
        raise typer.Exit(130) from None
    finally:
        document.save()
    say.show(document)
    raise typer.Exit(1 if document.failed else 0)


def checked_device(emulated: bool) -> str:
    """The device's name; an error in one sentence if there is none, or not the one asked for."""
    import lucid
    from lucid.errors import DeviceError

    if not lucid.cuda.is_available():
        why = lucid.cuda.why_unavailable()
        if emulated:
            why = _only_under_pytest()
        raise DeviceError(f"gpu-report: no CUDA device: {why}")
    name = lucid.cuda.get_device_name()
    if name == EMULATOR and not emulated:
        raise DeviceError(
            f"gpu-report: figures of the {EMULATOR} say nothing about a GPU."
            " Hint: run it on a machine with one, or try it with --emulated-dry-run"
        )
    if emulated and name != EMULATOR:
        raise DeviceError(
            f"gpu-report: --emulated-dry-run, but the device is the {name}: {_only_under_pytest()}"
        )
    return name


def _only_under_pytest() -> str:
    return "the emulated one exists under pytest only. Hint: pytest tests/cli/test_gpu_report.py"


def checkout() -> Path:
    """The folder that holds lucid/, tests/ and benchmarks/."""
    from lucid.errors import LucidError

    root = Path(__file__).parents[2]
    if not ((root / "tests").is_dir() and (root / "benchmarks").is_dir()):
        raise LucidError(
            f"gpu-report: needs a checkout with tests/ and benchmarks/; {root} has none."
            " Hint: clone the repository and pip install -e '.[test]' in it"
        )
    return root


def facts(name: str) -> dict[str, Any]:
    """Device, versions and commit, that a figure must be read with."""
    from lucid.backend.cuda import memory
    from lucid.backend.cuda.availability import cupy

    runtime = cupy().cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    device = {
        "name": name,
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "memory GiB": round(memory.info()[1] / 2**30, 1),
        "driver": _driver(),
        "driver's CUDA": _cuda_version(runtime.driverGetVersion()),
    }
    versions = {
        "lucid": lucid_version(),
        "Python": platform.python_version(),
        "CUDA runtime": _cuda_version(runtime.runtimeGetVersion()),
    }
    for library, distributions in LIBRARIES.items():
        found = [v for d in distributions if (v := version_of(d)) != "not installed"]
        versions[library] = found[0] if found else "not installed"
    return {"device": device, "host": processor(), "versions": versions, "commit": commit()}


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str:
    """As nvidia-smi shows it."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return "unknown: no nvidia-smi"
    command = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown: nvidia-smi failed"
    return (found.stdout.strip().splitlines() or ["unknown"])[0]


class Voice:
    """Prints; of an emulated report every line says that it is one."""

    def __init__(self, document: Document):
        from lucid.cli.gpu_document import EMULATED

        self.mark = f"{EMULATED}: " if document.emulated else ""
        self.figures = 0

    def __call__(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                print(self.mark + line.rstrip(), flush=True)

    def show(self, document: Document) -> None:
        """Tables, then what a person wants to know, and where all of it lies."""
        from rich.console import Console

        console = Console(highlight=False)
        console.width = max(console.width, 160)
        for table in document.tables():
            with console.capture() as text:
                console.print(table)
            self(text.get())
        for line in document.summary():
            self(line)
        self(f"Report: {document.markdown}")
        self(f"Figures: {document.json}")


def _work(
    document: Document, root: Path, budget: Budget, say: Voice, quick: bool, skip_tests: bool
) -> None:
    """Tests, what matters most, the sanitizer, and the rest as far as the time goes."""
    from lucid.cli.gpu_processes import measure, run_sanitizer, run_suite

    emulated = document.emulated
    if skip_tests:
        document.suite = document.sanitizer = {"ran": False, "why": "--skip-tests"}
    else:
        tests = DRY_RUN_TESTS if emulated else QUICK_TESTS if quick else ()
        say("tests ...")
        device = "cuda-emulated" if emulated else "cuda"
        document.suite = run_suite(root, device, tests, budget.share(FOR_TESTS))
        document.save()
        say(next(document.summary()))
    extent = "emulated" if emulated else "quick" if quick else "full"
    start, important, others = _benchmarks(root, extent, budget)

    def record(event: dict[str, Any]) -> None:
        document.record(event)
        if event["event"] in ("begin", "error", "left out"):
            detail = event.get("error") or event.get("why") or "..."
            say(f"{event['job']} {detail}")

    measure(important, start, record, budget)
    if not skip_tests:
        if emulated:
            document.sanitizer = {"ran": False, "why": "a dry run has no GPU"}
        else:
            say("compute-sanitizer ...")
            document.sanitizer = run_sanitizer(root, budget.share(FOR_SANITIZER))
        document.save()
    measure(others, start, record, budget)


def _benchmarks(root: Path, extent: str, budget: Budget) -> tuple[Any, list[str], list[str]]:
    """What starts jobs, and the names of the important ones and of the others."""
    from importlib import import_module

    from lucid.cli.gpu_processes import start_process

    module = import_module("benchmarks.cuda_jobs")
    jobs = module.plan(extent)
    important = [job.name for job in jobs if job.important]
    others = [job.name for job in jobs if not job.important]
    if extent != "emulated":
        return start_process(root, extent, budget), important, others
    known = {job.name: job for job in jobs}

    def start(names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """In this process: the emulator is in no other one."""
        return module.events([known[name] for name in names], budget.left)

    return start, important, others
