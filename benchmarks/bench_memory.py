"""Memory of a training step beside PyTorch: held between forward and backward, and the peak."""

import sys

import pytest

from benchmarks import harness
from benchmarks.memory import measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("network", ["LeNet", "seeds' CNN", "SELU CNN", "MLP"])
def test_memory_of_a_step(network):
    libraries = [harness.OURS, *(["torch"] if harness.torch() else [])]
    for library in libraries:
        figures = measure(library, network)
        assert figures["peak"] > 0
        print(f"\n{network:12s} {library:6s} held {figures['held']:.1f} MiB, "
              f"peak {figures['peak']:.1f} MiB")  # fmt: skip
