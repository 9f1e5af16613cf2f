"""One model, two devices: on an NVIDIA GPU dropout drops the same channels as on the CPU."""

import lucid
from lucid import nn

lucid.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.5))
x = lucid.randn(2, 3, 16, 16)
masks = []

for name in ["cpu", "cuda"] if lucid.cuda.is_available() else ["cpu"]:
    device = lucid.device(name)
    lucid.manual_seed(1)  # one generator serves every device
    y = model.to(device)(x.to(device))
    masks.append(model[2].mask.cpu().flatten(1))
    print(f"{y.device}: mean {y.mean().item():.4f}, channels kept in each image:")
    print(masks[-1])

if len(masks) == 2:
    print("the same channels on both:", lucid.equal(*masks))
else:
    print("no second device to compare with:", lucid.cuda.why_unavailable())
