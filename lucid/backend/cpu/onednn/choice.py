"""When oneDNN is worth it: measured against lucid's own convolution, CPU time of one thread.

On an AVX-512 machine (Zen 4) oneDNN 3.2 took 0.1 to 0.95 times as long for most convolutions and
gradients, from LeNet's to ResNet's. Left to lucid's matrix products, for contiguous arrays:

    1x1 kernels of stride 1           1.1 to 1.3 times as long: they are one product, and no reorder
    y or dx of up to 3 channels       1.1 to 2.3: fifteen lanes of sixteen compute nothing
    dw larger than twice x and dy     1.1 to 1.6: it is reordered at the end
    dw of narrow groups               3.5
"""

import math

from lucid.backend.cpu.onednn.parts import DATA, WEIGHTS, Problem

__all__ = ["worth"]

_FEW = 3  # channels of an image
_NARROW = 16  # channels, a vector


def worth(problem: Problem) -> bool:
    """Whether oneDNN takes less time than lucid's own code."""
    if problem.x_last or problem.y_last:
        return True
    per_group = problem.y[1] // problem.groups
    depthwise = problem.groups == problem.x[1] == problem.y[1]
    if math.prod(problem.w[2:]) == math.prod(problem.stride) == 1 and not depthwise:
        return False
    if problem.kind == WEIGHTS:
        activations = math.prod(problem.x) + math.prod(problem.y)
        narrow = problem.by_group and per_group < _NARROW and not depthwise
        return not narrow and math.prod(problem.w) <= 2 * activations
    result = problem.x if problem.kind == DATA else problem.y
    return problem.by_group or result[1] > _FEW
