"""Train a CNN with Dropout2d on real handwritten digits: one screen, ten seconds."""

import argparse

import lucid
from lucid import optim
from lucid.nn.functional import cross_entropy
from lucid.utils.data import DataLoader
from lucid.vision.datasets import Digits
from lucid.vision.models import digits_cnn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--device", default="cuda" if lucid.cuda.is_available() else "cpu")
args = parser.parse_args()

lucid.manual_seed(0)  # the same seed gives the same weights, bit for bit
train, test = Digits(train=True), Digits(train=False)
loader = DataLoader(train, batch_size=64, shuffle=True)
model = digits_cnn("relu").to(args.device)
optimizer = optim.AdamW(model.parameters(), lr=5e-3)
steps = args.epochs * len(loader)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
test_images, test_labels = test.images.to(args.device), test.labels.to(args.device)

for epoch in range(1, args.epochs + 1):
    model.train()
    for images, labels in loader:
        loss = cross_entropy(model(images.to(args.device)), labels.to(args.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with lucid.no_grad():
        right = model(test_images).argmax(1) == test_labels
    accuracy = right.float().mean().item()
    print(f"epoch {epoch:2}  loss {loss.item():.4f}  test accuracy {accuracy:.1%}")
