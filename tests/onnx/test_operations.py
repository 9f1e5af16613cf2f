"""Single operations, exported and run by ONNX Runtime."""

import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from tests.onnx.running import agrees

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} runs the files. Hint: pip install '.[onnx]'")


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def check(function, x, fixed=False, **settings):
    """For the example, and for twice its size along dimension 0."""
    axes = None if fixed else {"x": {0: "n"}}
    other = [] if fixed else [(lucid.cat([x, x.flip(0)]),)]
    agrees(Model(function), x, dynamic_axes=axes, others=other, **settings)


POINTWISE = {
    "abs": lambda x: x.abs(),
    "argmax": lambda x: x.argmax(1),
    "argmin keepdim": lambda x: x.argmin(-1, keepdim=True),
    "arithmetic": lambda x: (2 - x) * 3 / (x * x + 1) - (-x),
    "casts": lambda x: x.to(lucid.int32) + x.double(),
    "celu": lambda x: F.celu(x, 0.7),
    "clamp": lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0.1),
    "comparisons": lambda x: (x > 0) & (x != 1) | ~(x <= -1),
    "cumsum": lambda x: x.cumsum(1),
    "elu": lambda x: F.elu(x, 0.7),
    "erf": lambda x: x.erf(),
    "exp and log": lambda x: x.exp().log1p() + (x.abs() + 1).log2(),
    "expm1": lambda x: x.expm1(),
    "floor division": lambda x: (x * 10) // 3 + (x * 10) % 3,
    "gelu": lambda x: F.gelu(x) + F.gelu(x, approximate="tanh"),
    "hardshrink": lambda x: F.hardshrink(x),
    "hardsigmoid": lambda x: F.hardsigmoid(x * 3),
    "hardswish": lambda x: F.hardswish(x * 3),
    "hardtanh": lambda x: F.hardtanh(x, -0.3, 0.4),
    "integer division": lambda x: (x * 10).to(lucid.int64) // 3 - (x * 10).to(lucid.int64) % 3,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "lerp": lambda x: x.lerp(x * 2, 0.3),
    "logsigmoid": lambda x: F.logsigmoid(x),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, -7),
    "max and min": lambda x: x.max() - x.amin(1) + lucid.maximum(x, -x).mean(1),
    "mean": lambda x: x.mean((1, 2)) + x.mean(),
    "mish": lambda x: F.mish(x),
    "norm": lambda x: x.norm(dim=1),
    "powers": lambda x: x**2 + x.abs() ** 1.5 + 2**x,
    "prelu": lambda x: F.prelu(x, lucid.tensor([0.1, 0.2, 0.3, 0.4])),
    "prod": lambda x: x.prod(1),
    "relu6": lambda x: F.relu6(x * 5),
    "rounding": lambda x: x.floor() + x.ceil() * 2 + (x * 3).round() * 3 + x.trunc() + x.sign(),
    "rsqrt": lambda x: (x.abs() + 1).rsqrt() + (x.abs() + 1).reciprocal() + x.abs().sqrt(),
    "selu": lambda x: F.selu(x),
    "sigmoid": lambda x: x.sigmoid() + x.tanh(),
    "silu": lambda x: F.silu(x),
    "softmax": lambda x: x.softmax(1) + x.softmax(-1),
    "softplus": lambda x: F.softplus(x, 2.0, 3.0) + F.softplus(x),
    "softshrink": lambda x: F.softshrink(x) + F.softsign(x) + F.tanhshrink(x),
    "std": lambda x: x.std(1),
    "sum": lambda x: x.sum((0, 2), keepdim=True) + x.sum() + (x > 0).sum(),
    "threshold": lambda x: F.threshold(x, 0.1, 20),
    "trigonometry": lambda x: x.sin() + x.cos() + x.atan() + x.tanh().asin(),
    "where": lambda x: lucid.where(x > 0, x, 0.5),
}


@pytest.mark.parametrize("name", list(POINTWISE))
def test_operations_on_elements_and_reductions(name):
    check(POINTWISE[name], lucid.randn(2, 4, 3))


