"""Generators: who owns which random numbers; the numbers are computed where they are used.

Random numbers are addressed, not consumed: a Generator holds a seed and an offset, `reserve` hands
out the Key of the next draw and moves the offset on. A key is all that is needed to draw the same
numbers again, on any device, in any layout, in backward and in recomputation.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import index
from typing import Any

from lucid.backend import capture
from lucid.backend.capture import active as _captures
from lucid.backend.philox import Key

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "initial_seed",
    "manual_seed",
    "record_keys",
    "replay_keys",
    "seed",
]

DEFAULT_SEED = 67280421310721  # what a PyTorch user finds in an unseeded generator

_MAGIC = b"LRNG"  # begins the 32 bytes of a state: 4 magic, 8 seed, 8 stream, 12 offset
_STATE_BYTES = 32
_OFFSET_LIMIT = 2**96

_new_tuple = tuple.__new__  # half the time of Key(...), on the path of every draw


class Generator:
    """A source of random numbers: `Generator().manual_seed(0)`.

    The whole state is three integers: seed, stream (the rank in data-parallel training, else 0) and
    offset, the number of blocks handed out. It names no device: one generator serves all of them,
    and `device` only records what was asked for. Threads may share a generator.
    """

    def __init__(self, device: Any = None) -> None:
        self._device = device
        self._seed = DEFAULT_SEED
        self._stream = 0
        self._offset = 0
        self._lock = threading.Lock()

    @property
    def device(self) -> Any:
        """The device given at construction, or None."""
        return self._device

    @property
    def stream(self) -> int:
        """The second key word: generators with one seed and different streams are independent."""
        return self._stream

    @stream.setter
    def stream(self, stream: int) -> None:
        checked = _integer("Generator.stream", "stream", stream, 0, 2**64)
        _not_while_capturing("stream")
        with self._lock:
            self._stream = checked

    def manual_seed(self, seed: int) -> "Generator":
        """Set the seed and return to offset 0; answers the generator. -1 stands for 2**64 - 1."""
        checked = _integer("manual_seed", "seed", seed, -(2**63), 2**64) % 2**64
        _not_while_capturing("manual_seed")
        with self._lock:
            self._seed, self._offset = checked, 0
        return self

    def seed(self) -> int:
        """Seed from the operating system's entropy; answers the seed, so that it can be noted."""
        fresh = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed set last."""
        return self._seed

    def get_offset(self) -> int:
        """Blocks (of four uint64 words) handed out since the seed was set."""
        return self._offset

    def set_offset(self, offset: int) -> None:
        """Continue from this block on."""
        checked = _integer("set_offset", "offset", offset, 0, _OFFSET_LIMIT)
        _not_while_capturing("set_offset")
        with self._lock:
            self._offset = checked

    def reserve(self, blocks: int) -> Key:
        """The key of a draw of this many blocks, which no other draw will get.

        Within `replay_keys` it is the next key of the recording, and the offset stays. So it does
        while a graph is captured: each replay of the graph moves it on.
        """
        tape = _thread.tape
        if tape is not None and tape.replay is not None:
            key = tape.next_key()
        elif _captures and capture.current() is not None:
            key = capture.current().key(self, blocks)
        else:
            with self._lock:
                offset = self._offset
                self._offset = offset + blocks
                key = _new_tuple(Key, (self._seed, self._stream, offset))
        if tape is not None:
            for keys in tape.recordings:
                keys.append(key)
        return key

    def clone_state(self) -> "Generator":
        """A new generator in the same state; the two go on independently."""
        clone = Generator(self._device)
        clone.set_state_tuple(self.state_tuple())
        return clone

    def state_tuple(self) -> tuple[int, int, int]:
        """(seed, stream, offset), taken at one instant."""
        with self._lock:
            return self._seed, self._stream, self._offset

    def set_state_tuple(self, state: tuple[int, int, int]) -> None:
        """Continue where `state_tuple` was taken."""
        seed, stream, offset = state
        checked = (
            _integer("set_state_tuple", "seed", seed, 0, 2**64),
            _integer("set_state_tuple", "stream", stream, 0, 2**64),
            _integer("set_state_tuple", "offset", offset, 0, _OFFSET_LIMIT),
        )
        _not_while_capturing("set_state")
        with self._lock:
            self._seed, self._stream, self._offset = checked

    def _state_bytes(self) -> bytes:
        sizes = (8, 8, 12)
        parts = (n.to_bytes(k, "little") for n, k in zip(self.state_tuple(), sizes, strict=True))
        return _MAGIC + b"".join(parts)

    def _set_state_bytes(self, state: bytes) -> None:
        if len(state) != _STATE_BYTES:
            raise ValueError(
                f"set_state: the state of a generator has {_STATE_BYTES} bytes; got {len(state)}"
            )
        if state[:4] != _MAGIC:
            raise ValueError(
                f"set_state: the state must begin with {_MAGIC!r}; got {bytes(state[:4])!r}. "
                "Hint: only what get_state of a lucid generator answered can be set"
            )
        parts = (state[4:12], state[12:20], state[20:32])
        seed, stream, offset = (int.from_bytes(part, "little") for part in parts)
        self.set_state_tuple((seed, stream, offset))

    def __getstate__(self) -> dict[str, Any]:
        return {"device": self._device, "state": self.state_tuple()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._device = state["device"]
        self._lock = threading.Lock()
        self.set_state_tuple(state["state"])

    def __repr__(self) -> str:
        seed, stream, offset = self.state_tuple()
        return f"Generator(seed={seed}, stream={stream}, offset={offset})"


default_generator = Generator()
"""ONE generator for all devices, used where no `generator=` is given.

