"""Train a CNN with Dropout2d on real handwritten digits: 20 lines, ten seconds."""

import lucid
from lucid import optim
from lucid.nn.functional import cross_entropy
from lucid.utils.data import DataLoader
from lucid.vision.datasets import Digits
from lucid.vision.models import digits_cnn

lucid.manual_seed(0)  # the same seed gives the same weights, bit for bit
train, test = Digits(train=True), Digits(train=False)
loader = DataLoader(train, batch_size=64, shuffle=True)
model = digits_cnn("relu")
optimizer = optim.AdamW(model.parameters(), lr=5e-3)
epochs = 6
schedule = optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * len(loader))

for epoch in range(1, epochs + 1):
    model.train()
    for images, labels in loader:
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with lucid.no_grad():
        right = model(test.images).argmax(1) == test.labels
    accuracy = right.float().mean().item()
    print(f"epoch {epoch:2}  loss {loss.item():.4f}  test accuracy {accuracy:.1%}")
