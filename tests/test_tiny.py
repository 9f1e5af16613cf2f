"""The framework on one screen: a tensor, a gradient, a network that learns."""

import lucid


def test_a_tensor():
    x = lucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.shape == (2, 2)
    assert (x @ x + 1).tolist() == [[8.0, 11.0], [16.0, 23.0]]


def test_a_gradient():
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_network_learns_exclusive_or():
    x = lucid.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = lucid.tensor([[0.0], [1.0], [1.0], [0.0]])
    w1 = lucid.randn(2, 8).requires_grad_()
    b1 = lucid.zeros(8, requires_grad=True)
    w2 = lucid.randn(8, 1).requires_grad_()
    b2 = lucid.zeros(1, requires_grad=True)
    for _ in range(500):
        p = ((x @ w1 + b1).tanh() @ w2 + b2).sigmoid()
        loss = ((p - y) ** 2).mean()
        loss.backward()
        with lucid.no_grad():
            for w in (w1, b1, w2, b2):
                w -= 2.0 * w.grad
                w.grad = None
    assert (p > 0.5).tolist() == (y > 0.5).tolist()
