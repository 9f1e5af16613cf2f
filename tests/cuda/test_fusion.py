"""Neighbours in a Sequential that run as one: the same masks and numbers as one by one."""

import copy

import pytest

import lucid
from lucid import nn
from tests.cuda.fusing import (
    NORM,
    NORM_DROP,
    SELU,
    C,
    N,
    compare,
    image,
    ops,
    relu_chain,
)
from tests.cuda.fusing import apart as apart
from tests.cuda.fusing import own_kernels as own_kernels

ORDERS = ["contiguous_format", "channels_last"]
DTYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_norm_relu_dropout2d_is_one_op(dtype, order, apart, cuda):
    kind = getattr(lucid, dtype)
    x = image(dtype=kind, order=getattr(lucid, order))
    compare(lambda: relu_chain().to(kind), x, apart, [NORM_DROP])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_with_float32_parameters(dtype, apart, cuda):
    compare(relu_chain, image(dtype=getattr(lucid, dtype)), apart, [NORM_DROP])


def norm(**kwargs):
    return nn.BatchNorm2d(C, **kwargs)


IMAGE, PIXELS, ROWS, LINES, CUBE = (N, C, 4, 6), (N, C, 1, 1), (N, C), (N, C, 5), (N, C, 2, 3, 2)
CHAINS = {
    "1d": (LINES, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout1d(0.3)], [NORM_DROP]),
    "rows": (ROWS, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout(0.3)], [NORM_DROP]),
    "3d": (CUBE, [nn.BatchNorm3d(C), nn.ReLU(), nn.Dropout3d(0.3)], [NORM_DROP]),
    "a pixel each": (PIXELS, [norm(), nn.ReLU(), nn.Dropout(0.3)], [NORM_DROP]),
    "no dropout": (IMAGE, [norm(), nn.ReLU()], [NORM]),
    "dropout of elements": (IMAGE, [norm(), nn.ReLU(), nn.Dropout(0.3)], [NORM]),
    "dropout of samples": (ROWS, [nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout1d(0.3)], [NORM]),
    "p = 0": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(0.0)], [NORM]),
    "p = 1": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1.0)], [NORM]),
    "tiny p": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1e-12)], [NORM_DROP]),
    "p near 1": (IMAGE, [norm(), nn.ReLU(), nn.Dropout2d(1 - 2**-40)], [NORM_DROP]),
    "in place": (IMAGE, [norm(), nn.ReLU(True), nn.Dropout2d(0.3)], [NORM_DROP]),
    "no affine": (IMAGE, [norm(affine=False), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "no bias": (IMAGE, [norm(bias=False), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "average": (IMAGE, [norm(momentum=None), nn.ReLU(), nn.Dropout2d()], [NORM_DROP]),
    "untracked": (IMAGE, [norm(track_running_stats=False), nn.ReLU()], [NORM]),
    "own settings": (IMAGE, [norm(eps=0.1, momentum=0.7), nn.ReLU()], [NORM]),
    "something between": (IMAGE, [norm(), nn.ReLU(), nn.Tanh(), nn.Dropout2d()], [NORM]),
    "twice": (IMAGE, 2 * [norm(), nn.ReLU(), nn.Dropout2d(0.3)], 2 * [NORM_DROP]),
    "alpha": (LINES, [nn.SELU(), nn.AlphaDropout(0.3)], [SELU]),
    "alpha of rows": (ROWS, [nn.SELU(), nn.AlphaDropout(0.3)], [SELU]),
    "feature": (LINES, [nn.SELU(), nn.FeatureAlphaDropout(0.3)], [SELU]),
    "feature of rows": (ROWS, [nn.SELU(), nn.FeatureAlphaDropout(0.3)], [SELU]),
    "alpha in place": (ROWS, [nn.SELU(), nn.AlphaDropout(0.3, inplace=True)], [SELU]),
    "alpha p = 0": (ROWS, [nn.SELU(), nn.AlphaDropout(0.0)], []),
    "alpha p = 1": (ROWS, [nn.SELU(), nn.AlphaDropout(1.0)], []),
    "dropout after selu": (ROWS, [nn.SELU(), nn.Dropout(0.3)], []),
}


@pytest.mark.parametrize("what", CHAINS)
def test_every_chain(what, apart, cuda):
    """``twice``: the same three layers stand there twice, and a mask is that of the last call."""
    shape, layers, expected = CHAINS[what]
    compare(lambda: nn.Sequential(*copy.deepcopy(layers)), image(*shape), apart, expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dropout", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_selu_and_its_dropouts_are_one_op(dropout, dtype, order, apart, cuda):
    x = image(dtype=getattr(lucid, dtype), order=getattr(lucid, order))
    compare(lambda: nn.Sequential(nn.SELU(), dropout(0.3)), x, apart, [SELU])


def test_dropout_of_many_single_elements_runs_alone(cuda, monkeypatch):
    from lucid.nn import fusion

    monkeypatch.setattr(fusion, "_MOST_SINGLE", N * C - 1)
    model = nn.Sequential(nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout(0.3)).cuda()
    assert ops(model(image(N, C))) == [NORM]
