"""The region: where it begins and ends, what it casts once, and what gradients get."""

import threading

import pytest

import lucid
from lucid import nn
from lucid.amp import custom_bwd, custom_fwd


def half(device):
    return lucid.get_autocast_dtype(device.type)


def test_the_default_dtypes_are_pytorchs():
    torch = pytest.importorskip("torch")
    for kind in ("cpu", "cuda"):
        expected = str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
        assert lucid.get_autocast_dtype(kind).name == expected


def test_a_region_chooses_its_dtype_and_gives_it_back(device):
    x, before = lucid.ones(2, 2), lucid.get_autocast_dtype(device.type)
    with lucid.autocast(device.type, dtype=lucid.float16):
        assert (x @ x).dtype is lucid.float16
        assert lucid.get_autocast_dtype(device.type) is lucid.float16
        with lucid.autocast(device.type):
            assert (x @ x).dtype is lucid.float16
    assert lucid.get_autocast_dtype(device.type) is before
    assert (x @ x).dtype is lucid.float32


def test_regions_nest_and_may_be_switched_off_inside(device):
    x = lucid.ones(2, 2)
    with lucid.autocast(device.type):
        with lucid.autocast(device.type, enabled=False):
            assert not lucid.is_autocast_enabled(device.type)
            assert (x @ x).dtype is lucid.float32
        assert (x @ x).dtype is half(device)
    assert not lucid.is_autocast_enabled(device.type)


def test_one_object_may_be_entered_while_it_is_open(device):
    region = lucid.autocast(device.type)
    with region, region:
        assert lucid.is_autocast_enabled(device.type)
    assert not lucid.is_autocast_enabled(device.type)


def test_an_exception_ends_a_region(device):
    with pytest.raises(KeyError), lucid.autocast(device.type, dtype=lucid.bfloat16):
        raise KeyError
    assert not lucid.is_autocast_enabled(device.type)


def test_a_decorated_function_runs_in_a_region(device):
    @lucid.autocast(device.type)
    def product(x, depth=2):
        assert lucid.is_autocast_enabled(device.type)
        return product(x, depth - 1) if depth else x @ x

    assert product(lucid.ones(2, 2)).dtype is half(device)
    assert product.__name__ == "product"
    assert not lucid.is_autocast_enabled(device.type)


def test_a_decorated_generator_is_in_the_region_and_its_reader_is_not(device):
    @lucid.autocast(device.type)
    def products(x):
        for _ in range(2):
            yield (x @ x).dtype

    for kind in products(lucid.ones(2, 2)):
        assert kind is half(device)
        assert not lucid.is_autocast_enabled(device.type)


