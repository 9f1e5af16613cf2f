"""make_graphed_callables: parts of a model replayed give what they give when they are called."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.nn import functional as F
from tests.cuda.captured import counting

graphed_callables = lucid.cuda.make_graphed_callables


@pytest.fixture(autouse=True)
def deterministic(cuda):
    """cuDNN may add up a weight's gradient in any order otherwise."""
    before = lucid.backends.cudnn.deterministic
    lucid.backends.cudnn.deterministic = True
    yield
    lucid.backends.cudnn.deterministic = before


def net(p=0.0):
    lucid.manual_seed(3)
    return nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Dropout(p), nn.BatchNorm1d(8), nn.Linear(8, 2)
    ).cuda()


def batch(seed, *shape):
    numbers = numpy.random.default_rng(seed).uniform(-1, 1, shape or (4, 5))
    return lucid.tensor(numbers, dtype=lucid.float32, device="cuda")


def host(t):
    return t.detach().cpu().numpy()


def trained(model, steps=4, warm=0):
    """Steps of SGD: the outputs, the gradients of the inputs, and the state in the end."""
    rule = lucid.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(warm):
        model(batch(0))
    seen = []
    for i in range(steps):
        x = batch(i).requires_grad_()
        y = model(x)
        rule.zero_grad()
        y.square().sum().backward()
        rule.step()
        seen += [host(y).copy(), host(x.grad)]
    return seen + [host(t) for t in model.state_dict().values()]


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_a_graphed_module_trains_as_it_would_have(p):
    eager = net(p)
    lucid.manual_seed(7)
    expected = trained(eager, warm=2)
    model = net(p)
    lucid.manual_seed(7)
    assert graphed_callables(model, (batch(0).requires_grad_(),), num_warmup_iters=2) is model
    for a, b in zip(expected, trained(model), strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_a_call_is_one_launch_and_its_backward_another():
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2)).cuda()
    graphed_callables(model, (batch(0),))
    x = batch(1)
    with counting() as c:
        y = model(x)
    assert (c.graph_launches, c.operations, c.launches) == (1, 1, 0)  # and the input's copy
    dy = lucid.ones_like(y)
    with counting() as c:
        y.backward(dy)
    assert c.graph_launches == 1
    assert c.h2d == c.d2h == c.synchronisations == 0


