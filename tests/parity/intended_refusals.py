"""Where lucid answers wrong calls otherwise than PyTorch on purpose, and why."""

from __future__ import annotations

from tests.parity.intended import _BOOL, _COUNT, _NOTHING, _PROMOTES, _WIDER

# (name, call, difference, reason): of wrong calls; patterns as in file names.
_SETTING = (
    "a setting out of its range is a ValueError everywhere; PyTorch's is often a RuntimeError"
)
_TYPE = (
    "an argument of the wrong type is a TypeError everywhere; PyTorch's is sometimes a ValueError"
)
_ACCIDENT = "PyTorch fails here by accident; lucid has an answer"
_NOT_FOR_WEIGHT = "weights have gradients, too"
_ONE_FORM_CALL = "one function for PyTorch's overloads: None is the default that it stands for"
_NUMBERS_TOO = "numbers are taken wherever a tensor that broadcasts is"
_EARLIER = "what can't be right for any input is refused when the layer is made"
_NO_DEVICE = "a device may be named before it is there; it is asked for when something is put there"
_NON_SCALAR = "a non-scalar y.backward() starts from ones"
_WHOLE = "an int and a float of the same value are the same setting"
_NO_PART = "nothing can be the largest of no parts"
_TUPLE = "a tuple of dims is taken where an int is, and looked at"
_NDIM = "a wrong number of dimensions is a ShapeError; PyTorch stumbles over the one it asks for"
_EMPTY_TOO = "a shape that does not fit is refused of no elements, too"
_ONE_FOR_ALL = "one number in a tuple stands for all dimensions"
_ORDER_OF_CHECKS = "several things are wrong; lucid names another one first"
_EMPTY_SIZES = "no sizes are the sizes of a number"
REFUSALS: list[tuple[str, str, str, str]] = [
    ("*", "*", "torch refuses (NotImplementedError: *not implemented for*", _WIDER),
    ("*", "*", "torch refuses (*does not support bool *", _WIDER),
    ("*", "*", "torch refuses (RuntimeError: Bool*", _WIDER),
    ("*norm", "*", "torch refuses (*Expected a floating point or complex tensor*", _WIDER),
    ("*", "*", "torch refuses (RuntimeError: Subtraction*", _BOOL),
    ("*", "*", "torch refuses (*must have the same dtype*", _PROMOTES),
    ("*", "*", "torch raises RuntimeError: *; lucid ValueError: *", _SETTING),
    ("*", "*", "torch refuses (RuntimeError: *not differentiable*", _NOT_FOR_WEIGHT),
    ("*", "*", "torch refuses (*did not match*", _PROMOTES),
    ("*", "*", "torch refuses (*dtype*", _PROMOTES),
    ("*", "*", "torch refuses (*scalar type*", _PROMOTES),
    ("*", "*", "torch refuses (*datatype*", _PROMOTES),
    ("*", "*", "torch refuses (RuntimeError: Found dtype*", _PROMOTES),
    ("*", "*", "torch refuses (*can't be cast to the desired output type*", _PROMOTES),
    ("*", "*", "torch refuses (ZeroDivisionError*", _ACCIDENT),
    ("*", "*", "torch refuses (*INTERNAL ASSERT*", _ACCIDENT),
    ("*imum", "*", "torch refuses (TypeError: *must be Tensor, not float*", _NUMBERS_TOO),
    *[
        (n, "0: 1.5", "torch refuses (TypeError*", _NUMBERS_TOO)
        for n in ("eq", "ne", "gt", "ge", "lt", "le", "add", "sub", "mul", "div")
    ],
    ("*", "*: None", "torch refuses (TypeError: *invalid combination*", _ONE_FORM_CALL),
    ("*", "*: None", "torch refuses (TypeError: *must be int, not NoneType*", _ONE_FORM_CALL),
    ("*softmax", "1 arguments", "torch refuses (TypeError*", _ONE_FORM_CALL),
    ("device", "0: 7", "torch refuses *", _NO_DEVICE),
    ("Tensor.backward", "*", "torch refuses *", _NON_SCALAR),
    ("*", "* arguments", "torch raises TypeError: *; lucid *", _ORDER_OF_CHECKS),
    ("*norm", "*: 0", "requires_grad *", _COUNT),
    ("*diag", "*", "*grad*", _NOTHING),
    ("*clamp", "*bool", "dtype *", "a Python number is a float32 beside bools"),
    ("Tensor.__floordiv__", "*", "requires_grad *", _COUNT),
    (
        "*",
        "*(1, 1, 1, 1, 1, 1)",
        "torch raises TypeError*; lucid ShapeError*a dim stands twice*",
        _TUPLE,
    ),
    ("*", "*", "torch raises IndexError: Dim*; lucid ShapeError*", _NDIM),
    ("*", "*", "torch raises IndexError: tuple index*; lucid ShapeError*", _NDIM),
    ("*", "*: (0,) *", "lucid refuses: *", _EMPTY_TOO),
    ("*", "*, 0) *", "lucid refuses: *", _EMPTY_TOO),
    ("*", "*: (0, *", "lucid refuses: *", _EMPTY_TOO),
    ("*", "*: (*, 0)", "lucid refuses: *", _EMPTY_TOO),
    ("*", "*: ()*", "lucid refuses: *", _EMPTY_TOO),
    (
        "*",
        "*: (2, 4) float32",
        "lucid refuses: ShapeError: linear: bias*",
        "a bias is one number per output",
    ),
    ("*", "*: None", "torch raises TypeError*; lucid ValueError*", _SETTING),
    ("*", "*: [[]1.0, 2.0]", "torch raises TypeError*; lucid ShapeError*", _NUMBERS_TOO),
    ("meshgrid", "indexing*", "*", _TYPE),
    (
        "manual_seed",
        "*",
        "*",
        "a seed is a whole number: what int() would have to round is refused",
    ),
    ("device", "0: None", "*", _ONE_FORM_CALL),
    ("tensor", "*", "torch raises TypeError: not a sequence*", _TYPE),
    ("linspace", "*nan", "values *", "an end that is no number leaves no number in between"),
    ("nn.*", "*nan", "values *", "a setting that is no number gives no numbers"),
    ("*binary_cross_entropy*", "*: 1.5", "torch refuses *", _NUMBERS_TOO),
    ("*", "*float64", "dtype float32 in torch, float64", _PROMOTES),
    ("nn.*", "*float64", "[[]1] 'float32' in torch, 'float64'", _PROMOTES),
    ("*kl_div", "*", "torch refuses *Integral inputs*", _WIDER),
    ("nn.KLDivLoss", "*", "torch refuses *Integral inputs*", _WIDER),
    ("*", "*", "torch refuses *Type promoting not supported*", _PROMOTES),
    ("*pool*", "*: None", "torch refuses (TypeError*", "None keeps a size, also alone"),
    ("nn.*Pool*", "*: None", "torch refuses (TypeError*", "None keeps a size, also alone"),
    ("*", "*: (2,)", "torch refuses (RuntimeError*", _ONE_FOR_ALL),
    ("nn.Conv*", "*: (?,)", "* in torch, *", "a layer shows one number for each dimension"),
    ("*", "*label_smoothing*", "lucid refuses: *", _SETTING),
    ("nn.Hardtanh", "*nan", "lucid refuses: *", _SETTING),
    (
        "*Pool*",
        "*int64",
        "lucid refuses: DTypeError*",
        "integers are not averaged, nor compared on CUDA",
    ),
    (
        "*pool*",
        "*int64",
        "lucid refuses: DTypeError*",
        "integers are not averaged, nor compared on CUDA",
    ),
    (
        "*",
        "*",
        "torch refuses (NotImplementedError: Padding size*",
        "any of the last dimensions can be padded",
    ),
    (
        "*",
        "*",
        "torch refuses (NotImplementedError: *Padding size*",
        "any of the last dimensions can be padded",
    ),
    (
        "*batch_norm",
        "*",
        "torch refuses (ValueError: batch_norm eps*",
        "any eps is taken that leaves a root to take",
    ),
    (
        "nn.BatchNorm*",
        "*",
        "torch refuses (ValueError: batch_norm eps*",
        "any eps is taken that leaves a root to take",
    ),
    ("Generator", "*", "torch refuses *", "one generator serves all devices; the device is a note"),
    (
        "nn.InstanceNorm2d",
        "2: x",
        "torch refuses *",
        "without running statistics momentum is not read",
    ),
    ("*", "*", "torch refuses (IndexError: select()*", _ACCIDENT),
    ("*", "*", "torch refuses (RuntimeError: could not create a primitive*", _ACCIDENT),
    ("nn.Embedding", "*: 1.5", "torch raises IndexError*", _TYPE),
    ("nn.init.*", "*", "lucid refuses: *", _SETTING),
    ("*", "*", "torch raises TypeError*; lucid ValueError: *", _SETTING),
    ("*", "* (*1.5*)", "torch raises TypeError*; lucid ShapeError: *", _ORDER_OF_CHECKS),
    ("reshape", "*1.5*", "torch raises TypeError*; lucid ShapeError: *", _ORDER_OF_CHECKS),
    ("*_norm", "*", "torch raises TypeError*; lucid ShapeError: *", _ORDER_OF_CHECKS),
    ("normal", "*: None", "torch raises TypeError*; lucid ShapeError: *", _ORDER_OF_CHECKS),
    ("einsum", "0 arguments", "*", _ORDER_OF_CHECKS),
    ("Tensor.index_fill_", "*", "torch raises IndexError*", _TYPE),
    (
        "*batch_norm",
        "*: None",
        "torch refuses (ValueError: running*",
        "either statistic may be kept alone",
    ),
    ("*conv_transpose2d", "*", "torch refuses (RuntimeError: Only zero batch*", _ACCIDENT),
    (
        "*local_response_norm",
        "*int64",
        "values *",
        "integers are normalized as numbers, not rounded on the way",
    ),
    ("*normalize", "*", "torch refuses (*floating point or complex*", _WIDER),
    ("*adaptive_max_pool2d", "1: *0*", "*", _NO_PART),
    ("nn.AdaptiveMaxPool2d", "0: 0", "*", _NO_PART),
    ("nn.*Pad2d", "*(1, 1, 1, 1, 1, 1)", "lucid refuses: *", "a 2d layer pads two dimensions"),
    ("*", "*", "torch raises ValueError: *; lucid DTypeError: *", _TYPE),
    ("*", "0 arguments", "torch refuses (TypeError*", _EMPTY_SIZES),
    ("Tensor.new_*", "1 arguments", "torch refuses (TypeError*", _EMPTY_SIZES),
    # Optimizers, schedules, data.
    ("optim.*", "*: nan", "lucid refuses: ValueError*", _SETTING),
    ("amp.GradScaler", "*: nan", "lucid refuses: ValueError*", _SETTING),
    ("optim.*", "*", "torch raises IndexError: tuple*; lucid ValueError*", _SETTING),
    ("optim.*", "*", "torch raises ValueError*; lucid TypeError*", _TYPE),
    ("optim.Adam*", "betas: (0.9, 0)", "torch refuses (*betas must be either*", _NUMBERS_TOO),
    ("optim.Rprop", "step_sizes*None)", "lucid refuses: TypeError*", _TYPE),
    ("optim.lr_scheduler.StepLR", "0: -*", "lucid refuses: ValueError*", _SETTING),
    ("amp.GradScaler", "*", "lucid refuses: TypeError*", _TYPE),
    ("nn.utils.clip_grad_value_", "0: *", "torch refuses (RuntimeError: Expected !*", _ACCIDENT),
]
