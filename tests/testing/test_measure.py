"""The clock of the benchmarks: turns, medians, ratios and copies."""

import gc

import pytest

from lucid.testing import measure
from lucid.testing.measure import Summary, copier, copy_bandwidth, interleave, ratio


def test_a_summary_is_the_median_and_the_quartiles():
    assert Summary.of([5, 1, 2, 4, 3]) == Summary(3, 2, 4)
    assert Summary.of([7.0]) == Summary(7, 7, 7)
    assert Summary.of([5, 1, 2, 4, 3]).spread == pytest.approx(2 / 3)


def test_ratios_are_formed_round_by_round():
    # The machine was ten times slower in the second round; both felt it.
    assert ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == Summary(2, 2, 2)
    with pytest.raises(ValueError):
        ratio([1.0], [1.0, 2.0])


def test_contenders_take_turns():
    calls = []
    contenders = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = interleave(contenders, rounds=20, at_least=0)
    assert {name: len(times) for name, times in seconds.items()} == {"a": 20, "b": 20, "c": 20}
    rounds = ["".join(calls[i : i + 3]) for i in range(3, len(calls), 3)]  # the first three warm up
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(set(rounds)) > 1  # nobody always follows the same one


@pytest.fixture
def clock(monkeypatch):
    """A clock that only calls move: ``clock(seconds)`` is a call that takes so long."""
    now = [0.0]
    monkeypatch.setattr(measure, "perf_counter", lambda: now[0])

    def call(seconds):
        def move():
            now[0] += seconds

        return move

    return call


def test_seconds_are_per_call_however_often_it_is_repeated(clock):
    seconds = interleave({"short": clock(1e-6), "long": clock(4e-3)}, rounds=5)
    assert seconds == {"short": pytest.approx([1e-6] * 5), "long": pytest.approx([4e-3] * 5)}


def test_a_short_call_is_repeated_until_the_clock_can_see_it(clock):
    calls, move = [], clock(1e-6)
    interleave({"x": lambda: calls.append(move())}, rounds=3, at_least=1e-3)
    assert len(calls) > 3 * 1000


def test_a_settled_timing_is_the_second_of_two(clock):
    calls, slow, fast = [], clock(5.0), clock(1.0)

    def spoilt():
        """Whoever comes after somebody else has a slow call first."""
        slow() if not calls or calls[-1] == "other" else fast()
        calls.append("spoilt")

    contenders = {"spoilt": spoilt, "other": lambda: calls.append("other") or fast()}
    seconds = interleave(contenders, rounds=6, at_least=0, settle=True)
    assert seconds == {"spoilt": [1.0] * 6, "other": [1.0] * 6}
    assert calls.count("other") == 1 + 2 * 6  # the warm-up, and two for each round


def test_the_device_is_waited_for_before_the_clock_starts_and_stops():
    events = []
    interleave(
        {"x": lambda: events.append("call")},
        rounds=2,
        at_least=0,
        synchronize=lambda: events.append("wait"),
    )
    assert events == ["wait", "call", "wait"] * 3  # warm-up and two rounds


def test_garbage_is_not_collected_while_the_clock_runs_and_is_afterwards():
    seen = []
    interleave({"x": lambda: seen.append(gc.isenabled())}, rounds=3, at_least=0)
    assert seen[1:] == [False] * 3
    assert gc.isenabled()
    once = iter([None])
    with pytest.raises(StopIteration):
        interleave({"x": lambda: next(once)}, rounds=1, at_least=0)
    assert gc.isenabled()


@pytest.mark.parametrize("nbytes", [1, 1000, (1 << 20) + 1])
def test_a_copier_copies_everything(nbytes, device, monkeypatch):
    made, xp = [], device.xp
    monkeypatch.setattr(xp, "empty", lambda n, kind: made.append(xp.zeros(n, kind)) or made[0])
    copy = copier(device, nbytes)
    made[0][...] = 7
    copy()
    assert made[0].size == nbytes and bool((made[0] == 1).all())


def test_bandwidth_counts_what_is_read_and_what_is_written(device, monkeypatch):
    monkeypatch.setattr(measure, "interleave", lambda calls, rounds, **_: {"copy": [0.5] * rounds})
    assert copy_bandwidth(device, 1000, rounds=3) == Summary(4000, 4000, 4000)
