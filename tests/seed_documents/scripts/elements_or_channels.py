"""Seed 1, second example, with lucid for torch: Dropout beside Dropout2d."""

import lucid
import lucid.nn as nn

dropout1d = nn.Dropout(0.5)
dropout2d = nn.Dropout2d(0.5)
x = lucid.randn(2, 4, 8, 8)
out1 = dropout1d(x)
out2 = dropout2d(x)
print("Dropout output shape:", out1.shape)
print("Dropout2d output shape:", out2.shape)
print(out1[0, 0])
print(out2[0, 0])
