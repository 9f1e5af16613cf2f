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
_INFINITIES = "of two equal infinities each has half of the gradient; PyTorch's is NaN"
_SIXTH = "PyTorch's 1/6, and its 1/(n + 1), have float32's digits only"
_ONCE = "rows of nearly equal numbers: the gradient is rounded once, PyTorch rounds in between"

_BATCH_FIRST = "batch first, too, the result is in C order; PyTorch's is a transposed view"
_CONSTANT = "what depends on no input has no gradient of its own; PyTorch's is zeros"
_ON_GPUS = "integers are refused on the CPU, too, as on a GPU: a dtype has the same ops everywhere"
_INTEGERS = "integers and bools are made floats; PyTorch refuses some dtypes, and cuts others off"
_ACCIDENT = "PyTorch fails here by accident; lucid has an answer"
_SETTING = (
    "a setting without a meaning is a ValueError at once; PyTorch makes nothing, or a NaN, of it"
)

# (name, label, difference, reason); patterns as in file names.
VALUES: list[tuple[str, str, str, str]] = [
    # Functions of cases/further_functions.py.
    ("*inverse", "*", "strides *", _LAPACK),
    ("*matrix_power", "-*", "strides *", _LAPACK),
    ("linalg.cond", "*", "torch refuses *modified by an inplace*", _FAILS),
    (
        "*det",
        "(0, *float16",
        "lucid refuses*",
        "half types have no decompositions, not even of nothing",
    ),
    ("logaddexp*", "*special itself", "gradient*", _INFINITIES),
    ("*dist", "*p=0", "requires_grad*", _COUNT),
    ("*dist", "*p=0", "gradient*", _COUNT),
    ("nanmedian", "*special*", "gradient*", _OPEN),
    ("dist", "p=0", "torch refuses *", _FAILS),
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
    ("*MaxUnpool2d", "*int32*", "torch refuses (*should be type int64*", _WIDER),
    ("*max_unpool2d", "*int32*", "torch refuses (*should be type int64*", _WIDER),
    ("nn.functional.scaled_dot*", "mask of one row", "torch refuses (IndexError*", _ACCIDENT),
    ("nn.TransformerEncoder", "*'0'*", "torch refuses (IndexError*", _ACCIDENT),
    ("pixel_unshuffle", "(0, *", "torch refuses *", _FAILS),
    ("nn.PixelUnshuffle", "(0, *", "torch refuses *", _FAILS),
    ("nn.InstanceNorm?d", "(0, *", "torch refuses (IndexError*", _FAILS),
    (
        "*fractional*",
        "*{'output_ratio': 0.5}",
        "torch refuses (TypeError*no len()*",
        "numbers are taken for all dimensions, as the layer takes them",
    ),
    (
        "nn.Module.register_full_backward*",
        "without_a_tuple",
        "torch refuses *",
        _ACCIDENT,
    ),
    (
        "nn.Module.register_full_backward*",
        "in_place",
        "torch refuses *in*place*",
        _FAILS,
    ),
    (
        "Generator.?et_offset",
        "there and back",
        "torch refuses (RuntimeError: CPU Generator*",
        "PyTorch fails to count on the CPU; lucid's generator has an offset on every device",
    ),
    *[
        (f"nn.functional.{name}", f"*{dtype}*", "torch refuses (*", _INTEGERS)
        for name in ("normalize", "kl_div")
        for dtype in ("int64", "bool")
    ],
    ("nn.functional.l1_loss", "*int64*", "torch refuses (*", _INTEGERS),
    ("nn.functional.l1_loss", "*int64*", "dtype int64 in torch*", _INTEGERS),
    ("nn.functional.local_response_norm", "*int64*", "values *", _INTEGERS),
    # lucid takes less.
    (
        "nn.ConvTranspose?d",
        "(0, *output_padding=1*",
        "lucid refuses: ValueError*",
        "a shape that does not fit is refused of no elements, too",
    ),
    *[
        (f"nn.functional.{name}", "*int64*", "lucid refuses: DTypeError*", _ON_GPUS)
        for name in ("conv*", "avg_pool*", "max_pool*")
    ],
    ("nn.functional.fold", "*bool*", "lucid refuses: DTypeError*", _ON_GPUS),
    (
        "nn.utils.rnn.pack_padded_sequence",
        "too long",
        "lucid refuses: ValueError*",
        _SETTING,
    ),
    (
        "*fractional*",
        "*(2, 0)*",
        "lucid refuses: ValueError*",
        _SETTING,
    ),
    (
        "nn.functional.lp_pool2d",
        "*int64*",
        "lucid refuses: DTypeError*",
        _ON_GPUS,
    ),
    (
        "*[cC][tT][cC]*",
        "floats*",
        "lucid refuses: DTypeError*",
        "labels have an integer dtype; PyTorch cuts numbers off",
    ),
    (
        "nn.functional.gumbel_softmax",
        "{'tau': *",
        "lucid refuses: ValueError*",
        _SETTING,
    ),
    (
        "nn.RNNBase",
        "('GRU'*proj_size*",
        "lucid refuses: ValueError*",
        _SETTING,
    ),
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
    ("Tensor.clamp*", "*special*", "gradient *", _CLAMP),
    ("nn.functional.kl_div", "*special*", "gradient *", _UNDEFINED),
    ("nn.functional.*_with_logits", "*special*", "values *", _UNDEFINED),
    ("nn.functional.margin_ranking_loss", "*special*", "gradient *", _UNDEFINED),
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
    (
        "*[cC][tT][cC]*",
        "too short*",
        "gradient *",
        "no path, no gradient: it is infinite, or not defined",
    ),
    ("nn.functional.rrelu", "*special*", "gradient *", "a NaN takes a slope, in training, too"),
    (
        "*ractional*",
        "*bfloat16*",
        "*values *",
        "the regions' places have a bfloat16's digits in PyTorch",
    ),
    (
        "nn.functional.embedding_bag",
        "scaled by frequency",
        "gradient *",
        "PyTorch fails to take each index's own frequency; its embedding does",
    ),
    (
        "*weight_norm",
        "second gradients",
        "[[]3[]] values *",
        "PyTorch fails: the second gradient of its fused weight norm is not the first one's",
    ),
    (
        "nn.Module.register_full_backward*",
        "several",
        "*torch answers a tensor; lucid None",
        "an argument that needs none has no gradient; PyTorch shows a hook zeros",
    ),
    (
        "optim.LBFGS",
        "*{*",
        "*torch answers ['H_diag', 'al', *",
        "a list that PyTorch fails to keep out of the state: al is scratch paper of one step",
    ),
    (
        "optim.swa_utils.AveragedModel",
        "swa {'use_buffers'*",
        "torch refuses *addcdiv*",
        _FAILS,
    ),
    (
        "optim.swa_utils.AveragedModel",
        "swa {}",
        "*values *",
        _SIXTH,
    ),
    (
        "optim.*A*",
        "loaded",
        "[[]2[]]*dtype float64 in torch, float32",
        "counts are written with a float32's digits; PyTorch's loading widens them",
    ),
    # No gradient instead of zeros.
    *[
        (f"autograd.functional.{name}", "*unused*create_graph*", message, _CONSTANT)
        for name, message in (
            ("hessian", "*requires_grad True in torch"),
            ("hessian", "gradient *"),
            ("hvp", "*requires_grad True in torch"),
            ("vhp", "*requires_grad True in torch"),
        )
    ],
    ("*pairwise_distance", "*, 0.0", "requires_grad *", _COUNT),
    ("*pairwise_distance", "*, 0.0", "gradient *", _COUNT),
    ("*max_unpool2d", "(0, *", "*grad*", _NOTHING),
    ("*MaxUnpool2d", "(0, *", "*grad*", _NOTHING),
    ("*norm", "*'p': 0*", "requires_grad *", _COUNT),
    ("*norm", "*'p': 0*", "gradient *", _COUNT),
    ("linalg.*norm", "*'ord': 0*", "requires_grad *", _COUNT),
    ("linalg.*norm", "*'ord': 0*", "gradient *", _COUNT),
    ("linalg.*norm", "(0, 3) *", "requires_grad *", _NOTHING),
    ("linalg.*norm", "(0, 3) *", "gradient *", _NOTHING),
    ("cat", "(0,) *", "*grad*", _NOTHING),
    ("Tensor.*_add_", "kinds (0, *", "gradient *", _NOTHING),
    ("Tensor.scatter*", "kinds (0, *", "gradient *", _NOTHING),
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
    ("nn.functional.r*", "*transposed*", "strides *", _ORDER),
    ("nn.functional.instance_norm", "*transposed*", "strides *", _ORDER),
    ("Tensor.masked_fill", "*transposed*", "strides *", _ORDER),
    ("Tensor.__rpow__", "*transposed*", "strides *", _ORDER),
    ("Tensor.gather", "*transposed*", "strides *", _ORDER),
    ("nn.functional.rrelu", "*channels_last*", "strides *", _ORDER),
    ("nn.LogSigmoid", "*transposed*", "*strides *", _ORDER),
    ("nn.Softmin", "*transposed*", "*strides *", _ORDER),
    ("*MaxUnpool2d", "*channels_last*", "*strides *", _ORDER),
    ("*max_unpool2d", "*channels_last*", "*strides *", _ORDER),
    ("nn.MultiheadAttention", "*batch_first=True*", "*strides *", _BATCH_FIRST),
    *[
        (f"linalg.{name}", "*", "*strides *", _LAPACK)
        for name in ("inv", "cholesky", "eigh", "solve", "svd", "qr")
    ],
]

