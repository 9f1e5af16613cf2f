"""Where oneDNN is absent, unfit or not asked for yet; each in a process of its own."""

import os
import subprocess
import sys

import pytest

import lucid
from lucid.backend.cpu.onednn import choice, cut
from lucid.backend.cpu.onednn.parts import DATA, FORWARD, WEIGHTS, Problem


def run(code, **environment):
    """What a new Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = "any('libdnnl' in line for line in open('/proc/self/maps'))"


def test_a_path_that_names_nothing_is_one_sentence(tmp_path):
    said = run(
        "import lucid; o = lucid.backends.onednn\n"
        "print(o.is_available(), o.version(), o.why_unavailable())",
        LUCID_ONEDNN=str(tmp_path),
    )
    rule = "oneDNN: LUCID_ONEDNN must name libdnnl.so.3 or its folder"
    assert said == f"False None {rule}; got {str(tmp_path)!r}"


def test_a_file_that_is_no_library_is_one_sentence_with_a_hint(tmp_path):
    (tmp_path / "libdnnl.so.3").write_bytes(b"no library")
    said = run(
        "import lucid; print(lucid.backends.onednn.why_unavailable())", LUCID_ONEDNN=str(tmp_path)
    )
    assert said.startswith("oneDNN: no library was found that fits; got ")
    assert said.endswith("Hint: pip install onednn-cpu-gomp")
    assert "\n" not in said


def test_asking_for_what_is_not_there_is_an_error(tmp_path):
    said = run(
        "import lucid\n"
        "try: lucid.backends.onednn.enabled = True\n"
        "except lucid.errors.DeviceError as error: print(error)\n"
        "try:\n"
        "    with lucid.backends.onednn.flags(enabled=True): print('entered')\n"
        "except lucid.errors.DeviceError as error: print(error)\n"
        "with lucid.backends.onednn.flags(enabled=False): print('off')",
        LUCID_ONEDNN=str(tmp_path),
    )
    first, second, third = said.splitlines()
    assert first == second
    assert first.startswith("oneDNN: LUCID_ONEDNN must name")
    assert third == "off"


def test_convolution_works_without(tmp_path):
    said = run(
        "import lucid; x = lucid.ones(1, 4, 3, 3)\n"
        "print(lucid.conv2d(x, lucid.ones(4, 4, 3, 3)).flatten().tolist())",
        LUCID_ONEDNN=str(tmp_path),
    )
    assert said == "[36.0, 36.0, 36.0, 36.0]"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
@pytest.mark.skipif(
    not lucid.backends.onednn.is_available(), reason=lucid.backends.onednn.why_unavailable()
)
def test_it_is_loaded_by_the_first_convolution_and_not_by_import():
    said = run(
        f"import lucid; print({LOADED})\n"
        "x = lucid.ones(1, 8, 3, 3)\n"
        "with lucid.backends.onednn.flags(enabled=False): lucid.conv2d(x, lucid.ones(8, 8, 3, 3))\n"
        f"print({LOADED})\n"
        "lucid.conv2d(x, lucid.ones(8, 8, 3, 3))\n"
        f"print({LOADED})"
    )
    assert said.split() == ["False", "False", "True"]


def covers(blocks, count):
    return [i for start, stop in blocks for i in range(start, stop)] == list(range(count))


@pytest.mark.parametrize("by", [cut.by_result, cut.by_sum])
@pytest.mark.parametrize("samples", [1, 3, 64])
@pytest.mark.parametrize("units", [1, 16, 33, 512])
@pytest.mark.parametrize("work", [1, 10**8, 10**11])
@pytest.mark.parametrize("weights", [1, 10**5, 10**8])
def test_a_cut_covers_every_sample_and_unit_once(by, samples, units, work, weights):
    found = by(samples, units, 16, work, 10**6, weights)
    assert covers(found.samples, samples)
    assert covers(found.units, units)
    assert all((stop - start) % 16 == 0 for start, stop in found.units[:-1])


def problem(kind, x, w, y, *, groups=1, last=False, stride=1):
    d = len(x) - 2
    spaces = (stride,) * d, ((0, 0),) * d, (1,) * d
    return Problem(kind, x, w, y, *spaces, groups, last, last, False)


def test_what_takes_longer_by_onednn_is_left_alone():
    pointwise = (16, 64, 28, 28), (256, 64, 1, 1), (16, 256, 28, 28)
    assert not choice.worth(problem(FORWARD, *pointwise))
    assert choice.worth(problem(FORWARD, *pointwise, last=True))
    image = (16, 3, 30, 30), (64, 3, 3, 3), (16, 64, 28, 28)
    assert choice.worth(problem(FORWARD, *image))
    assert choice.worth(problem(WEIGHTS, *image))
    assert not choice.worth(problem(DATA, *image))
    small = (1, 512, 7, 7), (512, 512, 3, 3), (1, 512, 5, 5)
    assert choice.worth(problem(FORWARD, *small))
    assert not choice.worth(problem(WEIGHTS, *small))
    narrow = (16, 64, 30, 30), (64, 4, 3, 3), (16, 64, 28, 28)
    assert choice.worth(problem(FORWARD, *narrow, groups=16))
    assert not choice.worth(problem(WEIGHTS, *narrow, groups=16))