SHAPES = {
    "broadcast": lambda x: x + lucid.arange(5.0).reshape(5, 1) + x[:, :1],
    "chunk and cat": lambda x: lucid.cat([*x.chunk(2, 1), x[:, 1:3]], 1),
    "expand": lambda x: x[:, :1].expand(-1, 4, -1, -1) + x[:1],
    "expand of a size made": lambda x: x.reshape(x.shape[0] * 2, 1, -1).expand(-1, 3, -1),
    "flatten": lambda x: x.flatten(1),
    "flip": lambda x: x.flip((1, 3)),
    "gather": lambda x: x.gather(1, (x > 0).to(lucid.int64)[:, :2]),
    "index": lambda x: x[:, -1, None, ::2, 1:-1] + x[..., 0][:, 0].unsqueeze(-1)[:, None, :3],
    "index_select": lambda x: x.index_select(1, lucid.tensor([2, 0, 2])) + x[:, [1, 0, 3]],
    "last": lambda x: x[..., -1:],
    "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=1.5),
    "pad crops": lambda x: F.pad(x, (-1, 1, -2, 0)),
    "pad reflect": lambda x: F.pad(x, (1, 2, 3, 1), mode="reflect"),
    "pad replicate": lambda x: F.pad(x, (1, 2, 3, 1), mode="replicate"),
    "permute": lambda x: x.permute(0, 2, 3, 1).contiguous() * 1,
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "roll": lambda x: x.roll((1, -2), (2, 3)),
    "split": lambda x: x.split([1, 3], 1),
    "squeeze": lambda x: x[:, :1].squeeze(1).unsqueeze(2),
    "stack": lambda x: lucid.stack([x, x * 2], 1),
    "transpose": lambda x: x.transpose(1, -1),
    "triu": lambda x: x.triu(1) + x.tril(-1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "view": lambda x: x.view(x.shape[0] * 2, 2, -1),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_operations_on_shapes(name):
    check(SHAPES[name], lucid.randn(2, 4, 5, 6))


LAYERS = {
    "AdaptiveAvgPool, unequal parts": lambda: nn.AdaptiveAvgPool2d((2, 5)),
    "AdaptiveMaxPool": lambda: nn.AdaptiveMaxPool2d((3, 2)),
    "AvgPool": lambda: nn.AvgPool2d(3, 2, 1),
    "AvgPool, ceil": lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "AvgPool, ceil, padding not counted": lambda: nn.AvgPool2d(3, 2, 1, True, False),
    "AvgPool, divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
    "AvgPool, padding not counted": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "BatchNorm of the batch": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "BatchNorm": lambda: nn.BatchNorm2d(4, affine=False),
    "channel shuffle": lambda: nn.ChannelShuffle(2),
    "Conv, groups": lambda: nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False),
    "Conv, dilation": lambda: nn.Conv2d(4, 3, (2, 3), dilation=2, padding="same"),
    "Conv, circular": lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
    "ConvTranspose": lambda: nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
    "ConvTranspose, groups": lambda: nn.ConvTranspose2d(4, 6, 2, dilation=2, groups=2),
    "Dropout": lambda: nn.Sequential(nn.Dropout(), nn.Dropout2d(), nn.FeatureAlphaDropout()),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "InstanceNorm": lambda: nn.InstanceNorm2d(4, affine=True),
    "LayerNorm": lambda: nn.LayerNorm((7, 8)),
    "Linear": lambda: nn.Linear(8, 3, bias=False),
    "LocalResponseNorm": lambda: nn.LocalResponseNorm(3),
    "MaxPool": lambda: nn.MaxPool2d(3, 2, 1, dilation=1),
    "MaxPool, ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),  # 8: a window hangs over
    "MaxPool, dilation": lambda: nn.MaxPool2d(2, 1, dilation=2),
    "RMSNorm": lambda: nn.RMSNorm(8),
    "Upsample bicubic": lambda: nn.Upsample(scale_factor=1.5, mode="bicubic"),
    "Upsample bilinear": lambda: nn.Upsample((9, 5), mode="bilinear", align_corners=True),
    "Upsample nearest": lambda: nn.Upsample(scale_factor=2),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_layers(name):
    layer = LAYERS[name]()
    model = Model(lambda x: layer(x))
    model.layer = layer
    x = lucid.randn(2, 4, 7, 8)
    fixed = name == "BatchNorm of the batch"
    others = [] if fixed else [(lucid.randn(3, 4, 7, 8),)]
    agrees(model, x, dynamic_axes=None if fixed else {"x": {0: "n"}}, others=others)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (lambda: nn.Conv1d(4, 3, 3), (2, 4, 9)),
        (lambda: nn.Conv3d(2, 3, 2, padding=1), (1, 2, 4, 3, 5)),
        (lambda: nn.ConvTranspose1d(4, 3, 3, stride=2), (2, 4, 5)),
        (lambda: nn.AvgPool1d(2), (2, 4, 6)),
        (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
        (lambda: nn.Conv2d(4, 3, 3), (4, 6, 6)),
    ],
)
def test_other_numbers_of_dimensions(layer, shape):
    agrees(nn.Sequential(layer()), lucid.randn(*shape))


def test_circular_padding_needs_opset_19():
    check(lambda x: F.pad(x, (1, 2), mode="circular"), lucid.randn(2, 3, 4), opset_version=19)


def test_embedding_takes_integers():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10, 4)

        def forward(self, x):
            return self.embedding(x).mean(1), F.one_hot(x, 10)

    agrees(
        Words(),
        lucid.tensor([[1, 2, 3]]),
        dynamic_axes={"x": [0, 1]},
        others=[(lucid.tensor([[9, 0], [4, 4]]),)],
    )


