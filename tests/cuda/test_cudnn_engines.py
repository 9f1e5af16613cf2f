"""The real cuDNN builds lucid's graphs for a GPU that need not be there. Nothing is executed."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda import cudnn_problems
from tests.cuda_emulator import libraries

WHEELS = (
    "nvidia-cudnn-cu13 'nvidia-cudnn-frontend>=1.18,<1.27' nvidia-cublas"
    " 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cuda-runtime==13.0.*'"
)
SOURCE = Path(__file__).parent / "libcuda_without_gpu.c"
ROOT = Path(__file__).parents[2]


def missing():
    if importlib.util.find_spec("cudnn") is None:
        return f"builds real cuDNN engines, no GPU needed: pip install {WHEELS}"
    return "" if shutil.which("gcc") else "builds real cuDNN engines, no GPU needed: needs gcc"


needs_cudnn = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What became of each problem, by its repr."""
    driver = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    options = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    subprocess.run(["gcc", *options, str(SOURCE), "-o", str(driver)], check=True)
    command = [sys.executable, "-m", "tests.cuda.cudnn_engines", str(driver)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines[0]["version"] > 91100  # from then on a device can be told in words
    return {line["problem"]: line for line in lines[1:]}


def refusals(problems, built):
    return {str(p): built[repr(p)]["error"] for p in problems if built[repr(p)]["error"]}


@needs_cudnn
@pytest.mark.slow
@pytest.mark.parametrize("kind", cudnn_problems.KINDS)
@pytest.mark.parametrize("dtype", cudnn_problems.DTYPES)
def test_there_is_an_engine_for_every_convolution(dtype, kind, built):
    asked = [p for p in cudnn_problems.convolutions() if (p.dtype, p.kind) == (dtype, kind)]
    assert len(asked) >= 2 * len(cudnn_problems.CONVOLUTIONS)  # in both orders
    assert refusals(asked, built) == {}


@needs_cudnn
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forward", "backward"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_there_is_an_engine_for_batch_norm(dtype, kind, built):
    asked = [p for p in cudnn_problems.batch_norms() if (p.dtype, p.kind) == (dtype, kind)]
    assert len(asked) >= 2 * len(cudnn_problems.BATCH_NORMS)
    assert refusals(asked, built) == {}


@needs_cudnn
@pytest.mark.slow
def test_cudnn_has_no_engine_for_what_the_stand_in_refuses(built):
    asked = list(cudnn_problems.refused())
    found = refusals(asked, built)
    assert len(found) == len(asked)
    assert all(why.startswith("No valid engine configs") for why in found.values())


@needs_cudnn
@pytest.mark.slow
def test_only_contiguous_batch_norm_is_transposed_into_the_workspace(built):
    """What the switch's value "channels_last" is for."""
    for problem in cudnn_problems.batch_norms():
        n, c, *space = problem.x.shape
        if space.count(1) == len(space):
            continue  # both orders are one
        size = problem.operands()[1].bytes()
        copies = 2 if problem.kind == "forward" else 3
        workspace = built[repr(problem)]["workspace"]
        if problem.x.order == "contiguous":
            assert workspace >= copies * size, problem
        else:
            statistics = 64 * 4 * c  # bytes: partial sums
            assert workspace <= max(statistics, 65536), problem


def test_the_stand_in_refuses_what_cudnn_refuses(emulated):
    for problem in cudnn_problems.refused():
        with pytest.raises(RuntimeError, match="No valid engine configs"):
            libraries.Cudnn().build(problem, benchmark=False)


def test_the_stand_in_builds_what_cudnn_builds(emulated):
    stand_in = libraries.Cudnn()
    for problem in [*cudnn_problems.convolutions(), *cudnn_problems.batch_norms()]:
        built, _ = stand_in.build(problem, benchmark=False)
        assert built == problem