# name: reason. The arguments are not PyTorch's, or its documentation does not say what they are.
_ONE_FORM = "one function for PyTorch's overloads: other= is keyword-only, dim may be a tensor"
_EITHER = "indices or sections, in one parameter"
_NAMES = "PyTorch's documentation calls it otherwise than its parser"
_STAR = "keyword-only in PyTorch, too; its documentation leaves the star out"
_LAST = "the default has the same meaning"
_PICKLE = "nothing is pickled: pickle_module and pickle_protocol have no meaning"
_OLD = "deprecated by PyTorch"
_INNER = "an inner name; scripts use it to ask isinstance only"
SIGNATURES: dict[str, str] = {
    **dict.fromkeys(["max", "min"], _ONE_FORM),
    "searchsorted": _NAMES,
    **dict.fromkeys(
        ["Tensor.resize_as_", "Tensor.masked_scatter", "Tensor.atanh_", "Tensor.arctanh_"]
        + ["Tensor.fmod_", "Tensor.divide_", "Tensor.multiply_", "Tensor.true_divide_"],
        _NAMES,
    ),
    "Tensor.cumsum_": _STAR,
    "Tensor.set_": "there are no storages: it takes a tensor, or nothing",
    **dict.fromkeys(["kthvalue", "nanmedian", "trapezoid"], _LAST),
    **dict.fromkeys(["tensor_split"], _EITHER),
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
    **dict.fromkeys(["nn.Module.state_dict", "autograd.backward"], _OLD),
    **dict.fromkeys(
        ["autograd.gradcheck", "autograd.gradgradcheck"],
        "what is checked always, or belongs to forward mode and batched gradients",
    ),
    "Tensor.__dlpack__": "None is the protocol's word for PyTorch's -1: the current stream",
    "cuda.Event": "events of other libraries are not taken",
    "nn.modules.conv._ConvNd": _INNER,
    "nn.utils.rnn.PackedSequence": "batch_sizes is needed; PyTorch's None is for an older form",
    "random.fork_rng": "one generator serves all devices",
    "cuda.CUDAGraph": "a graph can always be looked at",
    "cuda.graph": "captures as CuPy does",
}
