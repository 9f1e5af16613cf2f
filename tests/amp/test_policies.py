"""Inside a region every function answers in the dtype in which PyTorch's answers."""

import inspect
import warnings

import pytest

import lucid
from lucid.spec import SPECS, Case
from tests.amp import peer
from tests.test_every_op import call, first, inputs

# Functions on autocast's lists whose files show no example of them alone.
MORE = {
    "mm": [(2, 3), (3, 4)],
    "bmm": [(2, 3, 4), (2, 4, 5)],
    "mv": [(2, 3), (3,)],
    "dot": [(3,), (3,)],
    "addmm": [(2, 4), (2, 3), (3, 4)],
    "addmv": [(2,), (2, 3), (3,)],
    "baddbmm": [(2, 3, 5), (2, 3, 4), (2, 4, 5)],
    "addcmul": [(3,), (3,), (3,)],
    "addcdiv": [(3,), (3,), (3,)],
    "cumsum": [(3, 4)],
    "cumprod": [(3, 4)],
    "var_mean": [(3, 4)],
    "std_mean": [(3, 4)],
    "mean": [(3, 4)],
    "rsub": [(3,), (3,)],
    "vector_norm": [(3, 4)],
    "matrix_norm": [(3, 4)],
    "vstack": None,
    "hstack": None,
}
KEYWORDS = {"cumsum": {"dim": 1}, "cumprod": {"dim": 1}}
# A channel window over images is made with avg_pool3d there, which the list for "cpu" has.
EXCEPTIONS = {"local_response_norm"}


class Listed:
    """An example of a function that its own file does not give."""

    def __init__(self, name):
        self.function = getattr(lucid if hasattr(lucid, name) else lucid.linalg, name)
        self.sequence = MORE[name] is None
        self.cases = [Case(MORE[name] or [(2, 3), (2, 3)], KEYWORDS.get(name, {}))]

    def __str__(self):
        return self.function.__name__


KNOWN = [*SPECS, *map(Listed, MORE)]


def examples(spec, lower):
    """(case, tensors as (shape, dtype's name)): all in float32, all in the half, and by turns."""
    for case in spec.cases:
        for kinds in (("float32",), (lower,), ("float32", lower), (lower, "float32")):
            given = (case.dtypes or ["float32"] * len(case.shapes))[: len(case.shapes)]
            fixed = [k.startswith(("int", "uint", "bool")) for k in given]
            names = [
                k if stays else kinds[i % len(kinds)]
                for i, (k, stays) in enumerate(zip(given, fixed, strict=True))
            ]
            yield case, list(zip(case.shapes, names, strict=True))


@pytest.mark.parametrize("spec", [s for s in KNOWN if str(s) not in EXCEPTIONS], ids=str)
def test_the_result_has_the_dtype_that_pytorchs_has(spec, device):
    theirs = peer.named(str(spec))
    if theirs is None:
        pytest.skip("PyTorch has no function of this name")
    compared = 0
    for case, tensors in examples(spec, peer.LOWER[device.type]):

        def in_pytorch(made, case=case):
            args = [made] if spec.sequence else made
            return theirs(*args, **case.kwargs)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shapes that losses broadcast, of default dims
            expected = peer.dtype_of(device.type, in_pytorch, tensors)
            if isinstance(expected, Exception):
                continue  # PyTorch doesn't take these
            x = inputs(case)
            x = [t.to(getattr(lucid, kind)) for t, (_, kind) in zip(x, tensors, strict=True)]
            with lucid.autocast(device.type):
                y = first(call(spec, case, x))
        assert y.dtype.name == expected, (case, tensors)
        compared += 1
    if not compared:
        pytest.skip("PyTorch takes none of these examples")


def test_the_functions_that_pytorch_would_compute_in_halves_are_many(device):
    """So that the test above does not pass because nothing is cast."""
    lowered = [s for s in KNOWN if "lower" in getattr(s.function, "policies", {}).values()]
    assert len(lowered) >= 15  # 6 convolutions, prelu, 9 products


def test_a_function_with_a_policy_takes_what_it_took_without():
    dtype = inspect.signature(lucid.sum).parameters["dtype"]
    assert (dtype.kind, dtype.default) == (dtype.KEYWORD_ONLY, None)
    assert lucid.sum(keepdim=True, input=lucid.ones(2, 3), dim=1).shape == (2, 1)
    with pytest.raises(TypeError, match=r"sum\(\) got an unexpected keyword argument 'axis'"):
        lucid.sum(lucid.ones(2), axis=0)
    with pytest.raises(TypeError, match=r"sum\(\) takes from 1 to 3 positional arguments"):
        lucid.sum(lucid.ones(2), 0, False, lucid.float32)


