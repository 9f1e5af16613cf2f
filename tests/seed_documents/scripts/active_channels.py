"""Seed 1, first example, with lucid for torch: how many channels stay active?"""

import lucid
import lucid.nn as nn

dropout2d = nn.Dropout2d(p=0.5)
dropout2d.train()
x = lucid.ones(4, 8, 16, 16)
output = dropout2d(x)
non_zero_channels = (output.sum(dim=(2, 3)) != 0).float()
print("Ratio of active (non-zero) channels:", non_zero_channels.mean().item())