def test_another_thread_is_in_no_region(device):
    x, seen = lucid.ones(2, 2), []
    with lucid.autocast(device.type):
        thread = threading.Thread(target=lambda: seen.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert seen == [lucid.float32]


def test_a_decorated_function_may_run_in_two_threads_at_once(device):
    began, may_end = threading.Event(), threading.Event()

    @lucid.autocast(device.type)
    def run(inside):
        inside()

    def wait():
        began.set()
        may_end.wait()

    def let_the_other_end_first():
        may_end.set()
        other.join()

    other = threading.Thread(target=run, args=(wait,))
    other.start()
    began.wait()
    with lucid.autocast(device.type):
        run(let_the_other_end_first)
        assert lucid.is_autocast_enabled(device.type)


def test_tensors_of_another_type_of_device_are_left_alone(device):
    other = {"cpu": "cuda", "cuda": "cpu"}[device.type]
    x = lucid.ones(2, 2)
    lucid.set_autocast_enabled(other, True)
    try:
        assert (x @ x).dtype is lucid.float32
    finally:
        lucid.set_autocast_enabled(other, False)


def test_the_switches_work_without_a_region(device):
    x, before = lucid.ones(2, 2), half(device)
    lucid.set_autocast_enabled(device.type, True)
    lucid.set_autocast_dtype(device.type, lucid.float16)
    try:
        assert lucid.is_autocast_enabled(device.type)
        assert (x @ x).dtype is lucid.float16
    finally:
        lucid.set_autocast_enabled(device.type, False)
        lucid.set_autocast_dtype(device.type, before)
    assert (x @ x).dtype is lucid.float32


# The cache.


def test_a_weight_is_cast_once_per_region(device):
    layer, x = nn.Linear(3, 3), lucid.ones(2, 3)
    with lucid.autocast(device.type):
        first, second = layer(x), layer(x)
        with lucid.autocast(device.type):
            third = layer(x)
    with lucid.autocast(device.type):
        later = layer(x)
    weights = [y.grad_fn.edges[1][0] for y in (first, second, third, later)]
    assert weights[0] is weights[1] is weights[2]
    assert weights[3] is not weights[0]


def test_without_the_cache_it_is_cast_at_each_use(device):
    layer, x = nn.Linear(3, 3), lucid.ones(2, 3)
    with lucid.autocast(device.type, cache_enabled=False):
        assert not lucid.is_autocast_cache_enabled()
        first, second = layer(x), layer(x)
    assert first.grad_fn.edges[1][0] is not second.grad_fn.edges[1][0]
    assert lucid.is_autocast_cache_enabled()


def test_the_cache_can_be_emptied_inside_a_region(device):
    layer, x = nn.Linear(3, 3), lucid.ones(2, 3)
    with lucid.autocast(device.type):
        first = layer(x)
        lucid.clear_autocast_cache()
        second = layer(x)
    assert first.grad_fn.edges[1][0] is not second.grad_fn.edges[1][0]


def test_a_weight_that_changes_inside_a_region_is_cast_again(device):
    layer, x = nn.Linear(3, 1, bias=False), lucid.ones(1, 3)
    with lucid.autocast(device.type):
        layer(x)
        with lucid.no_grad():
            layer.weight.fill_(2.0)
        assert layer(x).item() == 6.0
        layer.weight.data = lucid.ones(1, 3)
        assert layer(x).item() == 3.0


def test_a_copy_made_under_no_grad_does_not_cut_off_the_gradient(device):
    layer, x = nn.Linear(3, 3), lucid.ones(2, 3)
    with lucid.autocast(device.type):
        with lucid.no_grad():
            assert not layer(x).requires_grad
        layer(x).sum().backward()
    assert layer.weight.grad is not None


# Gradients.


def test_gradients_reach_float32_weights_in_float32(device):
    layer, x = nn.Linear(3, 2), lucid.randn(4, 3)
    with lucid.autocast(device.type):
        y = layer(x) + layer(2 * x)
    y.float().sum().backward()
    assert layer.weight.grad.dtype is layer.bias.grad.dtype is lucid.float32
    exact = lucid.ones(2, 1) * (3 * x).sum(0)
    assert lucid.allclose(layer.weight.grad, exact, rtol=0.02, atol=0.1)  # 8 bits of bfloat16


def test_backward_inside_a_region_runs_in_forwards_dtypes(device):
    """The gradient of a float32 product is one, and not cast to halves."""
    x = lucid.ones(2, 2, requires_grad=True)
    y, seen = x @ x, []
    y.register_hook(lambda g: seen.append(lucid.is_autocast_enabled(device.type)))
    tiny = 1 + 2**-20  # lost in halves
    with lucid.autocast(device.type):
        y.backward(lucid.full((2, 2), tiny))
        assert lucid.is_autocast_enabled(device.type)
    assert x.grad[0, 0].item() == lucid.tensor(4 * tiny).item()
    assert seen == [False]


def test_second_gradients_pass_through_the_cast(device):
    w = lucid.full((1, 1), 3.0, requires_grad=True)
    with lucid.autocast(device.type):
        y = (w @ w).sum()
    (dw,) = lucid.autograd.grad(y, w, create_graph=True)
    (ddw,) = lucid.autograd.grad(dw, w)
    assert (dw.dtype, dw.item(), ddw.item()) == (lucid.float32, 6.0, 2.0)


def test_a_checkpoint_computes_again_as_it_did_before(device):
    layer, x = nn.Linear(3, 3), lucid.randn(2, 3)
    with lucid.autocast(device.type):
        y = lucid.utils.checkpoint.checkpoint(lambda x: layer(layer(x)), x)
    y.float().sum().backward()
    kept, layer.weight.grad = layer.weight.grad, None
    with lucid.autocast(device.type):
        y = layer(layer(x))
    y.float().sum().backward()
    assert lucid.equal(kept, layer.weight.grad)


def test_mixed_training_follows_float32(device):
    """A small network: the losses of ten steps agree to the digits that a half has."""
    losses = {}
    for mixed in (False, True):
        lucid.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                            nn.Linear(16, 3))  # fmt: skip
        optimizer = lucid.optim.SGD(net.parameters(), lr=0.1)
        x, t = lucid.randn(8, 1, 4, 4), lucid.arange(8) % 3
        losses[mixed] = []
        for _ in range(10):
            with lucid.autocast(device.type, enabled=mixed):
                loss = nn.functional.cross_entropy(net(x), t)
            assert loss.dtype is lucid.float32
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[mixed].append(loss.item())
    assert losses[True][-1] < 0.7 * losses[True][0]
    for ours, exact in zip(losses[True], losses[False], strict=True):
        assert abs(ours - exact) < 0.03  # 2^-8 of a bfloat16, through two layers and ten steps


