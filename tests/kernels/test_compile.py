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

# Kernels that read and write 16 bytes at a time where memory lies well, or do one of the two. The
# others move a number per channel, class or sample, or can't: an element's neighbours in memory are
# of other rows (cross_entropy_column*) or its place is looked up (bernoulli_affine_given).
PROMISES = {
    "rw": """
        bernoulli_affine bernoulli_affine_channel bernoulli_affine_channel_last
        bernoulli_affine_element_last selu_dropout selu_dropout_backward
        planes_normalize columns_normalize planes_backward columns_backward
        norm_forward norm_backward cross_entropy_row_backward
        softmax_warp_forward softmax_block_forward softmax_column_forward
        softmax_warp_backward softmax_block_backward softmax_column_backward
        max_pool_u8 max_pool_i32 max_pool_gather_u8 max_pool_gather_i32 avg_pool avg_pool_gather
        group_apply group_gradient global_spread_columns
        selu_dropout_planes selu_dropout_planes_backward
        selu_dropout_columns selu_dropout_columns_backward
        sgd_plain sgd_momentum adam clip unscale
    """,
    "r": """
        planes_statistics columns_statistics planes_sums columns_sums norm_planes norm_columns
        cross_entropy_warp cross_entropy_block embedding_gradient chunk_norms
        group_moments group_slopes global_mean_rows global_mean_columns max_pairs avg_pairs
    """,
    "w": """
        uniform normal decisions integers words
        global_spread_rows max_pairs_gather avg_pairs_gather
    """,
}
WIDE = {name: promise for promise, names in PROMISES.items() for name in names.split()}
WIDE |= {k.entry: "rw" for k in Kernel.known if k.file == "activation.cu"}


def entries(file, dtype, architecture):
    """What became of a file's kernels for one dtype: together, which is faster than one by one."""
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


def test_every_promise_is_a_kernels():
    assert set(WIDE) <= {k.entry for k in Kernel.known}


def test_every_file_of_kernels_is_declared():
    files = {path.name for path in source.folder().glob("*.cu")}
    assert files == {k.file for k in Kernel.known}
