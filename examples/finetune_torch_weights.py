"""From PyTorch's weights to a classifier of your own: load a .pt file, freeze it, train a head.

    # in Python, where torchvision is installed; or download the file that it names:
    torch.save(torchvision.models.resnet18(weights="DEFAULT").state_dict(), "resnet18.pt")

    python examples/finetune_torch_weights.py resnet18.pt

lucid reads the file itself: PyTorch need not be installed, and nothing in the file is executed.
Layers have torchvision's names, so a state dict fits as it is. What fits is loaded and frozen; the
last layer, which has another number of classes, is new and learns. The images here are
scikit-learn's digits, enlarged and in three equal channels.
"""

import argparse

import lucid
from lucid import optim
from lucid.nn.functional import cross_entropy, interpolate
from lucid.vision import models
from lucid.vision.datasets import Digits


def load_what_fits(model, path):
    """Load the entries of the model's own shapes; the names of the others."""
    own, given = model.state_dict(), lucid.load(path)
    fitting = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
    missing = model.load_state_dict(fitting, strict=False).missing_keys
    if not fitting:
        raise SystemExit(f"{path} holds no weights of this model. Is --model the right one?")
    return missing


def enlarged(images, size):
    return interpolate(images, size, mode="bilinear").expand(-1, 3, -1, -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a file of torch.save(model.state_dict(), ...)")
    parser.add_argument("--model", default="resnet18", help="one of lucid.vision.models")
    parser.add_argument("--size", type=int, default=64, help="of the enlarged digits, in pixels")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="use the first images only")
    parser.add_argument("--device", default="cuda" if lucid.cuda.is_available() else "cpu")
    args = parser.parse_args()

    lucid.manual_seed(0)
    model = models.get_model(args.model, num_classes=10)
    new = load_what_fits(model, args.weights)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in new)
    model.to(args.device).eval()  # frozen batch norms keep their statistics; dropout rests
    learning = [p for p in model.parameters() if p.requires_grad]
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    print(f"{frozen:,} weights frozen, {sum(p.numel() for p in learning):,} to be learned: {new}")

    optimizer = optim.AdamW(learning, lr=1e-2)
    train, test = Digits(train=True), Digits(train=False)
    count = min(args.limit or len(train), len(train))
    for epoch in range(1, args.epochs + 1):
        for chosen in lucid.randperm(count).split(32):
            images = enlarged(train.images[chosen].to(args.device), args.size)
            loss = cross_entropy(model(images), train.labels[chosen].to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = seen = 0
        with lucid.no_grad():
            for x, y in zip(
                test.images[: args.limit].split(64), test.labels.split(64), strict=False
            ):
                answer = model(enlarged(x.to(args.device), args.size)).argmax(1).cpu()
                right, seen = right + (answer == y[: len(x)]).sum().item(), seen + len(x)
        print(
            f"epoch {epoch:2}  loss {loss.item():.4f}  test accuracy {right / seen:.1%} of {seen}"
        )


if __name__ == "__main__":
    main()
