"""A stand-in for cuDNN's frontend that records how it was called. It computes nothing."""

import time
from types import SimpleNamespace

NAMES = ("FLOAT", "DOUBLE", "HALF", "BFLOAT16")
NOTES = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "NONDETERMINISTIC")


def same(*names):
    return SimpleNamespace(**{n: n for n in names})


class Result:
    """A tensor of the graph; what is set on it is kept."""

    def __init__(self, **settings):
        self.__dict__.update(settings)

    def __getattr__(self, name):
        def keep(value):
            setattr(self, name.removeprefix("set_"), value)
            return self

        return keep


class Graph:
    """pygraph with three plans: a slow one, one that can't be built, a fast one."""

    seconds = (0.02, None, 0.0)
    workspaces = (512, 0, 1024)

    def __init__(self, **settings):
        self.settings, self.calls, self.executed = settings, [], []

    def tensor(self, **settings):
        return Result(**settings)

    def conv_fprop(self, **settings):
        return self._convolution("fprop", settings)

    def conv_dgrad(self, **settings):
        return self._convolution("dgrad", settings)

    def conv_wgrad(self, **settings):
        return self._convolution("wgrad", settings)

    def _convolution(self, name, settings):
        self.name, self.inputs, self.result = name, settings, Result()
        return self.result

    def bias(self, **settings):
        self.added, self.sum = settings, Result()
        return self.sum

    def batchnorm(self, **settings):
        return self._norm("batchnorm", settings, 5)

    def batchnorm_backward(self, **settings):
        return self._norm("batchnorm_backward", settings, 3)

    def _norm(self, name, settings, results):
        self.name, self.inputs = name, settings
        self.results = [Result() for _ in range(results)]
        return self.results

    def deselect_numeric_notes(self, notes):
        self.calls.append(("deselect", *notes))

    def get_execution_plan_count(self):
        return 3

    def build_plan_at_index(self, index):
        if self.seconds[index] is None:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")

    def get_workspace_size_plan_at_index(self, index):
        return self.workspaces[index]

    def get_workspace_size(self):
        return 256

    def execute(self, pointers, workspace, handle):
        self.executed.append((None, pointers, workspace, handle))

    def execute_plan_at_index(self, pointers, workspace, index, handle):
        time.sleep(self.seconds[index])
        self.executed.append((index, pointers, workspace, handle))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, *args))