def test_an_equation_is_a_product_of_matrices(device):
    a, b = lucid.ones(2, 3), lucid.ones(3, 4)
    with lucid.autocast(device.type):
        assert lucid.einsum("ij,jk->ik", a, b).dtype is lucid.get_autocast_dtype(device.type)


def test_a_bilinear_layer_keeps_float32(device):
    layer = lucid.nn.Bilinear(3, 4, 5)
    with lucid.autocast(device.type):
        assert layer(lucid.ones(2, 3), lucid.ones(2, 4)).dtype is lucid.float32


def test_binary_cross_entropy_is_refused_where_its_gradient_would_overflow(device):
    p, t = lucid.full((3,), 0.5), lucid.ones(3)
    with lucid.autocast(device.type):
        if device.type == "cpu":
            y = lucid.nn.functional.binary_cross_entropy(p.bfloat16(), t)
            assert y.dtype is lucid.float32
        else:
            with pytest.raises(RuntimeError, match="binary_cross_entropy: .*with_logits"):
                lucid.nn.functional.binary_cross_entropy(p, t)
            with lucid.autocast("cuda", enabled=False):
                lucid.nn.functional.binary_cross_entropy(p, t)


def test_an_operator_is_cast_as_its_function_is(device):
    x = lucid.ones(2, 2)
    with lucid.autocast(device.type):
        half = x @ x
        power = half**2
        other = 2.0**half
        assert half.dtype is lucid.get_autocast_dtype(device.type)
    widened = lucid.float32 if device.type == "cuda" else lucid.bfloat16
    assert power.dtype is other.dtype is widened


def test_a_dtype_in_the_call_overrules(device):
    x = lucid.ones(3, dtype=lucid.float16)
    with lucid.autocast(device.type):
        assert x.sum(dtype=lucid.float16).dtype is lucid.float16
        assert x.softmax(0, dtype=lucid.float64).dtype is lucid.float64


def test_decompositions_take_halves_on_the_cpu_in_float32(device):
    """Outside of a region they have none; the list for "cuda" has no decompositions."""
    x = (lucid.eye(3) * 2).bfloat16()
    with pytest.raises(TypeError, match="inv: the input must be float32 or float64"):
        lucid.linalg.inv(x)
    with lucid.autocast(device.type):
        if device.type == "cpu":
            assert lucid.linalg.inv(x).dtype is lucid.float32
        else:
            with pytest.raises(TypeError, match="inv: the input must be float32 or float64"):
                lucid.linalg.inv(x)


def test_a_norm_does_not_square_in_halves(device):
    """300 squared is more than a float16 holds."""
    if device.type == "cpu":
        pytest.skip('the list for "cpu" has no norm')
    x = lucid.full((4,), 300.0, dtype=lucid.float16)
    with lucid.autocast(device.type):
        assert x.norm().item() == 600.0


@pytest.mark.parametrize("kind", [lucid.float64, lucid.int64])
def test_float64_and_integers_are_left_alone(kind, device):
    x = lucid.ones(2, 2).to(kind)
    with lucid.autocast(device.type):
        assert (x @ x).dtype is kind
        assert x.sum().dtype is kind


def test_in_place_methods_write_what_they_always_write(device):
    x = lucid.ones(3, dtype=lucid.float16)
    with lucid.autocast(device.type):
        assert x.pow_(2).dtype is lucid.float16


def test_dropout_draws_the_mask_that_it_draws_outside(device):
    x = lucid.ones(1000)
    lucid.manual_seed(3)
    outside = lucid.nn.functional.dropout(x, 0.5)
    lucid.manual_seed(3)
    with lucid.autocast(device.type):
        half = lucid.nn.functional.dropout(x.to(lucid.get_autocast_dtype(device.type)), 0.5)
    assert half.dtype is lucid.get_autocast_dtype(device.type)
    assert lucid.equal(half != 0, outside != 0)


def test_batch_norm_takes_halves_with_float32_parameters(device):
    layer = lucid.nn.BatchNorm2d(3)
    x = lucid.randn(4, 3, 5, 5).to(lucid.get_autocast_dtype(device.type))
    with lucid.autocast(device.type):
        y = layer(x)
    y.float().sum().backward()
    assert y.dtype is x.dtype
    assert layer.weight.grad.dtype is layer.running_mean.dtype is lucid.float32