The sequence of offsets, hence every mask and every sample, is then the same wherever a model runs.
"""


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, which serves all devices, and answer it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system's entropy; answers the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:
    """Within it random numbers may be drawn and seeds set; afterwards all is as before.

    `devices` is accepted for PyTorch's sake: the default generator serves every device.
    """
    state = default_generator.state_tuple()
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state_tuple(state)


class _Tape:
    """What a thread does with its keys: append them to recordings, take them from a replay."""

    def __init__(self, recordings: tuple[list[Key], ...], replay: list[Key] | None) -> None:
        self.recordings = recordings
        self.replay = replay
        self.position = 0

    def next_key(self) -> Key:
        keys = self.replay or []
        if self.position >= len(keys):
            raise RuntimeError(
                f"replay_keys: the replay must draw no more often than the recording; got draw "
                f"{self.position + 1} of {len(keys)}. Hint: the recomputed function must be "
                "deterministic, apart from its random numbers"
            )
        self.position += 1
        return keys[self.position - 1]


class _Thread(threading.local):
    tape: _Tape | None = None


_thread = _Thread()


@contextmanager
def record_keys() -> Iterator[list[Key]]:
    """The list of the keys that this thread gets within it, from any generator."""
    keys: list[Key] = []
    outer = _thread.tape
    recordings = () if outer is None else outer.recordings
    added = (*recordings, keys)
    if outer is None:
        _thread.tape = _Tape(added, None)
    else:
        outer.recordings = added  # the same tape: a replay goes on from where it is
    try:
        yield keys
    finally:
        if outer is not None:
            outer.recordings = recordings
        _thread.tape = outer


@contextmanager
def replay_keys(keys: Iterable[Key]) -> Iterator[None]:
    """In this thread, hand out these keys again, in order, from whatever generator is asked.

    A recording around a replay does not see its keys: whoever repeats the recorded computation
    will run the replay again, and that brings its own. A recording inside a replay does.
    """
    outer = _thread.tape
    _thread.tape = _Tape((), list(keys))
    try:
        yield
    finally:
        _thread.tape = outer


def _not_while_capturing(what: str) -> None:
    if _captures:
        capture.refuse(
            f"Generator.{what}: the random numbers' seed and offset can't be set",
            "set them before the capture or between replays",
        )


def _integer(function: str, name: str, value: Any, low: int, high: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(
            f"{function}: {name} must be an integer; got {value!r}. Hint: use int({name})"
        ) from None
    if not low <= number < high:
        raise ValueError(f"{function}: {name} must be in [{low}, {high}); got {number}")
    return number


def _renew_lock() -> None:
    """In a forked child: another thread of the parent may have held the lock."""
    default_generator._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
