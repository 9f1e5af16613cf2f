"""RNN, LSTM, GRU and their cells: PyTorch's names, forms, numbers and gradients."""

import pytest

import lucid
from lucid import nn
from lucid.autograd import gradcheck, gradgradcheck
from lucid.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from tests.amp import peer
from tests.layer_parity import (
    agree,
    compare,
    flat,
    numbers,
    same_names_and_shapes,
    sums,
    with_the_same_weights,
)

torch = pytest.importorskip("torch")

LENGTHS = [2, 4, 1, 3]  # of the packed sequences; their order is not its own inverse
KINDS = {
    "RNN": {},
    "relu": {"nonlinearity": "relu"},
    "LSTM": {},
    "projected": {"proj_size": 2},
    "GRU": {},
}


def class_name(kind):
    return {"relu": "RNN", "projected": "LSTM"}.get(kind, kind)


def pair(kind, *args, **kwargs):
    """The same layer in both libraries, in float64, with the same weights."""
    name = class_name(kind)
    ours, theirs = (getattr(m, name)(*args, **KINDS[kind], **kwargs) for m in (nn, torch.nn))
    return with_the_same_weights(ours, theirs)


def states(kind, ours, batch, leaf):
    """First states, as leaves: (h), or (h, c) for LSTM."""
    sets = ours.num_layers * (2 if ours.bidirectional else 1)
    size = ours.proj_size or ours.hidden_size
    h = leaf(numbers(sets, *batch, size, seed=5))
    if class_name(kind) != "LSTM":
        return h
    return h, leaf(numbers(sets, *batch, ours.hidden_size, seed=6))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, True)])
@pytest.mark.parametrize("batch_first, bias", [(False, True), (True, False)])
def test_gives_what_pytorch_gives(kind, layers, bidirectional, batch_first, bias, device):
    ours, theirs = pair(
        kind, 3, 4, layers, bias=bias, bidirectional=bidirectional, batch_first=batch_first
    )
    for given in (False, True):

        def run(library, layer, leaf, given=given):
            x = leaf(numbers(*((2, 5, 3) if batch_first else (5, 2, 3))))
            return layer(x, states(kind, theirs, (2,), leaf)) if given else layer(x)

        compare(ours, theirs, run)


@pytest.mark.parametrize("kind", KINDS)
def test_takes_one_sequence_without_a_batch(kind, device):
    ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)
    compare(ours, theirs, lambda _, layer, leaf: layer(leaf(numbers(5, 3))))
    compare(
        ours, theirs,
        lambda _, layer, leaf: layer(leaf(numbers(5, 3)), states(kind, theirs, (), leaf)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [False, True])
def test_takes_packed_sequences(kind, given, device):
    ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)

    def run(library, layer, leaf):
        x = leaf(numbers(4, 4, 3))
        packed = library.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
        h = states(kind, theirs, (4,), leaf) if given else None
        y, last = layer(packed, h)
        return library.nn.utils.rnn.pad_packed_sequence(y)[0], last

    compare(ours, theirs, run)


def test_a_packed_sequence_gives_a_packed_sequence(device):
    x = pack_padded_sequence(lucid.ones(4, 4, 3), LENGTHS, enforce_sorted=False)
    y, _ = nn.GRU(3, 5)(x)
    assert y.batch_sizes.tolist() == [4, 3, 2, 1]
    assert y.sorted_indices is x.sorted_indices
    assert pad_packed_sequence(y)[1].tolist() == LENGTHS


def test_padding_makes_no_difference(device):
    layer = nn.LSTM(3, 4, bidirectional=True)
    x = lucid.randn(4, 4, 3)
    padded = pad_packed_sequence(layer(pack_padded_sequence(x, LENGTHS, enforce_sorted=False))[0])[
        0
    ]
    for b, length in enumerate(LENGTHS):
        alone = layer(x[:length, b])[0]
        assert lucid.allclose(padded[:length, b], alone, atol=1e-6)


CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})]


