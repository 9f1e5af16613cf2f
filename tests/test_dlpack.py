"""Memory shared with NumPy, PyTorch and CuPy, through DLPack and the array interface."""

import ctypes

import ml_dtypes
import numpy
import pytest

import lucid
from lucid.backend import dlpack
from lucid.utils.dlpack import from_dlpack, to_dlpack

NAMES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
PLAIN = [name for name in NAMES if name != "bfloat16"]


def torch():
    return pytest.importorskip("torch")


class Exporter:
    """An array of somebody else's, who offers what is given here and no more."""

    def __init__(self, capsule, device):
        self.capsule, self.device = capsule, device

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **wishes):
        return self.capsule


# With NumPy.


@pytest.mark.parametrize("name", [*PLAIN, "bool"])
def test_numpys_memory_becomes_a_tensors(name):
    array = numpy.array([[1, 0, 1], [0, 1, 1]], name)
    t = lucid.from_dlpack(array)
    array[0, 1] = 1
    assert t.dtype == lucid.tensor(array).dtype and t.tolist() == array.tolist()


@pytest.mark.parametrize("name", [*PLAIN, "bool"])
def test_a_tensors_memory_becomes_numpys(name):
    t = lucid.tensor([[1, 0, 1], [0, 1, 1]]).to(getattr(lucid, name))
    array = numpy.from_dlpack(t)
    t[0, 1] = 1
    assert array.dtype == name and array.tolist() == t.tolist()


def test_strides_are_kept_both_ways():
    array = numpy.arange(24.0).reshape(4, 6)[::2, 1::3].T
    t = lucid.from_dlpack(array)
    assert t.stride() == (3, 12) and t.tolist() == array.tolist()
    assert numpy.from_dlpack(t).strides == array.strides


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
def test_tensors_without_dimensions_or_elements_pass(shape):
    array = numpy.zeros(shape, "float32")
    assert numpy.from_dlpack(lucid.from_dlpack(array)).shape == shape


def test_read_only_memory_stays_read_only():
    array = numpy.zeros(3)
    array.flags.writeable = False
    t = lucid.from_dlpack(array)
    with pytest.raises(lucid.errors.ShapeError, match="read-only"):
        t.add_(1)
    assert not numpy.from_dlpack(t).flags.writeable


def test_read_only_memory_is_not_given_to_those_who_cannot_know():
    array = numpy.zeros(3)
    array.flags.writeable = False
    t = lucid.from_dlpack(array)
    with pytest.raises(BufferError):
        t.__dlpack__()  # the format before 1.0 has no word for it


def test_copy_decides_whether_memory_is_shared():
    array = numpy.zeros(3)
    apart = lucid.from_dlpack(array, copy=True)
    shared = lucid.from_dlpack(array, copy=False)
    array[0] = 5
    assert apart.tolist() == [0, 0, 0] and shared.tolist() == [5, 0, 0]


def test_the_exporter_copies_when_asked_to():
    t = lucid.zeros(3)
    capsule = t.__dlpack__(copy=True)
    t[0] = 5
    assert from_dlpack(capsule).tolist() == [0, 0, 0]


def test_memory_lives_as_long_as_who_reads_it():
    array = numpy.from_dlpack(lucid.full((1000,), 7.0))
    lucid.zeros(1000)  # would take freed memory
    assert (array == 7).all()


# With PyTorch.


@pytest.mark.parametrize("name", [*NAMES, "bool"])
def test_torchs_memory_becomes_a_tensors(name):
    theirs = torch().tensor([[1, 0, 1], [0, 1, 1]]).to(getattr(torch(), name))
    t = lucid.from_dlpack(theirs)
    theirs[0, 1] = 1
    assert t.dtype == getattr(lucid, name) and t.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", [*NAMES, "bool"])
def test_a_tensors_memory_becomes_torchs(name):
    t = lucid.tensor([[1, 0, 1], [0, 1, 1]]).to(getattr(lucid, name))
    theirs = torch().from_dlpack(t)
    t[0, 1] = 1
    assert theirs.dtype == getattr(torch(), name) and theirs.tolist() == t.tolist()
    theirs[1, 1] = 0
    assert t[1, 1].item() == 0


def test_bfloat16_keeps_every_bit():
    bits = numpy.arange(1 << 16, dtype="uint16")
    t = lucid.from_numpy(bits.view(ml_dtypes.bfloat16))
    theirs = torch().from_dlpack(t)
    assert (theirs.view(torch().uint16).numpy() == bits).all()
    back = lucid.from_dlpack(theirs)
    assert (back.numpy().view("uint16") == bits).all()


def test_bfloat16_passes_with_strides_and_without_elements():
    t = lucid.arange(12).to(lucid.bfloat16).reshape(3, 4).T[1:]
    theirs = torch().from_dlpack(t)
    assert theirs.stride() == t.stride() and theirs.tolist() == t.tolist()
    assert lucid.from_dlpack(theirs[:, :0]).shape == (3, 0)


def test_channels_last_stays_channels_last():
    t = lucid.randn(2, 3, 4, 5).contiguous(memory_format=lucid.channels_last)
    theirs = torch().from_dlpack(t)
    assert theirs.is_contiguous(memory_format=torch().channels_last)
    assert lucid.from_dlpack(theirs).stride() == t.stride()


def test_torch_takes_numpys_view_of_a_tensor():
    t = lucid.zeros(2, 3)
    torch().from_numpy(t.numpy()).add_(1)
    assert t.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_dtype_that_lucid_lacks_is_named():
    with pytest.raises(lucid.errors.DTypeError, match="complex64"):
        lucid.from_dlpack(torch().ones(2, dtype=torch().complex64))


# What is refused.


