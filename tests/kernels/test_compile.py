"""Every kernel and dtype compiles for every architecture, within its means. No GPU is needed."""

import importlib

import pytest

from lucid.backend.cuda import source
from lucid.backend.cuda.kernel import Kernel
from tests.kernels import nvrtc

importlib.import_module("lucid.backend.cuda.kernels")  # declares all kernels

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing())

ARCHITECTURES = (75, 80, 86, 90, 100, 120)
REGISTERS = 65536  # of a multiprocessor: a block must fit into them
MODULES = sorted({(k.file, str(d)) for k in Kernel.known for d in k.dtypes})

# Kernels that read (r) and write (w) 16 bytes at a time where memory lies well.
WIDE = {
    "bernoulli_affine": "rw", "bernoulli_affine_channel": "rw",
    "bernoulli_affine_channel_last": "rw", "bernoulli_affine_element_last": "rw",
    "uniform": "w", "normal": "w", "decisions": "w", "integers": "w", "words": "w",
}  # fmt: skip


def entries(file, dtype, architecture):
    """What became of the kernels of a module, compiled together as the launcher does."""
    names = tuple(
        k.expression(d)
        for k in Kernel.known
        for d in k.dtypes
        if k.file == file and str(d) == dtype
    )
    return nvrtc.compiled(source.text(file), tuple(dict.fromkeys(names)), architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("file", "dtype"), MODULES)
def test_compiles_without_spills_and_fits_into_the_registers(file, dtype, architecture):
    for entry in entries(file, dtype, architecture):
        assert entry.spilled == 0, entry
        rounded = -(-entry.registers // 8) * 8  # they are given out in eights
        assert rounded * entry.threads <= REGISTERS, entry


@pytest.mark.parametrize(("file", "dtype"), MODULES)
def test_moves_16_bytes_at_a_time_where_promised(file, dtype):
    for entry in entries(file, dtype, 90):
        promised = WIDE.get(entry.name.partition("<")[0], "")
        assert entry.wide_loads or "r" not in promised, entry
        assert entry.wide_stores or "w" not in promised, entry


def test_every_file_of_kernels_is_declared():
    files = {path.name for path in source.folder().glob("*.cu")}
    assert files == {k.file for k in Kernel.known}
