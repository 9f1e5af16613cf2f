"""Building blocks of vision models: stochastic depth, DropBlock, convolution with a norm."""

from lucid.vision.ops.blocks import Conv2dNormActivation as Conv2dNormActivation
from lucid.vision.ops.blocks import SqueezeExcitation as SqueezeExcitation
from lucid.vision.ops.drop_block import DropBlock2d as DropBlock2d
from lucid.vision.ops.drop_block import DropBlock3d as DropBlock3d
from lucid.vision.ops.drop_block import drop_block2d as drop_block2d
from lucid.vision.ops.drop_block import drop_block3d as drop_block3d
from lucid.vision.ops.stochastic_depth import StochasticDepth as StochasticDepth
from lucid.vision.ops.stochastic_depth import stochastic_depth as stochastic_depth
