"""What PyTorch's autocast does with a call: result dtypes; on CUDA too, without computing."""

import contextlib
import logging

import pytest

torch = pytest.importorskip("torch")
fake_tensor = pytest.importorskip("torch._subclasses.fake_tensor")

LOWER = {"cpu": "bfloat16", "cuda": "float16"}


def named(name):
    """PyTorch's function of this name, or None."""
    owners = (torch.nn.functional, torch, torch.Tensor, torch.linalg, torch.fft, torch.special)
    return next((getattr(owner, name) for owner in owners if hasattr(owner, name)), None)


@contextlib.contextmanager
def region(device):
    """autocast that also works for a device that this PyTorch was built without."""
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, getattr(torch, LOWER[device]))
    try:
        yield
    finally:
        torch.set_autocast_enabled(device, False)


def dtype_of(device, call, tensors):
    """The name of the dtype of ``call(tensors)`` inside a region; or the exception.

    tensors: (shape, dtype's name) pairs. On "cuda" they are fake: they have a shape, a dtype and a
    device, and pass through the same dispatcher, autocast included.
    """
    fake = fake_tensor.FakeTensorMode() if device == "cuda" else contextlib.nullcontext()
    logging.disable(logging.ERROR)  # of shapes that the fake kernels refuse
    try:
        with fake:
            made = [torch.ones(s, dtype=getattr(torch, k), device=device) for s, k in tensors]
            with region(device):
                result = call(made)
    except Exception as error:
        return error
    finally:
        logging.disable(logging.NOTSET)
    result = result if isinstance(result, torch.Tensor) else result[0]
    return str(result.dtype).removeprefix("torch.")
