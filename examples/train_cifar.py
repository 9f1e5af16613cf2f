"""ResNet-18 on CIFAR-10: data set, transforms, a schedule, checkpoints.

    python examples/train_cifar.py --download            # 170 MB, once, into ./data
    python examples/train_cifar.py --limit 512 --epochs 1   # a look at it, on a CPU

The network is torchvision's ResNet-18 with the usual change for small images: a 3 x 3 first
convolution of stride 1, and no pooling behind it.
"""

import argparse
import time

import lucid
from lucid import nn, optim
from lucid.nn.functional import cross_entropy
from lucid.utils.data import DataLoader, Subset
from lucid.vision import models, transforms
from lucid.vision.datasets import CIFAR10

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images' channels


def small_image_resnet18() -> nn.Module:
    model = models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def first(dataset, limit):
    return dataset if limit is None else Subset(dataset, range(min(limit, len(dataset))))


def loaders(args):
    colors = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moves = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    train = CIFAR10(args.data, True, transforms.Compose([*moves, *colors]), download=args.download)
    test = CIFAR10(args.data, False, transforms.Compose(colors))
    return (
        DataLoader(
            first(train, args.limit),
            batch_size=args.batch_size,
            shuffle=True,
            drop_last=True,  # a batch of one image has no variance for batch norm
            num_workers=args.workers,
        ),
        DataLoader(first(test, args.limit), batch_size=args.batch_size),
    )


def accuracy(model, loader, device):
    model.eval()
    right = 0
    with lucid.no_grad():
        for images, labels in loader:
            right += (model(images.to(device)).argmax(1) == labels.to(device)).sum().item()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="folder of cifar-10-batches-py")
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, help="use the first images only")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")
    parser.add_argument("--save", help="where to write the weights after each epoch")
    parser.add_argument("--device", default="cuda" if lucid.cuda.is_available() else "cpu")
    args = parser.parse_args()

    lucid.manual_seed(0)
    train, test = loaders(args)
    model = small_image_resnet18().to(args.device)
    optimizer = optim.SGD(model.parameters(), args.lr, 0.9, weight_decay=5e-4, nesterov=True)
    steps = args.epochs * len(train)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps)

    for epoch in range(1, args.epochs + 1):
        start, total = time.perf_counter(), 0.0
        model.train()
        for images, labels in train:
            images, labels = images.to(args.device), labels.to(args.device)
            with lucid.autocast("cuda", lucid.bfloat16, enabled=images.is_cuda):
                loss = cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        score = accuracy(model, test, args.device)
        print(
            f"epoch {epoch:2}  loss {total / len(train):.4f}  test accuracy {score:.1%}"
            f"  {len(train) * args.batch_size / seconds:.0f} images/s"
        )
        if args.save:
            lucid.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
