"""CuPy's exceptions, and the emulator's own."""

from __future__ import annotations

from ..build import EmulationError

__all__ = ["CUDADriverError", "CUDARuntimeError", "EmulationError", "OutOfMemoryError"]


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, text: str = ""):
        self.status = status
        super().__init__(text or f"CUDA error {status}")

    def __reduce__(self) -> tuple:
        return type(self), (self.status, str(self))


class CUDADriverError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    def __init__(self, size: int, total: int, limit: int = 0):
        self._size, self._total, self._limit = size, total, limit
        limited = f" (limit set to: {limit:,} bytes)" if limit else ""
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes){limited}."
        )

    def __reduce__(self) -> tuple:
        return type(self), (self._size, self._total, self._limit)


def invalid(text: str) -> CUDARuntimeError:
    return CUDARuntimeError(1, f"cudaErrorInvalidValue: {text}")


def not_while_capturing(what: str) -> CUDARuntimeError:
    """The error for it; the captures under way are lost."""
    from .streams import break_captures

    break_captures()
    return CUDARuntimeError(
        900,
        "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"
        f" ({what})",
    )
