"""Namespaces of PyTorch that model files import without training through them."""

import hashlib
import importlib
import math

import pytest

import lucid
from lucid import nn


def test_decorators_for_torchscript_return_what_they_decorate():
    def double(x):
        return 2 * x

    bare = [lucid.jit.script, lucid.jit.export, lucid.jit.ignore, lucid.jit.unused,
            lucid.jit.script_method, lucid.jit.interface, lucid.jit._overload_method,
            lucid.jit.script_if_tracing, lucid.fx.wrap, lucid.compiler.disable]  # fmt: skip
    called = [lucid.jit.ignore(), lucid.jit.ignore(drop=True), lucid.compile(mode="max-autotune")]
    for decorator in bare + called:
        assert decorator(double) is double


def test_a_module_written_for_torchscript_is_a_plain_module():
    class Scale(lucid.jit.ScriptModule):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(lucid.tensor(3.0))

        @lucid.jit.script_method
        def forward(self, x):
            return x if lucid.jit.is_scripting() else x * self.weight

    model = lucid.jit.trace(lucid.jit.script(Scale()), lucid.ones(1))
    assert model(lucid.tensor(2.0)).item() == 6.0
    assert list(model.state_dict()) == ["weight"]


def test_values_annotated_for_torchscript_are_themselves():
    annotations = importlib.import_module("lucid.jit.annotations")
    assert lucid.jit.annotate(annotations.List[int], [1]) == [1]
    assert lucid.jit.isinstance([1], annotations.List[int])
    assert not lucid.jit.isinstance([1], (int, annotations.Dict[str, int]))


def test_compile_returns_the_model_itself():
    model = nn.Linear(2, 1)
    assert lucid.compile(model, fullgraph=True, dynamic=None, backend="inductor") is model
    assert not lucid.compiler.is_compiling()
    with pytest.raises(TypeError, match="compile: knows only PyTorch's settings; got modes"):
        lucid.compile(model, modes="default")


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        (lucid.jit, "save", "lucid has no compiled programs; got a use of 'save'"),
        (lucid.hub, "load", "code of a repository on the web is not run; got a use of 'load'"),
        (lucid.distributed, "all_reduce", "trains in one process; got a use of 'all_reduce'"),
    ],
)
def test_what_is_not_there_says_what_to_do(module, name, message):
    with pytest.raises(AttributeError, match=message + r"\. Hint: "):
        getattr(module, name)
    assert not hasattr(module, "__path_of_nothing__")


def test_scripts_see_one_process():
    assert not lucid.distributed.is_available()
    assert not lucid.distributed.is_initialized()


def test_fx_wrap_takes_a_function_or_its_name():
    assert lucid.fx.wrap("relu") == "relu"
    with pytest.raises(TypeError, match="fx.wrap: expected a function or the name of one; got int"):
        lucid.fx.wrap(3)


def test_assert_raises_with_its_message():
    lucid._assert(True, "unused")
    with pytest.raises(AssertionError, match="wrong height"):
        lucid._assert(False, "wrong height")


def test_constants_are_pythons():
    assert (lucid.pi, lucid.e, lucid.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(lucid.nan)
    assert lucid.ones(2)[lucid.newaxis].shape == (1, 2)


def test_data_parallel_calls_the_module():
    model = nn.Linear(2, 1)
    x = lucid.ones(3, 2)
    assert lucid.equal(nn.parallel.data_parallel(model, x, [0]), model(x))
    assert lucid.equal(nn.parallel.data_parallel(model, (), module_kwargs={"input": x}), model(x))


@pytest.fixture
def weights(tmp_path):
    """A state file with its checksum in its name, its address, and what it holds."""
    state = {"weight": lucid.arange(6.0).reshape(2, 3)}
    lucid.save(state, tmp_path / "plain.pth")
    content = (tmp_path / "plain.pth").read_bytes()
    path = tmp_path / f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    return path, path.as_uri(), state


def test_weights_are_downloaded_once(weights, tmp_path):
    path, url, state = weights
    folder = str(tmp_path / "cache")
    first = lucid.hub.load_state_dict_from_url(url, folder, progress=False, check_hash=True)
    path.unlink()
    second = lucid.hub.load_state_dict_from_url(url, folder, progress=False)
    for loaded in (first, second):
        assert lucid.equal(loaded["weight"], state["weight"])


def test_weights_are_kept_below_the_chosen_folder(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(lucid.hub, "_chosen", None)
    monkeypatch.setenv("LUCID_HOME", str(tmp_path / "home"))
    assert lucid.hub.get_dir() == str(tmp_path / "home" / "hub")
    lucid.hub.set_dir(tmp_path / "hub")
    from lucid.utils import model_zoo

    loaded = model_zoo.load_url(weights[1], progress=False, file_name="mine.pth")
    assert lucid.equal(loaded["weight"], weights[2]["weight"])
    assert (tmp_path / "hub" / "checkpoints" / "mine.pth").exists()


def test_a_damaged_download_is_refused_and_removed(weights, tmp_path):
    path, url, _ = weights
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(lucid.errors.CheckpointError, match="the SHA-256 of .* must begin with"):
        lucid.hub.load_state_dict_from_url(
            url, str(tmp_path / "c"), check_hash=True, progress=False
        )
    assert not list((tmp_path / "c").glob("net-*.pth"))


def test_a_name_without_digits_has_no_hash_to_check(tmp_path):
    with pytest.raises(ValueError, match="check_hash needs a name that ends in -<digits>"):
        lucid.hub.load_state_dict_from_url("file:///plain.pth", str(tmp_path), check_hash=True)


def test_the_switches_of_cudnn_are_a_module_as_in_pytorch():
    import lucid.backends.cudnn as cudnn

    from lucid.backends import cuda

    assert cudnn is lucid.backends.cudnn
    assert cuda is lucid.backends.cuda
    before = cudnn.benchmark
    cudnn.benchmark = not before
    try:
        assert lucid.backends.cudnn.benchmark is not before
    finally:
        cudnn.benchmark = before
    with pytest.raises(AttributeError, match="got 'benchmarks'"):
        cudnn.benchmarks = True
