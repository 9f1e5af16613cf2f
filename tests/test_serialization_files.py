"""load refuses what is not whole or not ours, and save leaves nothing half-written behind."""

import contextlib
import errno
import io
import itertools
import json
import os
import pickle
import random
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

import lucid
from lucid.errors import CheckpointError
from lucid.serialization import load, save
from tests.saved_files import resealed, saved

# Other files.


def test_safetensors_reads_our_state_dict(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    state = {"fc.bias": lucid.arange(3), "fc.weight": lucid.ones(2, 3), "odd": lucid.ones(3).bool()}
    save(state, tmp_path / "x")
    back = library.load_file(tmp_path / "x")
    assert {k: v.tolist() for k, v in back.items()} == {k: v.tolist() for k, v in state.items()}


def test_a_plain_safetensors_file_is_a_dict_of_tensors(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(
        {"b": np.ones((2, 3), "f4"), "a": np.arange(3)}, tmp_path / "x", {"format": "np"}
    )
    back = load(tmp_path / "x")
    assert back["b"].tolist() == [[1.0] * 3] * 2 and back["a"].tolist() == [0, 1, 2]


def test_pickles_and_archives_of_others_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match="a pickle; lucid never unpickles.*Hint"):
        load(tmp_path / "x.pkl")
    np.savez(tmp_path / "x.npz", a=np.ones(2))
    with pytest.raises(CheckpointError, match="a zip archive, but not one that torch.save wrote"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("data", [b"", b"abc", b"hello, world " * 20, b"\x93NUMPY\1\0", b"{}" * 9])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(CheckpointError, match="load: '.*x' is "):
        load(tmp_path / "x")


def test_a_newer_format_is_refused():
    data = resealed(saved(1), lambda h: h["__metadata__"].update({"lucid.version": "2"}))
    with pytest.raises(CheckpointError, match="version 2; this lucid reads 1. Hint: upgrade"):
        load(io.BytesIO(data))


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="load: there is no file '.*none.pt'"):
        load(tmp_path / "none.pt")
    with pytest.raises(FileNotFoundError, match="save: there is no folder"):
        save(1, tmp_path / "none" / "x")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save(1, tmp_path)


def test_a_folder_is_not_loaded(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"^load: can't read '.*': Is a directory"):
        load(tmp_path)


# Damage.


@pytest.fixture(scope="module")
def sample():
    return saved(
        {
            "w": lucid.arange(40.0).reshape(8, 5),
            "t": [lucid.ones(3).bfloat16(), lucid.tensor(True)],
            "step": 3,
            "name": "x",
        }
    )


def test_any_altered_byte_is_noticed(sample, tmp_path):
    draw = random.Random(0)
    for i in range(len(sample)):
        damaged = bytearray(sample)
        damaged[i] ^= 1 << draw.randrange(8)
        with pytest.raises(CheckpointError):
            load(io.BytesIO(damaged))


def test_any_truncation_is_noticed(sample):
    for length in range(len(sample)):
        with pytest.raises(CheckpointError):
            load(io.BytesIO(sample[:length]))


def test_overwritten_regions_are_noticed(sample):
    draw = random.Random(1)
    for _ in range(500):
        start = draw.randrange(len(sample))
        stop = min(len(sample), start + draw.randrange(1, 200))
        filler = draw.choice([b"\0", b"0", b" ", b"\xff"])
        damaged = sample[:start] + filler * (stop - start) + sample[stop:]
        if damaged != sample:
            with pytest.raises(CheckpointError):
                load(io.BytesIO(damaged))


def test_bytes_after_the_end_of_a_file_are_noticed(sample, tmp_path):
    (tmp_path / "x").write_bytes(sample + b"\0")
    with pytest.raises(CheckpointError, match="1 bytes follow its end"):
        load(tmp_path / "x")


def test_the_damaged_tensor_is_named(sample):
    with pytest.raises(CheckpointError, match=r"checksum of 't\.1' does not fit"):
        load(io.BytesIO(sample[:-1] + b"\0"))


def test_a_forged_file_is_refused_or_loads_and_does_nothing_else(sample):
    """Even with right checksums: every scalar in the header and structure replaced by oddities."""
    odd = [
        None,
        -1,
        2**70,
        1.5,
        "x",
        [],
        {},
        [[]],
        {"tensor": 99},
        {"dict": [[[], 1]]},
        {"a": 1, "b": 2},
    ]

    def places(node):
        if isinstance(node, (dict, list)):
            for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
                yield node, key
                yield from places(child)

    def attempt(change):
        try:
            load(io.BytesIO(resealed(sample, change)))
        except CheckpointError:
            return 1
        return 0

    def at(number, value, inner):
        def change(header):
            root = json.loads(header["__metadata__"]["lucid.object"]) if inner else header
            node, key = next(itertools.islice(places(root), number, None))
            node[key] = value
            header.setdefault("__metadata__", {})
            if inner:
                header["__metadata__"]["lucid.object"] = json.dumps(root)
            elif not isinstance(header["__metadata__"], dict):
                header["__metadata__"] = {"lucid.data": "x"}

        return change

    length = int.from_bytes(sample[:8], "little")
    header = json.loads(sample[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["lucid.object"])
    refused = sum(attempt(at(i, v, False)) for i in range(len([*places(header)])) for v in odd)
    refused += sum(attempt(at(i, v, True)) for i in range(len([*places(inner)])) for v in odd)
    assert refused > 300


def test_a_view_beyond_its_memory_is_refused():
    def change(header):
        text = header["__metadata__"]["lucid.object"]
        header["__metadata__"]["lucid.object"] = text.replace('"shape":[3]', '"shape":[99]')

    x = lucid.arange(9)
    data = saved([x, x[2:5]])
    with pytest.raises(CheckpointError, match="no object that lucid could have saved"):
        load(io.BytesIO(resealed(data, change)))


# Crashes.


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "x"
    save("old", target)

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    for error in (full, lambda file: (_ for _ in ()).throw(KeyboardInterrupt)):
        monkeypatch.setattr(os, "fsync", error)
        with pytest.raises((OSError, KeyboardInterrupt)):
            save(lucid.ones(1000), target)
    monkeypatch.undo()
    assert load(target) == "old" and os.listdir(tmp_path) == ["x"]


def test_a_full_disk_is_an_error(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with pytest.raises(OSError, match="No space left"):
        save(lucid.ones(1000), "/dev/full")


def test_a_link_stays_and_permissions_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    save(1, target)
    target.chmod(0o640)
    link.symlink_to(target)
    save(2, link)
    assert link.is_symlink() and load(target) == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_ordinary_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        save(1, tmp_path / "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    dead, living = tmp_path / ".x.0000.tmp", tmp_path / ".x.0001.tmp"
    dead.write_bytes(b"half")
    with open(living, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        save(1, tmp_path / "x")
        assert sorted(os.listdir(tmp_path)) == [".x.0001.tmp", "x"]


SAVER = """
import sys, lucid
from lucid.serialization import save
for n in range(1, 10**6):
    save([n, lucid.zeros(200_000) + n], sys.argv[1])
    if n == 1:
        print("ready", flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    draw = random.Random(0)
    files = [tmp_path / str(i) for i in range(3)]
    with contextlib.ExitStack() as stack:
        started = []
        for file in files:
            program = [sys.executable, "-c", SAVER, str(file)]
            started.append(stack.enter_context(subprocess.Popen(program, stdout=subprocess.PIPE)))
            stack.callback(started[-1].kill)
        for file, process in zip(files, started, strict=True):
            assert process.stdout.readline() == b"ready\n"
            for _ in range(20):  # another process is writing all the time: the file is whole
                n, x = load(file)
                assert float(x[0]) == float(x[-1]) == n
                time.sleep(draw.random() * 0.003)
            process.send_signal(signal.SIGKILL)
            process.wait()
            n, x = load(file)
            assert n > 0 and float(x[0]) == float(x[-1]) == n
            save("next", file)
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2"]
