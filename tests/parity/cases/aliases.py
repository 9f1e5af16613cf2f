"""Names that lead elsewhere, and names that need a GPU, asked for without one."""

from __future__ import annotations

from tests.parity.compare import add

# Names that lead elsewhere: the same object under an older path.

ALIASES = {
    "nn.modules.Module": "nn.Module",
    "nn.modules.Conv2d": "nn.Conv2d",
    "nn.modules.BatchNorm2d": "nn.BatchNorm2d",
    "nn.modules.Linear": "nn.Linear",
    "nn.modules.ReLU": "nn.ReLU",
    "nn.modules.Sequential": "nn.Sequential",
    "nn.modules.Dropout": "nn.Dropout",
    "nn.modules.CrossEntropyLoss": "nn.CrossEntropyLoss",
    "nn.modules.activation.ReLU": "nn.ReLU",
    "nn.modules.activation.Sigmoid": "nn.Sigmoid",
    "nn.modules.batchnorm.BatchNorm2d": "nn.BatchNorm2d",
    "nn.modules.container.Sequential": "nn.Sequential",
    "nn.modules.container.ModuleList": "nn.ModuleList",
    "nn.modules.container.ModuleDict": "nn.ModuleDict",
    "nn.modules.container.ParameterList": "nn.ParameterList",
    "nn.modules.conv.Conv2d": "nn.Conv2d",
    "nn.modules.conv.ConvTranspose2d": "nn.ConvTranspose2d",
    "nn.modules.dropout.Dropout": "nn.Dropout",
    "nn.modules.dropout.Dropout2d": "nn.Dropout2d",
    "nn.modules.flatten.Flatten": "nn.Flatten",
    "nn.modules.flatten.Unflatten": "nn.Unflatten",
    "nn.modules.instancenorm.InstanceNorm2d": "nn.InstanceNorm2d",
    "nn.modules.linear.Linear": "nn.Linear",
    "nn.modules.linear.Identity": "nn.Identity",
    "nn.modules.loss.CrossEntropyLoss": "nn.CrossEntropyLoss",
    "nn.modules.loss.MSELoss": "nn.MSELoss",
    "nn.modules.module.Module": "nn.Module",
    "nn.modules.normalization.LayerNorm": "nn.LayerNorm",
    "nn.modules.normalization.GroupNorm": "nn.GroupNorm",
    "nn.modules.normalization.LocalResponseNorm": "nn.LocalResponseNorm",
    "nn.modules.padding.ZeroPad2d": "nn.ZeroPad2d",
    "nn.modules.padding.ReflectionPad2d": "nn.ReflectionPad2d",
    "nn.modules.pixelshuffle.PixelShuffle": "nn.PixelShuffle",
    "nn.modules.pooling.MaxPool2d": "nn.MaxPool2d",
    "nn.modules.pooling.AvgPool2d": "nn.AvgPool2d",
    "nn.modules.pooling.AdaptiveAvgPool2d": "nn.AdaptiveAvgPool2d",
    "nn.modules.sparse.Embedding": "nn.Embedding",
    "nn.modules.upsampling.Upsample": "nn.Upsample",
    "nn.parameter.Parameter": "nn.Parameter",
    "nn.parameter.Buffer": "nn.Buffer",
    "optim.sgd.SGD": "optim.SGD",
    "optim.adam.Adam": "optim.Adam",
    "optim.adamw.AdamW": "optim.AdamW",
    "optim.rmsprop.RMSprop": "optim.RMSprop",
    "optim.optimizer.Optimizer": "optim.Optimizer",
}
for old_path, path in ALIASES.items():
    add(old_path, "is the same", lambda s, a=old_path, b=path: s.get(a) is s.get(b))
for path, inside, outside in (
    ("nn.modules.batchnorm._BatchNorm", "nn.BatchNorm1d", "nn.InstanceNorm1d"),
    ("nn.modules.conv._ConvNd", "nn.Conv1d", "nn.Linear"),
    ("nn.modules.dropout._DropoutNd", "nn.Dropout2d", "nn.ReLU"),
    ("nn.modules.loss._Loss", "nn.MSELoss", "nn.ReLU"),
    ("nn.modules.loss._WeightedLoss", "nn.NLLLoss", "nn.MSELoss"),
):
    add(
        path,
        "is their base",
        lambda s, p=path, i=inside, o=outside: [
            issubclass(s.get(i), s.get(p)),
            issubclass(s.get(o), s.get(p)),
        ],
    )
for name, n in {"_single": 1, "_pair": 2, "_triple": 3, "_quadruple": 4}.items():
    add(
        f"nn.modules.utils.{name}",
        "numbers and sequences",
        lambda s, n=name: [s.get(f"nn.modules.utils.{n}")(x) for x in (5, (1, 2), [3])],
    )
add("nn.modules.utils._ntuple", "three", lambda s: s.nn.modules.utils._ntuple(3)(2))
add("optim.optimizer.required", "shows", lambda s: repr(s.get("optim.optimizer.required")))
add(
    "autograd.function.once_differentiable",
    "wraps",
    lambda s: callable(s.autograd.function.once_differentiable(lambda ctx, g: g)),
)


