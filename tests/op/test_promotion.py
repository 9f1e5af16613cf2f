"""Result types are PyTorch's for all dtypes, 0-d tensors and numbers; halves round once."""

import itertools
import operator

import numpy
import pytest

import lucid
from lucid.errors import DTypeError

torch = pytest.importorskip("torch")

INTEGERS = ["bool", "uint8", "int8", "int16", "int32", "int64"]
NAMES = [*INTEGERS, "float16", "bfloat16", "float32", "float64"]
FUNCTIONS = {
    "add": lambda lib: operator.add,
    "mul": lambda lib: operator.mul,
    "div": lambda lib: operator.truediv,
    "less": lambda lib: operator.lt,
    "where": lambda lib: lambda a, b: lib.where(lib.tensor([True]), a, b),
    "cat": lambda lib: lambda a, b: lib.cat([a.reshape(1), b.reshape(1)]),
}


def name(t):
    return str(t.dtype).partition(".")[2]


def made(library, dtype, ndim):
    return library.ones((2,) * ndim, dtype=getattr(library, dtype))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dims", [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_of_two_tensors(function, dims):
    if function == "cat" and dims != (0, 0):
        pytest.skip("cat is checked on single elements")
    for a, b in itertools.product(NAMES, NAMES):
        answers = []
        for library in (torch, lucid):
            f = FUNCTIONS[function](library)
            answers.append(name(f(made(library, a, dims[0]), made(library, b, dims[1]))))
        assert answers[0] == answers[1], (a, b)


@pytest.mark.parametrize("number", [True, 2, 2.5])
@pytest.mark.parametrize("ndim", [0, 1])
def test_of_a_tensor_and_a_number(number, ndim):
    for a, f in itertools.product(NAMES, ["add", "mul", "div", "less"]):
        answers = []
        for library in (torch, lucid):
            x, g = made(library, a, ndim), FUNCTIONS[f](library)
            answers.append((name(g(x, number)), name(g(number, x))))
        assert answers[0] == answers[1], (a, f)


@pytest.mark.parametrize("number", [True, 2, 2.5])
def test_result_type(number):
    for a in NAMES:
        ours = lucid.result_type(made(lucid, a, 1), number)
        theirs = torch.result_type(made(torch, a, 1), number)
        assert str(ours).partition(".")[2] == str(theirs).partition(".")[2], a


@pytest.mark.parametrize("kind", NAMES)
def test_integers_become_floating_point_where_the_function_needs_it(kind):
    for f in ("exp", "sqrt", "sigmoid"):
        ours = getattr(made(lucid, kind, 1), f)()
        theirs = getattr(made(torch, kind, 1), f)()
        assert name(ours) == name(theirs)


def test_in_place_keeps_the_dtype_or_refuses_as_torch_does():
    for a, b in itertools.product(NAMES, NAMES):
        answers = []
        for library in (torch, lucid):
            try:
                answers.append(name(made(library, a, 1).mul_(made(library, b, 1))))
            except RuntimeError as error:
                assert library is torch or isinstance(error, DTypeError)
                answers.append("refused")
        assert answers[0] == answers[1], (a, b)


def test_the_default_dtype_is_that_of_numbers():
    lucid.set_default_dtype(lucid.float64)
    try:
        assert (lucid.tensor([1, 2]) * 1.5).dtype is lucid.float64
        assert lucid.tensor(1.5).dtype is lucid.float64
    finally:
        lucid.set_default_dtype(lucid.float32)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_halves_are_computed_in_single_precision_and_rounded_once(kind):
    values = numpy.random.default_rng(0).uniform(0.5, 2, 1000)
    half = lucid.tensor(values).to(getattr(lucid, kind))
    for f in (lucid.exp, lucid.sqrt, lucid.sum, lambda x: x / 3, lambda x: x * x):
        assert f(half).tolist() == f(half.float()).to(half.dtype).tolist()


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_gradients_of_halves_are_halves_and_agree_with_torch(kind):
    values = numpy.random.default_rng(0).uniform(0.5, 2, 50)
    grads = []
    for library in (torch, lucid):
        x = library.tensor(values).to(getattr(library, kind)).requires_grad_()
        (x.exp() * x).sum().backward()
        assert name(x.grad) == kind
        grads.append(numpy.asarray(x.grad.float().tolist()))
    one_rounding = 2.0 ** (-10 if kind == "float16" else -7)
    numpy.testing.assert_allclose(*grads, rtol=2 * one_rounding)


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError):
        lucid.ones(2) + "a"


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, x, y: x @ y,
        lambda lib, x, y: lib.nn.functional.linear(x, y),
        lambda lib, x, y: lib.nn.functional.conv1d(x[None], y[None]),
    ],
    ids=["matmul", "linear", "conv1d"],
)
@pytest.mark.parametrize("library", [lucid, torch], ids=["lucid", "torch"])
def test_matrix_products_take_one_dtype(function, library):
    x, y = library.ones(2, 2), library.ones(2, 2, dtype=library.float64)
    with pytest.raises(RuntimeError, match="lucid.float32 and lucid.float64|dtype|type"):
        function(library, x, y)


@pytest.mark.parametrize("other", [[1.0], "1", numpy.ones(2)])
def test_a_layer_refuses_what_is_no_tensor(other):
    with pytest.raises(DTypeError, match=r"linear: input must be a Tensor; got (\[|'|ndarray)"):
        lucid.nn.Linear(2, 2)(other)


@pytest.mark.parametrize("function", [operator.sub, lambda a, b: -a])
@pytest.mark.parametrize("library", [lucid, torch], ids=["lucid", "torch"])
def test_booleans_have_no_difference(function, library):
    yes = library.tensor([True])
    with pytest.raises(RuntimeError, match="not defined for lucid.bool|not supported"):
        function(yes, yes)


@pytest.mark.parametrize(
    "function",
    [operator.floordiv, operator.mod, lucid.fmod, lambda a, b: a.floor_divide_(b)],
)
def test_an_integer_is_not_divided_by_zero(function):
    with pytest.raises(ZeroDivisionError, match="an integer can't be divided by 0"):
        function(lucid.tensor([1, 2]), lucid.tensor([1, 0]))
    assert function(lucid.tensor([1.0]), lucid.tensor([0.0])).numpy()[0] != 0
