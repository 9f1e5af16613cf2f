"""Builds every problem of cudnn_problems.py with the real cuDNN, on a machine without a GPU.

    python -m tests.cuda.cudnn_engines <a libcuda.so.1>

writes a line of JSON per problem. In a process of its own: the library it loads is no CUDA driver,
and what goes wrong in cuDNN may end the process.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from typing import Any

from lucid.backend.cuda import cudnn
from tests.cuda import cudnn_problems

# A Hopper GPU. cuDNN's heuristics look at the numbers; there are engines for the architecture.
DEVICE = {
    "deviceName": "Hopper", "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0,
    "multiProcessorCount": 132, "smCountOrigin": 0, "warpSize": 32, "maxCtasPerSM": 32,
    "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
    "oversizedSharedMemoryPerBlock": 0, "reservedSharedMemoryPerBlock": 1024,
    "totalGlobalMem": 150 * 10**9, "l2CacheSize": 60 << 20, "memoryBusWidth": 6144,
    "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "pciDeviceId": 0, "isTccDriver": 0,
    "supportCoopLaunch": 1,
}  # fmt: skip


class WithoutDevice(cudnn.Library):
    """lucid's own code, told of a device in words where it has a handle otherwise."""

    def _place(self) -> dict[str, Any]:
        described = self._cudnn.create_device_properties(json.dumps(DEVICE))
        return {
            "device_property": described,
            "sm_version": DEVICE["deviceVer"] // 10,  # type: ignore[operator]
            "sm_count": DEVICE["multiProcessorCount"],
        }


def main(driver: str) -> None:
    ctypes.CDLL(driver, ctypes.RTLD_GLOBAL)
    library = WithoutDevice()
    print(json.dumps({"version": library.version()}), flush=True)
    groups = cudnn_problems.convolutions, cudnn_problems.batch_norms, cudnn_problems.refused
    for problem in [problem for group in groups for problem in group()]:
        start, error, workspace = time.perf_counter(), "", 0
        try:
            _, workspace = library.build(problem, benchmark=False)
        except Exception as problem_has_none:
            error = str(problem_has_none).splitlines()[0] or "refused"
        line = {"problem": repr(problem), "error": error, "workspace": workspace}
        line["milliseconds"] = round(1e3 * (time.perf_counter() - start), 1)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