# Custom functions.


class Product(lucid.autograd.Function):
    seen: list = []

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x @ x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        Product.seen.append((dy @ x.t()).dtype)
        return (None,)


def decorated(device, cast_inputs=None):
    kind = {"device_type": device.type}

    class Decorated(Product):
        forward = staticmethod(custom_fwd(Product.forward, cast_inputs=cast_inputs, **kind))
        backward = staticmethod(custom_bwd(Product.backward, **kind))

    return Decorated


def test_custom_bwd_has_the_region_that_custom_fwd_had(device):
    Product.seen = []
    x = lucid.ones(2, 2, requires_grad=True)
    for function in (Product, decorated(device)):
        with lucid.autocast(device.type):
            y = function.apply(x)
        assert y.dtype is half(device)
        y.backward(lucid.ones(2, 2, dtype=lucid.float64).float())
    assert Product.seen == [lucid.float32, half(device)]


def test_custom_fwd_casts_its_inputs_and_runs_outside_of_the_region(device):
    Product.seen = []
    function = decorated(device, cast_inputs=lucid.float32)
    x = lucid.ones(2, 2, dtype=lucid.float16, requires_grad=True)
    with lucid.autocast(device.type):
        y = function.apply(x)
        wide = function.apply(x.detach().double())
    assert (y.dtype, wide.dtype) == (lucid.float32, lucid.float64)
    assert function.apply(x).dtype is lucid.float16
    y.sum().backward()
    assert Product.seen == [lucid.float32]


# What is wrong.


def test_the_type_of_device_must_be_a_known_word():
    with pytest.raises(ValueError, match="autocast: device_type must be a str; got CpuDevice"):
        lucid.autocast(lucid.device("cpu"))
    with pytest.raises(RuntimeError, match='must be "cpu" or "cuda", without an index; got'):
        lucid.autocast("cuda:0")
    with pytest.raises(RuntimeError, match="get_autocast_dtype: device_type"):
        lucid.get_autocast_dtype("gpu")
    assert lucid.amp.is_autocast_available("cpu")
    assert not lucid.amp.is_autocast_available("gpu")


def test_a_dtype_that_is_no_half_disables_the_region_with_a_warning(device):
    with pytest.warns(UserWarning, match="must be float16 or bfloat16; got lucid.float32"):
        region = lucid.autocast(device.type, dtype=lucid.float32)
    with region:
        assert not lucid.is_autocast_enabled(device.type)


@pytest.mark.skipif(lucid.cuda.is_available(), reason="there is CUDA")
def test_without_cuda_its_region_is_disabled_with_a_warning():
    with pytest.warns(UserWarning, match="autocast: disabled, as "), lucid.autocast("cuda"):
        assert not lucid.is_autocast_enabled("cuda")


def test_only_functions_can_be_decorated(device):
    with pytest.raises(TypeError, match="expected a function to decorate; got Tensor"):
        lucid.autocast(device.type)(lucid.ones(1))


def test_the_older_names_mean_cuda():
    from lucid.cuda.amp import GradScaler, autocast, custom_fwd

    with autocast(enabled=False, dtype=lucid.bfloat16):
        assert lucid.get_autocast_dtype("cuda") is lucid.bfloat16
    assert GradScaler(enabled=False).get_scale() == 1.0
    assert custom_fwd(cast_inputs=lucid.float32).keywords["device_type"] == "cuda"
    assert lucid.cuda.amp.autocast is autocast