# Without a GPU.

for path, args in {
    "cuda.is_available": (),
    "cuda.device_count": (),
    "cuda.empty_cache": (),
    "cuda.manual_seed": (1,),
    "cuda.manual_seed_all": (1,),
    "accelerator.is_available": (),
    "accelerator.device_count": (),
    "accelerator.current_accelerator": (),
    "cuda.get_rng_state_all": (),
    "backends.cudnn.is_available": (),
}.items():
    add(path, "without a GPU", lambda s, p=path, a=args: s.get(p)(*a))
for path in (
    "cuda.current_device",
    "cuda.synchronize",
    "cuda.get_device_name",
    "cuda.get_device_properties",
    "cuda.get_device_capability",
    "cuda.Event",
    "cuda.Stream",
    "cuda.current_stream",
    "accelerator.synchronize",
    "accelerator.current_stream",
    "cuda.memory_summary",
    "cuda.get_rng_state",
):
    add(path, "without a GPU", lambda s, p=path: [s.get(p)(), s.cuda.synchronize()][:0])
for path in ("cuda.FloatTensor", "cuda.LongTensor"):
    add(path, "without a GPU", lambda s, p=path: s.get(p)([1.0]))
    add(path, "is no CPU tensor", lambda s, p=path: isinstance(s.ones(1), s.get(p)))
add("cuda.set_device", "without a GPU", lambda s: s.cuda.set_device(0))
add("accelerator.set_device_index", "without a GPU", lambda s: s.accelerator.set_device_index(0))
for name in ("benchmark", "deterministic", "enabled", "allow_tf32"):
    add(
        f"backends.cudnn.{name}",
        "switch",
        lambda s, n=name: (
            m := s.backends.cudnn,
            before := getattr(m, n),
            setattr(m, n, not before),
            after := getattr(m, n),
            setattr(m, n, before),
            [before, after],
        )[-1],
    )
add(
    "backends.cuda.matmul.allow_tf32",
    "switch",
    lambda s: (
        m := s.backends.cuda.matmul,
        before := m.allow_tf32,
        setattr(m, "allow_tf32", True),
        after := m.allow_tf32,
        setattr(m, "allow_tf32", before),
        [before, after],
    )[-1],
)
add("backends.cudnn.version", "without a GPU", lambda s: s.backends.cudnn.version())
add(
    "backends.cudnn.is_acceptable",
    "a CPU tensor",
    lambda s: s.backends.cudnn.is_acceptable(s.ones(1)),
)
add("version.cuda", "without a GPU", lambda s: s.version.cuda)
add(
    "cuda.OutOfMemoryError",
    "is a RuntimeError",
    lambda s: issubclass(s.cuda.OutOfMemoryError, RuntimeError),
)
for name in ("safe_globals", "add_safe_globals"):
    add(
        f"serialization.{name}",
        "list",
        lambda s: (
            s.serialization.clear_safe_globals(),
            s.serialization.add_safe_globals([int]),
            s.serialization.safe_globals([float]).__enter__(),
            len(s.serialization.get_safe_globals()),
            s.serialization.clear_safe_globals(),
        )[3],
    )
for name in ("device", "stream"):
    add(
        f"cuda.{name}",
        "of None",
        lambda s, n=name: s.get(f"cuda.{n}")(None).__enter__() is None or True,
    )
add("cuda.default_stream", "without a GPU", lambda s: s.cuda.default_stream())
add("cuda.set_rng_state_all", "of no device", lambda s: s.cuda.set_rng_state_all([]))
add("cuda.set_rng_state", "without a GPU", lambda s: s.cuda.set_rng_state(s.get_rng_state()))
for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"):
    add(f"cuda.{name}", "without a GPU", lambda s, n=name: s.get(f"cuda.{n}")())
add("cuda.reset_peak_memory_stats", "without a GPU", lambda s: s.cuda.reset_peak_memory_stats())
add("Tensor.cuda", "without a GPU", lambda s: s.ones(1).cuda())
add("Tensor.is_cuda", "of the CPU", lambda s: s.ones(1).is_cuda)
add(
    "random.fork_rng",
    "restores",
    lambda s: (
        s.manual_seed(1),
        a := s.rand(1),
        s.manual_seed(1),
        c := s.random.fork_rng(),
        c.__enter__(),
        s.rand(5),
        c.__exit__(None, None, None),
        s.equal(a, s.rand(1)),
    )[-1],
)
for name in ("autocast", "GradScaler"):
    for space in ("amp", "cuda.amp"):
        if space == "amp":
            add(
                f"amp.{name}",
                "made",
                lambda s, n=name: (
                    [s.amp.autocast("cpu", enabled=False).__enter__() is None or True]
                    if n == "autocast"
                    else [s.amp.GradScaler("cpu", enabled=False).is_enabled()]
                ),
            )
        else:
            add(
                f"cuda.amp.{name}",
                "made",
                lambda s, n=name: (
                    [s.cuda.amp.autocast(enabled=False) is None]
                    if n == "autocast"
                    else [s.cuda.amp.GradScaler(enabled=False).is_enabled()]
                ),
            )
