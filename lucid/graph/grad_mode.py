"""Whether calls are recorded for backward: one flag per thread."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Flags(threading.local):
    grad = True
    inference = False


flags = _Flags()


def is_grad_enabled() -> bool:
    """Whether operations are being recorded for backward in this thread."""
    return flags.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode()``."""
    return flags.inference


class _Switch:
    """A context manager, and a decorator of functions and generator functions.

    One object may be entered again while it is open; each entry restores what it found.
    """

    grad: bool | None
    inference: bool | None = None

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((flags.grad, flags.inference))
        if self.grad is not None:
            flags.grad = self.grad
        if self.inference is not None:
            flags.inference = self.inference

    def __exit__(self, *exc_info: object) -> None:
        flags.grad, flags.inference = self._before.pop()

    def _again(self) -> _Switch:
        return type(self)()

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)  # type: ignore[return-value]

        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return switched  # type: ignore[return-value]

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator runs, and not while its caller does."""

        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            with self._again():
                step: Callable[[], Any] = functools.partial(next, generator)
                try:
                    value = step()
                except StopIteration as stop:
                    return stop.value
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)
                with self._again():
                    try:
                        value = step()
                    except StopIteration as stop:
                        return stop.value

        return switched


class no_grad(_Switch):
    """Nothing in the block is recorded. Also a decorator.

    >>> x = lucid.ones(2, requires_grad=True)
    >>> with lucid.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    grad = False

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        switch = object.__new__(cls)
        if function is None:
            return switch
        switch.__init__()  # type: ignore[misc]
        return switch(function)  # @no_grad without parentheses


class enable_grad(no_grad):
    """Record in this block although it stands inside ``no_grad``. Also a decorator."""

    grad = True


class set_grad_enabled(_Switch):
    """Switch recording on or off: at once as a call, until the end of the block as a context."""

    def __init__(self, mode: bool):
        super().__init__()
        self.grad = bool(mode)
        self._called_from = flags.grad
        flags.grad = self.grad

    def __enter__(self) -> None:
        self._before.append((self._called_from, flags.inference))
        flags.grad = bool(self.grad)

    def _again(self) -> _Switch:
        return set_grad_enabled(bool(self.grad))

    def __call__(self, function: F) -> F:
        flags.grad = self._called_from  # as a decorator it must not switch anything now
        return super().__call__(function)


class inference_mode(_Switch):
    """``no_grad``, and the tensors made inside can never take part in a graph later."""

    def __init__(self, mode: bool = True):
        super().__init__()
        self.inference = bool(mode)
        self.grad = not mode

    def _again(self) -> _Switch:
        return inference_mode(bool(self.inference))
