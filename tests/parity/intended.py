"""Where lucid differs from PyTorch on purpose, and why. The table shows these reasons."""

from __future__ import annotations

_WIDER = "PyTorch has no code for this dtype; lucid computes it"
_BOOL = "bools count as 0 and 1 beside numbers; PyTorch refuses to subtract them"
_PROMOTES = "dtypes promote; PyTorch refuses, or its gradient does"
_FAILS = "PyTorch fails here, by an assertion or in its gradient"
_MIXED = "where memory orders disagree the result is in C order; PyTorch takes the first one's"
_ORDER = "the order in memory of the copy is another one"
_LAPACK = "matrices are in C order; LAPACK's, and so PyTorch's, are in Fortran order"
_KINK = "a NaN has a NaN gradient; PyTorch's comparisons take it for one side of the kink"
_CLAMP = "clamp passes a NaN on, and its gradient with it"
_UNDEFINED = "of infinities, or of fewer elements than the correction, it is not defined"
_OPEN = "which of several equal elements, or of several NaNs, is chosen is left open"
_COUNT = "the number of elements is no function to differentiate: no gradient instead of zeros"
_NOTHING = (
    "what is computed from no elements, or written to none, has no gradient; PyTorch's is empty"
)
_SIXTH = "PyTorch's 1/6 has float32's digits only"
_ONCE = "rows of nearly equal numbers: the gradient is rounded once, PyTorch rounds in between"

# (name, label, difference, reason); patterns as in file names.
VALUES: list[tuple[str, str, str, str]] = [
    # lucid takes more.
    ("*", "*", "torch refuses (NotImplementedError: *not implemented for*", _WIDER),
    ("*", "*", "torch refuses (*does not support bool input*", _WIDER),
    ("nn.functional.*", "*", "torch refuses (RuntimeError: Bool*", _WIDER),
    ("*relu*", "*", "torch refuses (RuntimeError: Boolean inputs not supported*", _WIDER),
    ("*hardtanh", "*uint8*", "torch refuses (*cannot do hardtanh on an unsigned*", _WIDER),
    ("*one_hot", "*int32*", "torch refuses *", _WIDER),
    ("*norm", "*int64*", "torch refuses *", _WIDER),
    ("*", "*bool*", "torch refuses (RuntimeError: Subtraction*", _BOOL),
    ("*sub*", "*True", "torch refuses (RuntimeError: Subtraction*", _BOOL),
    ("*", "*float64*", "torch refuses (*Found dtype Double but expected Float*", _PROMOTES),
    ("nn.PReLU", "*float64*", "torch refuses *", _PROMOTES),
    ("Tensor.__setitem__", "* int64 *", "torch refuses *", "what is assigned is cast"),
    ("Tensor.__setitem__", "*uint8*", "torch refuses *", "uint8 masks work everywhere"),
    ("*__rpow__", "*True", "torch refuses (RuntimeError: false INTERNAL ASSERT*", _FAILS),
    ("*pixel_shuffle", "(0, *", "torch refuses *returned an invalid gradient*", _FAILS),
    ("Tensor.scatter*", "*", "torch refuses *returned an invalid gradient*", _FAILS),
    ("*instance_norm", "(0, *", "torch refuses *", _FAILS),
    (
        "*_with_logits",
        "*pos_weight*",
        "torch refuses *not differentiable*",
        "weights have gradients",
    ),
    ("*floordiv__", "*", "torch refuses (*derivative for*", "its gradient is 0 almost everywhere"),
    ("rand*", "#3", "torch refuses *", "no sizes are the sizes of a number"),
    ("cuda.device", "of None", "torch refuses *", "None means no change"),
    # lucid takes less.
    (
        "linalg.*",
        "(0, 3, 3) *",
        "lucid refuses: DTypeError*",
        "a dtype is refused of no elements, too",
    ),
    ("roll", "(0,) *", "lucid refuses: Dimension*", "a dim is refused of no elements, too"),
    # NaN, infinity and rounding.
    *[
        (f"nn.functional.{name}", "*special*", "gradient *", _KINK)
        for name in ("elu", "celu", "selu", "hardswish", "hardshrink", "softshrink", "hardtanh")
    ],
    ("nn.functional.relu6", "*special*", "gradient *", _KINK),
    ("clamp", "*special*", "gradient *", _CLAMP),
    ("Tensor.clamp", "*special*", "gradient *", _CLAMP),
    ("clamp", "*uint8*{'min': -1*", "values *", "-1 is below every uint8; PyTorch makes it 255"),
    ("*softsign", "*special*", "gradient *", "it is 0 at infinity; PyTorch answers NaN"),
    (
        "*gelu",
        "*special*",
        "values *",
        "it is infinity at infinity; PyTorch answers NaN on some paths",
    ),
    ("*interpolate", "*special*", "values *", "no 0 * inf: neighbours of weight 0 are left out"),
    ("m*imum", "*special*", "gradient *", "a NaN that was not chosen gets no gradient"),
    *[(f"*{name}", "*special*", "gradient *", _UNDEFINED) for name in ("var", "prod", "norm")],
    ("*var", "*correction': 2*", "gradient *", _UNDEFINED),
    ("*topk", "*special*", "gradient *", _OPEN),
    ("*max_pool*", "*special*", "gradient *", _OPEN),
    ("nn.*ardsigmoid", "*float64*", "gradient *", _SIXTH),
    ("nn.functional.group_norm", "(4, 6) float32, 6", "gradient *", _ONCE),
    ("nn.functional.layer_norm", "*float16*", "gradient *", _ONCE),
    # No gradient instead of zeros.
    ("*norm", "*'p': 0*", "requires_grad *", _COUNT),
    ("*norm", "*'p': 0*", "gradient *", _COUNT),
    ("linalg.*norm", "*'ord': 0*", "requires_grad *", _COUNT),
    ("linalg.*norm", "*'ord': 0*", "gradient *", _COUNT),
    ("linalg.*norm", "(0, 3) *", "requires_grad *", _NOTHING),
    ("linalg.*norm", "(0, 3) *", "gradient *", _NOTHING),
    ("cat", "(0,) *", "*grad*", _NOTHING),
    ("diag", "(0,) *", "*grad*", _NOTHING),
    ("Tensor.__setitem__", "*2:1*", "gradient *", _NOTHING),
    # Order in memory.
    ("*", "*transposed, * float32", "*strides *", _MIXED),
    ("*", "*channels_last, * float32", "*strides *", _MIXED),
    ("nn.functional.*loss", "*transposed, *reduction=none*", "strides *", _MIXED),
    ("nn.functional.binary*", "*transposed, *reduction=none", "strides *", _MIXED),
    ("nn.functional.logsigmoid", "*", "strides *", _ORDER),
    ("Tensor.__getitem__", "*transposed *", "strides *", _ORDER),
    *[
        (f"*{name}", "*", "*strides *", _ORDER)
        for name in ("softmax", "softmin", "cumsum", "sort", "flip", "roll", "triu", "tril", "cat")
    ],
    *[
        (f"nn.functional.{name}", "*transposed*", "strides *", _ORDER)
        for name in ("pad", "group_norm", "layer_norm", "batch_norm")
    ],
    ("nn.functional.layer_norm", "*channels_last*", "strides *", _ORDER),
    *[
        (f"linalg.{name}", "*", "*strides *", _LAPACK)
        for name in ("inv", "cholesky", "eigh", "solve", "svd", "qr")
    ],
]

