"""The benchmark of a training step names who computed batch norm, and has them compute it."""

import lucid
from benchmarks import cuda_training, networks
from lucid import backends


def test_resnet_is_timed_with_each_engine_alone(emulated, monkeypatch):
    monkeypatch.setitem(cuda_training.NETWORKS, "ResNet-18", networks.seed_cnn)  # is much smaller
    monkeypatch.setattr(cuda_training, "peer", lambda: None)
    figures = list(cuda_training.step("ResNet-18", 1, "channels_last", 1, size=4))
    names = {"lucid", *cuda_training.BATCH_NORMS}
    for about in (("memory of a training step", "MiB"), ("training step", "ms")):
        assert {f.quantity for f in figures if (f.benchmark, f.unit) == about} >= names


def test_the_choice_holds_for_the_call_alone(cuda, problems):
    w, b = lucid.ones(8, requires_grad=True), lucid.zeros(8, requires_grad=True)
    x = lucid.randn(2, 8, 3, 3)
    asked = {}
    for name, choice in cuda_training.BATCH_NORMS.items():

        def call(name=name):
            before = problems.executions
            lucid.nn.functional.batch_norm(x, None, None, w, b, True)
            asked[name] = problems.executions - before, backends.fusion.enabled

        cuda_training._chosen(call, *choice)()
    assert list(asked.values()) == [(1, False), (0, True)]
    assert backends.cudnn.batch_norm is True and backends.fusion.enabled