def test_what_stands_around_it_is_differentiated_as_ever():
    head, tail = nn.Linear(5, 5).cuda(), nn.Linear(2, 1).cuda()
    model = net()
    x = batch(1)

    def run():
        for m in (head, model, tail):
            m.zero_grad()
        tail(model(head(x)).sin()).sum().backward()
        return [host(p.grad) for m in (head, model, tail) for p in m.parameters()]

    model[3].momentum = 0.0  # so that the warmup leaves no trace in the statistics
    expected = run()
    graphed_callables(model, (batch(0).requires_grad_(),))
    for a, b in zip(expected, run(), strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_gradients_add_up_over_calls():
    w = nn.Linear(5, 1, bias=False).cuda()
    graphed_callables(w, (batch(0),))
    xs = [batch(i) for i in range(3)]
    for x in xs:
        w(x).sum().backward()
    numpy.testing.assert_allclose(
        host(w.weight.grad)[0], sum(host(x).sum(0) for x in xs), rtol=1e-6, atol=1e-6
    )


def test_a_gradient_outlives_the_next_backward():
    f = graphed_callables(lambda x: x.exp(), (batch(0).requires_grad_(),))
    x, z = batch(1).requires_grad_(), batch(2).requires_grad_()
    (dx,) = lucid.autograd.grad(f(x).sum(), x)
    lucid.autograd.grad(f(z).sum(), z)
    numpy.testing.assert_allclose(host(dx), numpy.exp(host(x)), rtol=1e-6)


def test_functions_in_any_nesting_and_several_at_once():
    def first(pair, more):
        return {"sum": pair[0] + pair[1], "rest": [more["z"] * 2, None, pair[0] > 0]}

    a, b, z = (batch(i).requires_grad_() for i in range(3))
    p, q, r = (batch(i).requires_grad_() for i in (5, 6, 7))
    f, g = graphed_callables((first, lambda x: x.exp()), (((p, q), {"z": batch(8)}), (r,)))
    answer = f((a, b), {"z": z.detach()})
    y = g(answer["sum"])
    numpy.testing.assert_allclose(host(y), numpy.exp(host(a) + host(b)), rtol=1e-6)
    numpy.testing.assert_array_equal(host(answer["rest"][0]), 2 * host(z))
    assert answer["rest"][1] is None
    assert not answer["rest"][0].requires_grad
    assert answer["rest"][2].dtype is lucid.bool
    y.sum().backward()
    numpy.testing.assert_array_equal(host(a.grad), host(y))
    numpy.testing.assert_array_equal(host(b.grad), host(y))


def test_in_the_other_mode_the_module_is_what_it_was():
    model = net(0.5)
    graphed_callables(model, (batch(0),))
    model.eval()
    x = batch(1, 7, 5)  # of another shape
    y = model(x)
    assert y.shape == (7, 2)
    numpy.testing.assert_array_equal(host(y), host(model(x)))


def test_each_call_draws_new_numbers_and_backward_the_same():
    f = graphed_callables(
        lambda x: F.dropout(x, 0.5), (lucid.ones(400, device="cuda").requires_grad_(),)
    )
    x = lucid.ones(400, device="cuda").requires_grad_()
    masks = []
    for _ in range(3):
        y = f(x)
        (dx,) = lucid.autograd.grad(y.sum(), x)
        numpy.testing.assert_array_equal(host(dx), host(y))
        masks.append(host(y).tobytes())
    assert len(set(masks)) == 3


def test_without_gradients_there_is_no_backward():
    f = graphed_callables(lambda x: (x * 2).detach(), (batch(0),))
    assert not f(batch(1)).requires_grad
    model = net()
    graphed_callables(model, (batch(0),))
    with lucid.no_grad():
        assert not model(batch(1)).requires_grad


# What is noticed.


def test_a_backward_that_comes_too_late_is_refused():
    f = graphed_callables(lambda x: x.exp(), (batch(0).requires_grad_(),))
    x = batch(1).requires_grad_()
    y = f(x)
    z = f(x)
    with pytest.raises(lucid.errors.GradError, match="before the next call, and once"):
        y.sum().backward()
    z.sum().backward(retain_graph=True)
    with pytest.raises(lucid.errors.GradError, match="before the next call, and once"):
        z.sum().backward()


def test_what_was_computed_from_an_overwritten_output_is_refused():
    f = graphed_callables(lambda x: x.exp(), (batch(0),))
    w = batch(2).requires_grad_()
    loss = (f(batch(1)) * w).sum()
    f(batch(3))
    with pytest.raises(lucid.errors.GradError, match="in place"):
        loss.backward()


def test_a_gradient_has_no_gradient():
    f = graphed_callables(lambda x: x.exp(), (batch(0).requires_grad_(),))
    x = batch(1).requires_grad_()
    (dx,) = lucid.autograd.grad(f(x).square().sum(), x, create_graph=True)
    with pytest.raises(lucid.errors.GradError, match="once_differentiable"):
        dx.sum().backward()


def hooked():
    m = nn.Linear(5, 2).cuda()
    m.register_forward_hook(lambda *given: None)
    return m


def with_a_trained_buffer():
    m = nn.Linear(5, 2).cuda()
    m.register_buffer("scale", lucid.ones(1, device="cuda").requires_grad_())
    return m


def unused(x, y):
    return x * 2


REFUSED = {
    "hooks": (lambda: graphed_callables(hooked(), (batch(0),)), ValueError, "no hooks yet"),
    "buffer": (
        lambda: graphed_callables(with_a_trained_buffer(), (batch(0),)),
        ValueError,
        "buffers must not require grad.*got scale",
    ),
    "number": (lambda: graphed_callables(net(), (1.5,)), TypeError, "must be tensors; got float"),
    "no tuple": (lambda: graphed_callables(net(), batch(0)), TypeError, "must be a tuple"),
    "host": (
        lambda: graphed_callables(net(), (lucid.ones(4, 5, device="cpu"),)),
        ValueError,
        "on a CUDA device; got cpu",
    ),
    "fewer": (
        lambda: graphed_callables((net(), net()), ((batch(0),),)),
        ValueError,
        "for each callable; got 1 for 2",
    ),
    "no callable": (lambda: graphed_callables(3, (batch(0),)), TypeError, "must be a module or"),
    "warmup": (
        lambda: graphed_callables(net(), (batch(0),), num_warmup_iters=0),
        ValueError,
        "at least 1; got 0",
    ),
    "unused": (
        lambda: graphed_callables(unused, (batch(0).requires_grad_(), batch(1).requires_grad_())),
        lucid.errors.GradError,
        "allow_unused",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_graphed_is_refused(name):
    call, error, text = REFUSED[name]
    with pytest.raises(error, match=text):
        call()


def test_casts_that_are_kept_are_refused():
    with lucid.autocast("cuda"), pytest.raises(RuntimeError, match="cache_enabled=False"):
        graphed_callables(net(), (batch(0),))


def test_an_unused_input_may_be_allowed():
    samples = batch(0).requires_grad_(), batch(1).requires_grad_()
    f = graphed_callables(unused, samples, allow_unused_input=True)
    x, y = batch(2).requires_grad_(), batch(3).requires_grad_()
    f(x, y).sum().backward()
    assert (x.grad == 2).all()
    assert y.grad is None


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        (lambda: (), TypeError, "takes 1 tensors"),
        (lambda: (batch(0, 3, 5),), ValueError, r"shape \(4, 5\), as in the capture; got .*\(3, 5"),
        (lambda: (batch(0).double(),), ValueError, "must be lucid.float32"),
        (lambda: (batch(0).requires_grad_(),), ValueError, "captured without a gradient"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, error, text):
    model = net()
    graphed_callables(model, (batch(0),))
    with pytest.raises(error, match=text):
        model(*inputs())


def test_arguments_by_name_are_refused():
    model = net()
    graphed_callables(model, (batch(0),))
    with pytest.raises(TypeError, match="by place"):
        model(input=batch(0))


def test_several_share_a_pool_that_may_be_given():
    pool = lucid.cuda.graph_pool_handle()
    f = graphed_callables(lambda x: x + 1, (batch(0),), pool=pool)
    assert f.forward.pool() is pool