def test_a_tensor_that_requires_grad_is_refused():
    w = lucid.ones(2, requires_grad=True)
    for export in (to_dlpack, numpy.from_dlpack, torch().from_dlpack):
        with pytest.raises(BufferError, match="requires grad.*detach"):
            export(w)
    assert numpy.from_dlpack(w.detach()).tolist() == [1, 1]


def test_the_cpu_has_no_streams():
    assert lucid.ones(2).__dlpack__(stream=-1) is not None
    with pytest.raises(BufferError, match="no streams; got stream=1"):
        lucid.ones(2).__dlpack__(stream=1)


def test_memory_is_not_sent_to_another_device_by_the_exporter():
    with pytest.raises(BufferError, match=r"\(1, 0\).*\(2, 0\)"):
        lucid.ones(2).__dlpack__(dl_device=(dlpack.CUDA, 0))


def test_a_device_that_nobody_here_can_read_is_named():
    with pytest.raises(lucid.errors.DeviceError, match="device type 8"):
        lucid.from_dlpack(Exporter(None, (8, 0)))


def test_what_speaks_no_dlpack_is_named():
    with pytest.raises(lucid.errors.DTypeError, match=r"__dlpack__.*\[1, 2\]"):
        lucid.from_dlpack([1, 2])


# Capsules.


@pytest.mark.parametrize("version", [None, (1, 0)])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_capsule_is_opened_once(version, name):
    t = lucid.ones(3, dtype=getattr(lucid, name))
    capsule = t.__dlpack__(max_version=version)
    again = from_dlpack(capsule)
    t[0] = 2
    assert again.dtype == t.dtype and again.tolist() == [2, 1, 1]
    with pytest.raises(lucid.errors.DTypeError, match="once"):
        from_dlpack(capsule)


def test_torch_opens_our_capsule():
    assert torch().utils.dlpack.from_dlpack(to_dlpack(lucid.ones(2))).tolist() == [1, 1]


def test_a_capsule_nobody_opened_frees_its_memory():
    import gc
    import weakref

    t = lucid.ones(3, dtype=lucid.bfloat16)
    capsule, owner = to_dlpack(t), weakref.ref(t._array)
    del t
    gc.collect()
    assert owner() is not None
    del capsule
    gc.collect()
    assert owner() is None


def test_a_later_format_is_refused_before_its_fields_are_read():
    capsule = lucid.ones(2).__dlpack__(max_version=(1, 0))
    address = dlpack._pointer(capsule, b"dltensor_versioned")
    major = ctypes.c_uint32.from_address(address)
    major.value = 2
    try:
        with pytest.raises(BufferError, match="DLPack 2"):
            from_dlpack(capsule)
    finally:
        major.value = 1  # so that it can be freed


def test_an_exporter_of_the_first_protocol_is_understood():
    class Old:
        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, stream=None):  # as before 2023: no other argument
            return numpy.ones(2).__dlpack__()

    assert lucid.from_dlpack(Old()).tolist() == [1, 1]


# NumPy's array interface.


def test_numpy_functions_read_the_memory_itself():
    t = lucid.ones(3)
    assert numpy.asarray(t) is t.numpy() and numpy.add(t.numpy(), 1).tolist() == [2, 2, 2]


def test_array_copies_for_a_dtype_and_when_asked_to():
    t = lucid.ones(3)
    assert numpy.asarray(t, "int32").dtype == "int32"
    assert not numpy.shares_memory(numpy.array(t, copy=True), t.numpy())
    with pytest.raises(ValueError, match="without a copy"):
        numpy.array(t, "int32", copy=False)


# On CUDA, or its emulation.


@pytest.mark.parametrize("name", [*NAMES, "bool"])
def test_the_devices_own_arrays_share_memory(name, device):
    t = lucid.tensor([[1, 0, 1], [0, 1, 1]]).to(getattr(lucid, name))
    again = lucid.from_dlpack(t)
    t[0, 1] = 1
    assert again.device == t.device and again.dtype == t.dtype and again.tolist() == t.tolist()


def test_the_array_library_takes_a_tensor(device):
    t = lucid.arange(6.0).reshape(2, 3).T
    array = device.xp.from_dlpack(t)
    t[0, 0] = 7
    assert array.shape == (3, 2) and array.tolist() == t.tolist()
    assert lucid.from_dlpack(array).tolist() == t.tolist()


def test_the_other_way_to_the_cpu_is_a_copy(device):
    t = lucid.ones(3, dtype=lucid.bfloat16)
    host = lucid.from_dlpack(t, device="cpu")
    assert host.device.type == "cpu" and host.tolist() == [1, 1, 1]
    if device.type == "cuda":
        assert from_dlpack(t.__dlpack__(dl_device=(dlpack.CPU, 0))).device.type == "cpu"
        with pytest.raises(ValueError, match="without a copy"):
            lucid.from_dlpack(t, device="cpu", copy=False)
        with pytest.raises(BufferError, match="without a copy"):
            t.__dlpack__(dl_device=(dlpack.CPU, 0), copy=False)


def test_a_cuda_capsule_names_its_device(device):
    capsule = to_dlpack(lucid.ones(3))
    tensor = dlpack.described(capsule)
    assert (tensor.device_type, tensor.device_id) == lucid.ones(1).__dlpack_device__()
    assert from_dlpack(capsule).device == device


def test_a_reader_on_another_stream_waits_for_the_tensor(device):
    if device.type == "cpu":
        pytest.skip("the CPU has no streams")
    t = lucid.ones(64) + 1  # queued on lucid's own stream
    stream = device.xp.cuda.Stream(non_blocking=True)
    capsule = t.__dlpack__(stream=stream.ptr)
    with stream:  # the emulator refuses a read that nothing has ordered
        assert (from_dlpack(capsule) + 1).sum().item() == 3 * 64
