"""A trainer that takes milliseconds but has all kinds of state: batch norm, dropout, shifts."""

import lucid
from lucid import nn, optim
from lucid.train.trainer import Trainer
from lucid.utils.data import DataLoader, TensorDataset
from lucid.vision.transforms import RandomShift

EPOCHS, STEPS = 3, 5  # of 8 images each


def make(device="cpu", seed=0, lr=0.02, workers=0, epochs=EPOCHS):
    """At its beginning."""
    lucid.manual_seed(0)  # the same images for every seed
    images, labels = lucid.randn(40, 1, 4, 4, device="cpu"), lucid.arange(40, device="cpu") % 2
    images[labels == 1] += 2.0
    lucid.manual_seed(seed)
    order = lucid.Generator().manual_seed(seed)
    data = TensorDataset(images, labels)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.2), nn.Flatten(),
        nn.Linear(16, 2),
    ).to(device)  # fmt: skip
    optimizer = optim.AdamW(model.parameters(), lr=lr)
    return Trainer(
        model,
        optimizer,
        optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * STEPS),
        DataLoader(data, 8, shuffle=True, generator=order, num_workers=workers),
        DataLoader(data, 40, generator=lucid.Generator()),
        epochs=epochs,
        augment=RandomShift(1),
        device=device,
    )