def test_writing_in_place_is_followed():
    def function(x):
        y = x * 2
        y.add_(1).relu_()
        y += x
        y.mul_(x > 0)
        return y.zero_() + x if x.shape[0] == 100 else y

    check(function, lucid.randn(2, 3))


def test_a_detached_tensor_is_the_same_tensor():
    check(lambda x: (x * 2).detach() + (x + 1).data, lucid.randn(2, 3))


def test_channels_last_changes_nothing():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    model.to(memory_format=lucid.channels_last)
    x = lucid.randn(2, 3, 6, 6).contiguous(memory_format=lucid.channels_last)
    agrees(model, x, others=[(x.contiguous(),)])


def test_a_parametrized_weight_is_computed():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    agrees(nn.Sequential(layer), lucid.randn(2, 4))


def test_pixels_as_integers():
    check(lambda x: x.float() / 255, lucid.randint(0, 256, (2, 3)).to(lucid.uint8))


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_floating_point_types(kind):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to(getattr(lucid, kind))
    agrees(model, lucid.randn(3, 4).to(getattr(lucid, kind)))


def test_attention_masks():
    mask = lucid.tensor([[True, False, True], [False, False, False], [True, True, True]])
    attend = F.scaled_dot_product_attention
    for extra in ({"attn_mask": mask}, {"attn_mask": lucid.randn(3, 3)}, {"is_causal": True}):
        check(lambda x, extra=extra: attend(x, x, x * 2, **extra), lucid.randn(2, 3, 4))


def test_inputs_and_outputs_have_names():
    class Two(nn.Module):
        def forward(self, image, scale, shift=None):
            return {"sum": image * scale + shift, "pair": (scale, image)}

    from tests.onnx.running import exported, session

    content = exported(
        Two(),
        lucid.ones(2, 3),
        lucid.ones(3),
        kwargs={"shift": lucid.ones(1)},
        input_names=["a", "b", "c"],
        output_names=["s", "p", "q"],
        dynamic_axes={"a": {0: "rows"}, "s": {0: "lines"}},
    )
    running = session(content)
    assert [(i.name, i.shape) for i in running.get_inputs()] == [
        ("a", ["rows", 3]),
        ("b", [3]),
        ("c", [1]),
    ]
    assert [(o.name, o.shape) for o in running.get_outputs()] == [
        ("s", ["lines", 3]),
        ("p", [3]),
        ("q", ["rows", 3]),
    ]
