"""How much of a plain copy's speed does dropout reach here? Both take turns, so noise is shared."""

import lucid
from lucid import nn
from lucid.testing.measure import copier, interleave, ratio

x = lucid.randn(2**20)
drop = nn.Dropout(0.3)
seconds = interleave(
    {"copy": copier(x.device, x.nbytes), "dropout": lambda: drop(x)},
    rounds=9,
    synchronize=x.device.synchronize,
)
share = ratio(seconds["copy"], seconds["dropout"])
print(f"dropout of {x.numel():,} numbers runs at {share.median:.0%} of a copy's speed")
print(f"(half of the rounds between {share.low:.0%} and {share.high:.0%})")
