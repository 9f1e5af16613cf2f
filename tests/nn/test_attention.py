"""MultiheadAttention and the transformers: PyTorch's names, options, numbers and gradients."""

import warnings

import numpy
import pytest

import lucid
from lucid import nn
from tests.amp import peer
from tests.layer_parity import (
    compare,
    flat,
    numbers,
    same_names_and_shapes,
    with_the_same_weights,
)

torch = pytest.importorskip("torch")

E, HEADS, B, L, S = 4, 2, 3, 5, 6  # features, heads, batch, queries, keys


def pair(name, *args, training=False, **kwargs):
    """Both layers without dropout, or in evaluation; biases that are not 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of nested tensors
        ours, theirs = (getattr(m, name)(*args, **kwargs) for m in (nn, torch.nn))
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    with_the_same_weights(ours, theirs)
    return ours.train(training), theirs.train(training)


def shaped(form, batch_first, length, features):
    """The shape of an input, batched or not."""
    if form == "unbatched":
        return length, features
    return (B, length, features) if batch_first else (length, B, features)


FORMS = [("batched", False), ("batched", True), ("unbatched", False)]


@pytest.mark.parametrize("form, batch_first", FORMS)
@pytest.mark.parametrize("sizes", [{}, {"kdim": 3, "vdim": 2}], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"add_bias_kv": True, "add_zero_attn": True}], ids=str
)
@pytest.mark.parametrize("weights", [(True, True), (True, False), (False, True)], ids=str)
def test_gives_what_pytorch_gives(form, batch_first, sizes, options, weights, device):
    ours, theirs = pair(
        "MultiheadAttention", E, HEADS, batch_first=batch_first, **sizes, **options, training=True
    )
    need, average = weights

    def run(library, layer, leaf):
        q = leaf(numbers(*shaped(form, batch_first, L, E)))
        k = leaf(numbers(*shaped(form, batch_first, S, sizes.get("kdim", E)), seed=1))
        v = leaf(numbers(*shaped(form, batch_first, S, sizes.get("vdim", E)), seed=2))
        return layer(q, k, v, need_weights=need, average_attn_weights=average)

    compare(ours, theirs, run)


@pytest.mark.parametrize("same", ["all", "key and value", "query and key"])
def test_tensors_may_be_given_twice(same, device):
    ours, theirs = pair("MultiheadAttention", E, HEADS, training=True)

    def run(library, layer, leaf):
        x, y = leaf(numbers(L, B, E)), leaf(numbers(L, B, E, seed=1))
        given = {"all": (x, x, x), "key and value": (y, x, x), "query and key": (x, x, y)}
        return layer(*given[same])[0] + y.sum()

    compare(ours, theirs, run)


def masks(form, kinds):
    """(attn_mask, key_padding_mask) as arrays, every query left some key."""
    rng = numpy.random.default_rng(1)
    attn_shape = (B * HEADS, L, S) if "heads" in kinds else (L, S)
    padding_shape = (B, S) if form == "batched" else (S,)
    if form == "unbatched" and "heads" in kinds:
        attn_shape = (HEADS, L, S)
    answer = []
    for what, shape in (("attn", attn_shape), ("padding", padding_shape)):
        mask = rng.uniform(size=shape) < 0.4
        mask[..., :2] = False
        if f"float {what}" in kinds:
            mask = numpy.where(mask, -numpy.inf, rng.uniform(-1, 1, shape))
        answer.append(mask if what in kinds or f"float {what}" in kinds else None)
    return answer


@pytest.mark.parametrize("form, batch_first", FORMS)
@pytest.mark.parametrize(
    "kinds",
    [("attn",), ("attn", "heads"), ("padding",), ("attn", "padding"), ("float attn", "heads"),
     ("float attn", "float padding")],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("need", [True, False])
@pytest.mark.parametrize("appended", [False, True])
def test_takes_pytorchs_masks(form, batch_first, kinds, need, appended, device):
    ours, theirs = pair(
        "MultiheadAttention", E, HEADS, batch_first=batch_first, training=True,
        add_bias_kv=appended, add_zero_attn=appended,
    )  # fmt: skip
    attn, padding = masks(form, kinds)

    def run(library, layer, leaf):
        q = leaf(numbers(*shaped(form, batch_first, L, E)))
        k = leaf(numbers(*shaped(form, batch_first, S, E), seed=1))
        a, p = (None if m is None else library.tensor(m) for m in (attn, padding))
        return layer(q, k, k, p, need, a)

    compare(ours, theirs, run)


@pytest.mark.parametrize("need", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_the_causal_mask_may_be_announced(need, padded, device):
    ours, theirs = pair("MultiheadAttention", E, HEADS, training=True)

    def run(library, layer, leaf):
        x = leaf(numbers(L, B, E))
        padding = library.tensor(numpy.arange(L) == L - 1).expand(B, L) if padded else None
        mask = library.nn.Transformer.generate_square_subsequent_mask(L).to(x.dtype)
        return layer(x, x, x, padding, need, mask, is_causal=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of masks of two kinds
        compare(ours, theirs, run)


@pytest.mark.parametrize("need", [True, False])
def test_a_query_without_keys_gives_what_it_gives_in_pytorch(need, device):
    """NaN where weights are wanted; without, what out_proj makes of zeros."""
    ours, theirs = pair("MultiheadAttention", E, HEADS, training=True)
    mask = numpy.zeros((L, L), bool)
    mask[1] = True
    results = []
    for library, layer in ((lucid, ours), (torch, theirs)):
        x = library.tensor(numbers(L, B, E))
        y, _ = layer(x, x, x, need_weights=need, attn_mask=library.tensor(mask))
        results.append(y.detach().cpu().numpy())
    assert numpy.isnan(results[0][1]).all() == need
    numpy.testing.assert_allclose(*results, rtol=1e-10)


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"kdim": 3}, {"vdim": 2, "add_bias_kv": True}, {"add_bias_kv": True}],
    ids=str,
)
def test_attention_has_pytorchs_parameters_and_repr(options):
    same_names_and_shapes(*pair("MultiheadAttention", E, HEADS, **options))


def test_new_weights_are_pytorchs():
    layer = nn.MultiheadAttention(100, 4)
    bound = (6 / 400) ** 0.5  # Xavier's of (300, 100)
    w = layer.in_proj_weight.detach().abs()
    assert bound * 0.99 < w.max().item() <= bound
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()


# Dropout of the weights.


def attention_with_dropout(p):
    return nn.MultiheadAttention(8, 2, dropout=p)


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_weights_are_dropped_alike_whether_they_are_asked_for_or_not(p, device):
    layer, x = attention_with_dropout(p), lucid.randn(10, 3, 8)
    answers = []
    for need in (True, False):
        lucid.manual_seed(1)
        answers.append(layer(x, x, x, need_weights=need)[0])
    assert lucid.allclose(*answers, atol=1e-6)


def test_the_mask_of_a_seed_is_the_same_on_every_device(device):
    layer = attention_with_dropout(0.5).cpu()
    x = lucid.randn(10, 3, 8, device="cpu")
    weights = []
    for where in ("cpu", device):
        layer.to(where)
        lucid.manual_seed(1)
        given = x.to(where)
        weights.append(layer(given, given, given)[1].cpu())
    assert lucid.equal(weights[0] == 0, weights[1] == 0)


def test_a_fraction_p_of_the_weights_is_dropped_and_none_in_evaluation(device):
    p = 0.3
    layer, x = attention_with_dropout(p), lucid.randn(100, 2, 8)
    w = layer(x, x, x, average_attn_weights=False)[1]
    five_sigma = 5 * (p * (1 - p) / w.numel()) ** 0.5
    assert abs((w == 0).float().mean().item() - p) < five_sigma
    assert (layer.eval()(x, x, x)[1] != 0).all()


# Transformers.

LAYERS = {"TransformerEncoderLayer": 1, "TransformerDecoderLayer": 2}


def call(name, layer, leaf, batch_first, form="batched", **masks):
    inputs = [leaf(numbers(*shaped(form, batch_first, L, E)))]
    if LAYERS[name] == 2:
        inputs.append(leaf(numbers(*shaped(form, batch_first, S, E), seed=1)))
    return layer(*inputs, **masks)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_give_what_pytorchs_give(name, norm_first, batch_first, activation, bias, device):
    settings = {"norm_first": norm_first, "batch_first": batch_first, "activation": activation}
    ours, theirs = pair(
        name, E, HEADS, 7, 0.0, bias=bias, layer_norm_eps=1e-3, **settings, training=True
    )
    for form in ("batched", "unbatched"):
        compare(ours, theirs, lambda _, m, leaf, f=form: call(name, m, leaf, batch_first, f))
    same_names_and_shapes(ours, theirs)


def test_an_activation_may_be_a_function(device):
    ours = nn.TransformerEncoderLayer(E, HEADS, 7, 0.0, nn.functional.silu)
    theirs = torch.nn.TransformerEncoderLayer(E, HEADS, 7, 0.0, torch.nn.functional.silu)
    with_the_same_weights(ours, theirs)
    compare(ours, theirs, lambda _, m, leaf: call("TransformerEncoderLayer", m, leaf, False))


@pytest.mark.parametrize("announced", [False, True])
def test_a_transformer_gives_what_pytorchs_gives(announced, device):
    ours, theirs = pair("Transformer", E, HEADS, 2, 2, 7, 0.0, batch_first=True, training=True)
    same_names_and_shapes(ours, theirs)
    padding = numpy.arange(S) >= numpy.array([[6], [4], [5]])

    def run(library, model, leaf):
        src = leaf(numbers(B, S, E))
        tgt = leaf(numbers(B, L, E, seed=1))
        causal = library.nn.Transformer.generate_square_subsequent_mask(L).to(src.dtype)
        pads = library.tensor(padding)
        return model(
            src, tgt, tgt_mask=causal, src_key_padding_mask=pads,
            memory_key_padding_mask=pads, tgt_is_causal=announced or None,
        )  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of masks of two kinds
        compare(ours, theirs, run)


def test_an_encoder_without_a_norm_gives_what_pytorchs_gives(device):
    models = []
    for m in (nn, torch.nn):
        layer = m.TransformerEncoderLayer(E, HEADS, 7, 0.0)
        models.append(m.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    with_the_same_weights(*models)
    mask = numpy.triu(numpy.ones((L, L), bool), 1)
    compare(
        *models,
        lambda library, m, leaf: m(leaf(numbers(L, B, E)), library.tensor(mask)),
    )


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("norm_first", [False, True])
def test_every_part_of_a_layer_is_dropped_before_it_is_added(name, norm_first, device):
    """With p = 1 nothing is added: the input is left, or the norms of it."""
    layer = getattr(nn, name)(E, HEADS, 7, 1.0, norm_first=norm_first)
    x = y = lucid.randn(L, B, E)
    for i in range(1, LAYERS[name] + 2):
        y = y if norm_first else getattr(layer, f"norm{i}")(y)
    assert lucid.allclose(layer(*[x] * LAYERS[name]), y)


def test_copies_of_a_layer_share_nothing():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, HEADS, 7), 2)
    first, second = (dict(layer.named_parameters()) for layer in encoder.layers)
    assert all(first[k] is not second[k] for k in first)
    with lucid.no_grad():
        first["linear1.weight"].zero_()
    assert second["linear1.weight"].any()


def test_custom_parts_are_used():
    model = nn.Transformer(E, custom_encoder=nn.Identity(), custom_decoder=nn.Identity())
    assert isinstance(model.encoder, nn.Identity)
    assert list(model.parameters()) == []


def test_dropout_of_a_transformer_is_the_same_on_every_device_and_absent_in_evaluation(device):
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.3, device="cpu")
    x, y = lucid.randn(5, 2, 8, device="cpu"), lucid.randn(4, 2, 8, device="cpu")
    answers = []
    for where in ("cpu", device):
        model.to(where)
        lucid.manual_seed(1)
        answers.append(model(x.to(where), y.to(where)).cpu())
    assert lucid.allclose(*answers, atol=1e-5)
    model.eval()
    before = lucid.random.default_generator.state_tuple()
    model(x.to(device), y.to(device))
    assert lucid.random.default_generator.state_tuple() == before


def test_the_causal_mask_is_pytorchs(device):
    ours = nn.Transformer.generate_square_subsequent_mask(4)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(4)
    assert ours.tolist() == theirs.tolist()
    assert ours.device is device
    assert nn.Transformer.generate_square_subsequent_mask(2, "cpu", lucid.float64).dtype is (
        lucid.float64
    )


@pytest.mark.parametrize("name", ["MultiheadAttention", "TransformerEncoderLayer"])
@pytest.mark.parametrize("given", ["float32", "bfloat16"])
def test_answers_in_pytorchs_dtype_under_autocast_on_the_cpu(name, given):
    ours, theirs = getattr(nn, name)(E, HEADS), getattr(torch.nn, name)(E, HEADS)
    times = 3 if name == "MultiheadAttention" else 1
    with peer.region("cpu"):
        expected = flat(theirs(*[torch.ones(L, B, E, dtype=getattr(torch, given))] * times))
    with lucid.autocast("cpu"):
        x = lucid.ones(L, B, E, dtype=getattr(lucid, given), device="cpu")
        actual = flat(ours(*[x] * times))
    assert [t.dtype.name for t in actual] == [str(t.dtype).removeprefix("torch.") for t in expected]


@pytest.mark.parametrize("masked", [False, True])
def test_trains_under_autocast(masked, device):
    layer = nn.TransformerEncoderLayer(E, HEADS)
    mask = nn.Transformer.generate_square_subsequent_mask(L) if masked else None
    with lucid.autocast(device.type):
        y = layer(lucid.ones(L, B, E), mask)
    y.float().sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {lucid.float32}


# Refusals.


def attention(**kwargs):
    return nn.MultiheadAttention(E, HEADS, **kwargs)


x, short = (lambda: lucid.ones(L, B, E)), (lambda: lucid.ones(L, E))
REFUSED = [
    (lambda: nn.MultiheadAttention(5, 2), "must divide embed_dim.*embed_dim=5, num_heads=2"),
    (lambda: nn.MultiheadAttention(0, 2), "must divide embed_dim, both positive"),
    (lambda: attention(dropout=1.5), r"MultiheadAttention: p must be in \[0, 1\]; got 1.5"),
    (lambda: attention()(x(), short(), x()), "must all have 3 dimensions, or 2; got shapes"),
    (lambda: attention()(x()[..., :3], x(), x()), r"last dimensions must be \(4, 4, 4\)"),
    (lambda: attention()(x(), x(), x()[:2]), "key and value must agree in length"),
    (lambda: attention()(x(), x()[:, :2], x()[:, :2]), "all in batch size"),
    (
        lambda: attention()(x(), x(), x(), attn_mask=lucid.zeros(4, 5)),
        r"attn_mask must be \(5, 5\) or \(6, 5, 5\); got shape \(4, 5\)",
    ),
    (
        lambda: attention()(x(), x(), x(), lucid.zeros(3, 4)),
        r"key_padding_mask must be \(3, 5\).*; got shape \(3, 4\)",
    ),
    (
        lambda: attention()(x(), x(), x(), lucid.zeros(3, 5).long()),
        "key_padding_mask must be bool or floating point; got lucid.int64",
    ),
    (lambda: attention()(x(), x(), x(), is_causal=True), "is_causal .* must be given; got None"),
    (
        lambda: nn.TransformerEncoderLayer(E, HEADS, activation="tanh"),
        "TransformerEncoderLayer: activation must be relu, gelu or a function; got 'tanh'",
    ),
    (
        lambda: nn.Transformer(E, HEADS, 1, 1, 7)(x(), x()[:, :2]),
        "Transformer: src and tgt must have one batch size",
    ),
    (
        lambda: nn.Transformer(E, HEADS, 1, 1, 7)(x()[..., :3], x()),
        "Transformer: src and tgt must have d_model 4 features",
    ),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_refuses_in_one_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value).split("\n\n")[0]
