"""How many CPUs this process may use: its affinity, and the share that a container is given.

A container is limited by a quota of CPU time per period, not by a set of CPUs: with 8 threads on a
quota of 2 CPUs all 8 run for a quarter of each period, then all stop. Linux tells the quota in the
control group's files: `cpu.max` ("200000 100000", or "max 100000"), in version 1
`cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`. A group has also the limits of those above.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpus", "quota"]


def cpus() -> int:
    """CPUs that threads of this process can keep busy, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, quota())))


def quota(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float:
    """CPU seconds per second that the control group allows; infinity without a limit."""
    return min(map(_allowed, _groups(membership, root)), default=math.inf)


def _groups(membership: Path, root: Path) -> Iterator[Path]:
    """The folders of this process's groups of CPU time and of all above them."""
    for line in _text(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "cpu" in controllers.split(","):
            top = root / controllers  # of version 2 there is but one tree, without a name
            inner = Path(path.lstrip("/"))
            # In a container the path may be the host's: then the top is the container's own group.
            yield from (top / part for part in (inner, *inner.parents))


def _allowed(group: Path) -> float:
    limit, period = (_text(group / "cpu.max").split() + ["", ""])[:2]
    if not limit:
        names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
        limit, period = (_text(group / name).strip() for name in names)
    if limit.isdecimal() and period.isdecimal() and int(limit) and int(period):
        return int(limit) / int(period)
    return math.inf


def _text(file: Path) -> str:
    """What a file says; nothing, where there is none (another system, no access)."""
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