@pytest.mark.parametrize("name, settings", CELLS)
@pytest.mark.parametrize("batch, bias, given", [((2,), True, True), ((), False, False)])
def test_cells_give_what_pytorchs_give(name, settings, batch, bias, given, device):
    ours, theirs = (getattr(m, name)(3, 4, bias, **settings) for m in (nn, torch.nn))
    with_the_same_weights(ours, theirs)

    def run(library, cell, leaf):
        x = leaf(numbers(*batch, 3))
        h = leaf(numbers(*batch, 4, seed=3))
        hx = (h, leaf(numbers(*batch, 4, seed=4))) if name == "LSTMCell" else h
        return cell(x, hx) if given else (cell(x), h)

    compare(ours, theirs, run)
    same_names_and_shapes(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_second_gradients_agree_with_differences_in_every_output(kind, reverse, device):
    """The states after the last step too, of sequences that end at different times."""
    settings = {"proj_size": 1} if kind == "projected" else KINDS[kind]
    ours = getattr(nn, class_name(kind))(1, 2, bidirectional=reverse, **settings).double()
    weights = [w for name, w in ours.named_parameters() if name.endswith("_reverse") == reverse]
    size = ours.proj_size or 2
    x = lucid.tensor(numbers(3, 1), requires_grad=True)
    h = lucid.tensor(numbers(2, size), requires_grad=True)
    c = [lucid.tensor(numbers(2, 2, seed=2), requires_grad=True)] * (ours.mode == "LSTM")

    def outputs(x, h, *rest):
        packed = nn.utils.rnn.PackedSequence(x, lucid.tensor([2, 1], device="cpu"))
        first = [t.expand(1 + reverse, *t.shape) for t in (h, *c)]
        y, last = ours(packed, tuple(first) if c else first[0])
        own = slice(size, None) if reverse else slice(None)  # what the other one gives is left out
        return y.data[:, own], *[t[-1] for t in flat(last)]

    inputs = [x, h, *c, *weights]
    assert gradcheck(outputs, inputs)
    assert gradgradcheck(outputs, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_that_can_be_differentiated_is_the_same(kind, device):
    """Through time on tensors, and on arrays."""
    ours, _ = pair(kind, 3, 4, 2, bidirectional=True)
    x = lucid.tensor(numbers(4, 4, 3), requires_grad=True)
    y, last = ours(pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
    inputs = [x, *ours.parameters()]
    total = sums(flat((y, last)), lucid)
    plain = lucid.autograd.grad(total, inputs, retain_graph=True)
    agree(plain, lucid.autograd.grad(total, inputs, create_graph=True))


def test_only_the_last_state_may_be_used(device):
    ours, theirs = pair("LSTM", 3, 4)
    for which in (0, 1):
        compare(ours, theirs, lambda _, m, leaf, i=which: m(leaf(numbers(5, 2, 3)))[1][i])


def test_an_infinite_state_that_nobody_reads_leaves_no_trace(device):
    layer = nn.LSTM(3, 4)
    h = lucid.zeros(1, 2, 4)
    c = lucid.full((1, 2, 4), float("inf"))
    y, _ = layer(lucid.ones(3, 2, 3), (h, c))
    y.sum().backward()
    assert not layer.weight_ih_l0.grad.isinf().any()


def test_weights_that_are_frozen_get_no_gradient(device):
    layer = nn.GRU(3, 4)
    layer.weight_hh_l0.requires_grad_(False)
    layer.bias_ih_l0.requires_grad_(False)
    layer(lucid.ones(3, 2, 3))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert layer.bias_hh_l0.grad is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layers, bidirectional", [(1, True), (2, False), (2, True)])
def test_has_pytorchs_parameters_and_repr(kind, layers, bias, bidirectional):
    settings = {"bias": bias, "bidirectional": bidirectional, "num_layers": layers}
    if layers == 2:
        settings |= {"dropout": 0.25, "batch_first": True}
    ours, theirs = pair(kind, 3, 4, **settings)
    same_names_and_shapes(ours, theirs)
    assert [len(w) for w in ours.all_weights] == [len(w) for w in theirs.all_weights]
    assert ours.flatten_parameters() is None


def test_positional_arguments_are_pytorchs():
    assert nn.RNN(3, 4, 2, "relu", False, True).batch_first
    assert nn.LSTM(3, 4, 2, True, True, 0.5, True, 2).proj_size == 2
    assert nn.GRU(3, 4, 2, True, True, 0.5, True).bidirectional


def test_new_weights_are_uniform_between_the_reciprocals_of_the_root():
    layer = nn.LSTM(30, 100)
    bound = 100**-0.5
    w = layer.weight_hh_l0.detach()
    assert w.abs().max().item() <= bound
    five_sigma = 5 * (bound / 3**0.5) / 40_000**0.5
    assert abs(w.mean().item()) < five_sigma
    assert abs(w.std().item() / (bound / 3**0.5) - 1) < 0.02  # 40,000 numbers: 3 per mille


# Dropout between the layers.


def one_by_one(layer):
    """The layers of a layer."""
    for i in range(layer.num_layers):
        one = type(layer)(layer.hidden_size if i else layer.input_size, layer.hidden_size)
        state = layer.state_dict().items()
        one.load_state_dict({f"{k[:-1]}0": v for k, v in state if k.endswith(f"_l{i}")})
        yield one


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_between_two_layers_stands_the_functions_dropout(name, device):
    layer = getattr(nn, name)(3, 4, 3, dropout=0.5)
    x = y = lucid.randn(5, 2, 3)
    parts = list(one_by_one(layer))
    lucid.manual_seed(1)
    for i, one in enumerate(parts):
        y = one(nn.functional.dropout(y, 0.5) if i else y)[0]
    state = lucid.random.default_generator.state_tuple()
    lucid.manual_seed(1)
    assert lucid.equal(layer(x)[0], y)
    assert lucid.random.default_generator.state_tuple() == state


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_the_mask_of_a_seed_is_the_same_on_every_device(name, device):
    layer = getattr(nn, name)(3, 8, 2, dropout=0.5, device="cpu")
    x = lucid.randn(5, 2, 3, device="cpu")
    lucid.manual_seed(1)
    on_cpu = layer(x)[0]
    lucid.manual_seed(1)
    here = layer.to(device)(x.to(device))[0]
    assert lucid.allclose(on_cpu, here.cpu(), atol=1e-6)
    lucid.manual_seed(2)
    other = layer(x.to(device))[0]
    assert not lucid.allclose(other, here, atol=1e-3)


def test_nothing_is_drawn_in_evaluation_nor_without_dropout(device):
    x = lucid.ones(5, 2, 3)
    layers = [nn.LSTM(3, 4, 2, dropout=0.5).eval(), nn.LSTM(3, 4, 2)]
    before = lucid.random.default_generator.state_tuple()
    for layer in layers:
        layer(x)
    assert lucid.random.default_generator.state_tuple() == before


def test_a_fraction_p_of_what_passes_between_layers_is_dropped(device):
    """With all weights of the second layer 1 and no other input, relu shows how many are kept."""
    p, size = 0.3, 2000
    layer = nn.RNN(1, size, 2, nonlinearity="relu", bias=False, dropout=p)
    with lucid.no_grad():
        for w in layer.parameters():
            w.zero_()
        layer.weight_ih_l0.fill_(1)
        layer.weight_ih_l1[0] = 1.0
    kept = layer(lucid.ones(1, 8, 1))[0][0, :, 0] * (1 - p)
    n = 8 * size
    five_sigma = 5 * (p * (1 - p) / n) ** 0.5
    assert abs(kept.sum().item() / n - (1 - p)) < five_sigma


def test_a_model_learns_with_dropout(device):
    """To tell rising from falling sequences."""
    lucid.manual_seed(0)
    layer, head = nn.LSTM(1, 8, 2, dropout=0.2), nn.Linear(8, 1)
    optimizer = lucid.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    ramp = lucid.linspace(-1, 1, 6).reshape(6, 1, 1)
    x = lucid.cat([ramp, -ramp], 1) + 0.1 * lucid.randn(6, 2, 1)
    target = lucid.tensor([[1.0], [0.0]])
    for _ in range(30):
        loss = nn.functional.binary_cross_entropy_with_logits(head(layer(x)[0][-1]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # 0.69 before


# Autocast and dtypes.


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("given", ["float32", "bfloat16"])
def test_answers_in_pytorchs_dtype_under_autocast_on_the_cpu(name, given):
    theirs, ours = getattr(torch.nn, name)(3, 4), getattr(nn, name)(3, 4)
    shape = (2, 3) if name.endswith("Cell") else (5, 2, 3)
    with peer.region("cpu"):
        expected = flat(theirs(torch.ones(shape, dtype=getattr(torch, given))))
    with lucid.autocast("cpu"):
        y = flat(ours(lucid.ones(shape, dtype=getattr(lucid, given), device="cpu")))
    assert [t.dtype.name for t in y] == [str(t.dtype).removeprefix("torch.") for t in expected]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "LSTMCell"])
def test_trains_under_autocast(name, device):
    layer = getattr(nn, name)(3, 4)
    with lucid.autocast(device.type):
        y = flat(layer(lucid.ones(*((2, 3) if name.endswith("Cell") else (5, 2, 3)))))[0]
    y.float().sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {lucid.float32}
    if device.type == "cuda":
        assert y.dtype is lucid.float16


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float16", 4e-3)])
def test_is_accurate_in_other_types(kind, dtype, tolerance, device):
    """Halves are computed in float32: weights and outputs rounded once."""
    layer = getattr(nn, class_name(kind))(3, 4, **KINDS[kind]).to(getattr(lucid, dtype))
    x = lucid.tensor(numbers(5, 2, 3)).to(getattr(lucid, dtype))
    y = layer(x)[0]
    assert y.dtype is getattr(lucid, dtype)
    exact = layer.double()(x.double())[0]
    assert (y.double() - exact).abs().max().item() < tolerance


# Refusals.

REFUSED = [
    (lambda: nn.LSTM(3, 4)(lucid.ones(3)), r"LSTM: the input must be \(T, B, 3\) or \(T, 3\)"),
    (
        lambda: nn.GRU(3, 4, batch_first=True)(lucid.ones(1, 1, 1, 3)),
        r"GRU: the input must be \(B, T, 3\) or \(T, 3\); got shape \(1, 1, 1, 3\)",
    ),
    (lambda: nn.RNN(3, 4)(lucid.ones(2, 2, 5)), r"RNN: .* input_size 3; got shape \(2, 2, 5\)"),
    (lambda: nn.RNN(3, 4)(lucid.ones(0, 2, 3)), r"RNN: there must be one step at least"),
    (
        lambda: nn.GRU(3, 4)(lucid.ones(2, 2, 3), lucid.ones(1, 3, 4)),
        r"GRU: hx must be \(1, 2, 4\); got shape \(1, 3, 4\)",
    ),
    (
        lambda: nn.GRU(3, 4)(lucid.ones(2, 3), lucid.ones(1, 1, 4)),
        r"GRU: hx must be \(1, 4\); got shape \(1, 1, 4\)",
    ),
    (
        lambda: nn.LSTM(3, 4)(lucid.ones(2, 2, 3), (lucid.ones(1, 2, 4), lucid.ones(1, 2, 3))),
        r"LSTM: cx must be \(1, 2, 4\); got shape \(1, 2, 3\)",
    ),
    (
        lambda: nn.LSTM(3, 4)(lucid.ones(2, 2, 3), lucid.ones(1, 2, 4)),
        r"LSTM: hx must be a pair \(h, c\) of tensors; got Tensor",
    ),
    (
        lambda: nn.LSTM(3, 4)(lucid.ones(2, 2, 3).double()),
        r"LSTM: all tensors must have one dtype; got lucid.float64 and lucid.float32",
    ),
    (lambda: nn.LSTM(3, 4, 2, dropout=1.5), r"LSTM: dropout must be .*\[0, 1\]; got 1.5"),
    (lambda: nn.LSTM(3, 4, 2, dropout=True), r"LSTM: dropout must be .*\[0, 1\]; got True"),
    (lambda: nn.LSTM(3, 4, proj_size=4), r"LSTM: proj_size must be .* below hidden_size 4; got 4"),
    (lambda: nn.RNNBase("GRU", 3, 4, proj_size=2), r"only LSTM has a projection; got proj_size=2"),
    (lambda: nn.RNNBase("XYZ", 3, 4), r"RNNBase: mode must be one of RNN_TANH.*; got 'XYZ'"),
    (lambda: nn.LSTM(3, 0), r"LSTM: hidden_size must be positive; got 0"),
    (lambda: nn.LSTM(3, 4, 0), r"LSTM: num_layers must be positive; got 0"),
    (lambda: nn.LSTM(3, 4.0), r"LSTM: hidden_size must be an int; got 4.0"),
    (lambda: nn.RNN(3, 4, nonlinearity="x"), r"RNN: nonlinearity must be tanh or relu; got 'x'"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="x"), r"RNNCell: nonlinearity must be tanh or relu"),
    (lambda: nn.LSTMCell(3, 4)(lucid.ones(2, 5)), r"LSTMCell: the input must be \(B, 3\) or \(3,"),
    (
        lambda: nn.GRUCell(3, 4)(lucid.ones(2, 3), lucid.ones(4)),
        r"GRUCell: hx must be \(2, 4\); got shape \(4,\)",
    ),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_refuses_in_one_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value).split("\n\n")[0]


def test_dropout_with_one_layer_is_warned_of():
    with pytest.warns(UserWarning, match=r"GRU: dropout stands between layers.*num_layers=1"):
        nn.GRU(3, 4, dropout=0.5)
