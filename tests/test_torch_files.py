"""PyTorch's files: read as they are, and nothing in them is ever run."""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.errors import CheckpointError

torch = pytest.importorskip("torch", reason="the files are written by torch")

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]
DTYPES += ["bool"]
FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def written(obj, zipped=True):
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def read(obj, zipped=True, **how):
    return lucid.load(io.BytesIO(written(obj, zipped)), **how)


def same(mine, theirs):
    assert isinstance(mine, lucid.Tensor)
    assert mine.shape == tuple(theirs.shape)
    assert str(mine.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    assert mine.requires_grad == theirs.requires_grad
    bits = lambda t: t.detach().double().numpy()  # noqa: E731  halves fit in doubles
    np.testing.assert_array_equal(bits(mine), bits(theirs))


@FORMATS
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_of_every_type_comes_as_it_was(dtype, zipped):
    theirs = torch.tensor([0, 1, 7, -3]).to(getattr(torch, dtype))
    same(read(theirs, zipped), theirs)


@FORMATS
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (2, 3, 4)])
def test_every_shape(shape, zipped):
    x = torch.arange(float(np.prod(shape))).reshape(shape)
    same(read(x, zipped), x)


@FORMATS
def test_a_model_s_state_dict_goes_into_the_same_model(zipped):
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    state = read(theirs.state_dict(), zipped)
    assert type(state) is collections.OrderedDict
    assert state._metadata == theirs.state_dict()._metadata
    mine = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    mine.load_state_dict(state)
    x = torch.randn(2, 3, 3, 3)
    expected = theirs.eval()(x).detach().numpy()
    # Sums of 27 products in another order.
    np.testing.assert_allclose(
        mine.eval()(lucid.tensor(x.numpy())).detach().numpy(), expected, rtol=1e-5, atol=1e-6
    )


@FORMATS
def test_a_training_checkpoint_keeps_its_containers_and_what_is_shared(zipped):
    weight = torch.nn.Parameter(torch.randn(3, 3))
    obj = {
        "epoch": 3, "best": 0.5, "name": "run", "flags": (True, None, [1, 2]), 5: {1, 2},
        "model": {"a": weight, "tied": weight, "row": weight.data[1], "turned": weight.data.t()},
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
    }  # fmt: skip
    found = read(obj, zipped)
    model = found.pop("model")
    assert found == {k: v for k, v in obj.items() if k != "model"}
    assert isinstance(model["a"], nn.Parameter) and model["a"] is model["tied"]
    for name, theirs in obj["model"].items():
        same(model[name], theirs)
    assert model["turned"].stride() == (1, 3)
    with lucid.no_grad():
        model["a"][1] = 7.0
    assert (model["row"] == 7).all() and (model["turned"][:, 1] == 7).all()


def test_a_path_and_map_location_work_as_for_other_files(tmp_path):
    torch.save({"x": torch.ones(2)}, tmp_path / "x.pt")
    found = lucid.load(tmp_path / "x.pt", map_location="cpu")
    assert found["x"].tolist() == [1, 1]
    seen = []
    lucid.load(tmp_path / "x.pt", map_location=lambda memory, where: seen.append(where) or memory)
    assert seen == ["cpu"]


class Evil:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (os.path.join(self.folder, "run"),)


@FORMATS
def test_code_in_a_file_is_refused_and_not_run(zipped, tmp_path):
    data = written({"x": torch.ones(1), "y": Evil(str(tmp_path))}, zipped)
    with pytest.raises(CheckpointError, match=r"load: the stream: it needs posix.mkdir, and only"):
        lucid.load(io.BytesIO(data))
    assert not (tmp_path / "run").exists()


@FORMATS
def test_a_whole_model_is_refused_with_the_way_out(zipped):
    with pytest.raises(CheckpointError, match=r"torch.save\(model.state_dict\(\), path\)"):
        read(torch.nn.Linear(1, 1), zipped)


def test_a_program_is_refused_with_the_way_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/m.py"):
            archive.writestr(f"m/{name}", b"")
    with pytest.raises(CheckpointError, match="TorchScript program, which only PyTorch can run"):
        lucid.load(tmp_path / "m.pt")


@pytest.mark.parametrize(
    "tensor",
    [lambda: torch.eye(2).to_sparse(), lambda: torch.ones(2, dtype=torch.complex64)],
    ids=["sparse", "complex"],
)
def test_tensors_that_lucid_does_not_have_are_refused_by_name(tensor):
    with pytest.raises(CheckpointError, match="it needs torch"):
        read(tensor())


@FORMATS
def test_a_truncated_file_is_refused(zipped):
    data = written({"x": torch.randn(100)}, zipped)
    for length in range(len(data) - 1, 20, -37):
        with pytest.raises(CheckpointError, match="load: the stream"):
            lucid.load(io.BytesIO(data[:length]))


def test_an_altered_byte_of_a_storage_is_noticed_in_an_archive():
    theirs = torch.arange(100.0)
    data = bytearray(written(theirs))
    at = data.index(theirs.numpy().tobytes())
    data[at + 9] ^= 1
    with pytest.raises(CheckpointError, match="CRC"):
        lucid.load(io.BytesIO(bytes(data)))


def test_a_file_of_a_machine_of_other_byte_order(tmp_path):
    theirs = {"x": torch.arange(5), "h": torch.tensor([1.5, 2], dtype=torch.bfloat16)}
    torch.save(theirs, tmp_path / "little.pt")
    with (
        zipfile.ZipFile(tmp_path / "little.pt") as source,
        zipfile.ZipFile(tmp_path / "big.pt", "w") as target,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif "/data/" in name:
                width = 8 if len(data) == 40 else 2
                data = np.frombuffer(data, f"u{width}").byteswap().tobytes()
            target.writestr(name, data)
    for name, mine in lucid.load(tmp_path / "big.pt").items():
        same(mine, theirs[name])


def test_a_view_beyond_its_storage_is_refused():
    data = written(torch.ones(3))
    short = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(short, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):  # the shape (3,) becomes (9,)
                content = content.replace(b"K\x03\x85", b"K\x09\x85", 1)
            target.writestr(name, content)
    short.seek(0)
    with pytest.raises(CheckpointError, match="holds no object that torch could have saved"):
        lucid.load(short)


def test_a_pickle_that_is_no_file_of_torch_is_no_checkpoint():
    with pytest.raises(CheckpointError):
        lucid.load(io.BytesIO(pickle.dumps({"x": 1})))