# name: reason. The arguments are not PyTorch's, or its documentation does not say what they are.
_ONE_FORM = "one function for PyTorch's overloads: other= is keyword-only, dim may be a tensor"
_NAMES = "PyTorch's documentation calls it otherwise than its parser"
_STAR = "keyword-only in PyTorch, too; its documentation leaves the star out"
_LAST = "the default has the same meaning"
_PICKLE = "nothing is pickled: pickle_module and pickle_protocol have no meaning"
_OLD = "deprecated by PyTorch"
_INNER = "an inner name; scripts use it to ask isinstance only"
SIGNATURES: dict[str, str] = {
    **dict.fromkeys(["max", "min"], _ONE_FORM),
    **dict.fromkeys(
        ["std", "var", "Tensor.std", "Tensor.var", "topk", "Tensor.topk", "meshgrid"], _LAST
    ),
    **dict.fromkeys(["utils.data.random_split", "utils.data.dataset.random_split"], _LAST),
    **dict.fromkeys(
        ["utils.checkpoint.checkpoint", "utils.checkpoint.checkpoint_sequential"],
        "there is one implementation; use_reentrant chooses nothing",
    ),
    **dict.fromkeys(["mm", "bmm"], "out_dtype is for quantized products on CUDA"),
    **dict.fromkeys(["save", "load"], _PICKLE),
    **dict.fromkeys(["Tensor.sum", "Tensor.prod", "Tensor.cumsum", "Tensor.round"], _STAR),
    **dict.fromkeys(
        [
            "Tensor.mul",
            "Tensor.mul_",
            "Tensor.div",
            "Tensor.div_",
            "Tensor.scatter_",
            "Tensor.type_as",
            "Tensor.where",
            "Tensor.matmul",
            "Tensor.bmm",
            "Tensor.dot",
            "Tensor.index_copy_",
            "Tensor.__getitem__",
            "Tensor.__setitem__",
            "Tensor.__contains__",
            "linalg.norm",
        ],
        _NAMES,
    ),
    **dict.fromkeys(
        ["enable_grad", "autograd.function.once_differentiable"],
        "the function that is decorated; given by place",
    ),
    **dict.fromkeys(["nn.Hardtanh", "nn.Module.state_dict", "autograd.backward"], _OLD),
    **dict.fromkeys(
        ["autograd.gradcheck", "autograd.gradgradcheck"],
        "what is checked always, or belongs to forward mode and batched gradients",
    ),
    **dict.fromkeys(
        ["autograd.functional.jacobian", "autograd.functional.hessian"],
        "there is one strategy: row by row, in reverse",
    ),
    "Tensor.__dlpack__": "None is the protocol's word for PyTorch's -1: the current stream",
    "cuda.Event": "events of other libraries are not taken",
    "nn.modules.conv._ConvNd": _INNER,
    "random.fork_rng": "one generator serves all devices",
    "cuda.CUDAGraph": "a graph can always be looked at",
    "cuda.graph": "captures as CuPy does",
}
