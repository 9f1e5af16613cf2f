"""A self-normalizing network: 16 linear layers with SELU and AlphaDropout, and no normalization.

With SELU and weights of variance 1 / inputs, every layer pulls its outputs towards mean 0 and
variance 1 (Klambauer et al. 2017), and AlphaDropout keeps it so: it drops to SELU's lower limit
instead of to 0, and rescales. Beside it stands the same network of ReLU and Dropout, with weights
as fit for ReLU. The program shows what arrives behind the last hidden layer; then both learn.
"""

import argparse

import lucid
from lucid import nn, optim
from lucid.nn.functional import cross_entropy
from lucid.vision.datasets import Digits


def network(activation: type, dropout: type, p: float, depth: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for i in range(depth):
        linear = nn.Linear(64 if i == 0 else width, width)
        # SELU wants a variance of 1 / inputs; ReLU, which drops half of it, gets 2 / inputs.
        nn.init.kaiming_normal_(
            linear.weight, nonlinearity="linear" if activation is nn.SELU else "relu"
        )
        nn.init.zeros_(linear.bias)
        layers += [linear, activation(), dropout(p)]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def standardized(images):
    """Each image with mean 0 and variance 1: what the fixed point of SELU starts from."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) / images.std((1, 2, 3), keepdim=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, help="use the first training images only")
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--p", type=float, default=0.05)
    parser.add_argument("--device", default="cuda" if lucid.cuda.is_available() else "cpu")
    args = parser.parse_args()

    train, test, device = Digits(train=True), Digits(train=False), args.device
    inputs, targets = standardized(train.images).to(device), train.labels.to(device)
    images, labels = standardized(test.images).to(device), test.labels.to(device)
    count = min(args.limit or len(train), len(train))
    for activation, dropout in ((nn.SELU, nn.AlphaDropout), (nn.ReLU, nn.Dropout)):
        lucid.manual_seed(0)
        model = network(activation, dropout, args.p, args.depth, args.width).to(device)
        with lucid.no_grad():
            hidden = model[:-1](images)  # in training mode: with dropout
        print(
            f"{activation.__name__} and {dropout.__name__}, {args.depth} layers deep: mean"
            f" {hidden.mean().item():+.3f}, variance {hidden.var().item():.3f} before training"
        )
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        for epoch in range(1, args.epochs + 1):
            model.train()
            for chosen in lucid.randperm(count, device=device).split(64):
                loss = cross_entropy(model(inputs[chosen]), targets[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with lucid.no_grad():
                accuracy = (model(images).argmax(1) == labels).float().mean().item()
            print(f"epoch {epoch:2}  loss {loss.item():.4f}  test accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()
