"""The CPUs of a process: its affinity, or the share that its container has, if that is less."""

import math
import os

import pytest

from lucid.backend.cpu import limit


@pytest.fixture
def system(tmp_path):
    """Writes control group files below a root, and asks for the quota of a member."""

    def quota(member, files):
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (tmp_path / "membership").write_text(member)
        return limit.quota(tmp_path / "membership", tmp_path / "cgroup")

    return quota


@pytest.mark.parametrize(
    ("text", "cpus"), [("200000 100000\n", 2), ("150000 100000", 1.5), ("max 100000", math.inf)]
)
def test_version_2_gives_time_per_period(system, text, cpus):
    assert system("0::/\n", {"cpu.max": text}) == cpus


def test_a_group_has_the_limits_of_those_above(system):
    files = {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "max 100000"}
    assert system("0::/a/b\n", files) == 3


def test_a_path_of_the_host_leaves_the_group_of_the_container(system):
    assert system("0::/docker/0123abc\n", {"cpu.max": "100000 100000"}) == 1


@pytest.mark.parametrize(("quota", "cpus"), [("250000", 2.5), ("-1", math.inf)])
def test_version_1_has_two_files(system, quota, cpus):
    files = {
        "cpu,cpuacct/job/cpu.cfs_quota_us": quota,
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
    }
    assert system("5:memory:/other\n4:cpu,cpuacct:/job\n", files) == cpus


@pytest.mark.parametrize("text", ["", "lots", "100000", "0 100000", "100000 0"])
def test_what_is_no_quota_is_no_limit(system, text):
    assert system("0::/\n", {"cpu.max": text}) == math.inf


def test_other_systems_have_no_limit(tmp_path):
    assert limit.quota(tmp_path / "missing", tmp_path) == math.inf


@pytest.mark.parametrize(("quota", "cpus"), [(0.1, 1), (1.5, 2), (3.0, 3), (math.inf, 4)])
def test_a_part_of_a_cpu_counts_as_one(monkeypatch, quota, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr(limit, "quota", lambda: quota)
    assert limit.cpus() == cpus
