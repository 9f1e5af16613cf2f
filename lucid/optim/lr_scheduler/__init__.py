"""Learning rate schedulers: call ``scheduler.step()`` after each epoch (or each batch)."""

from lucid.optim.lr_scheduler.base import LRScheduler as LRScheduler
from lucid.optim.lr_scheduler.combined import ChainedScheduler as ChainedScheduler
from lucid.optim.lr_scheduler.combined import SequentialLR as SequentialLR
from lucid.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from lucid.optim.lr_scheduler.cosine import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from lucid.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from lucid.optim.lr_scheduler.function import LambdaLR as LambdaLR
from lucid.optim.lr_scheduler.function import MultiplicativeLR as MultiplicativeLR
from lucid.optim.lr_scheduler.one_cycle import OneCycleLR as OneCycleLR
from lucid.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from lucid.optim.lr_scheduler.step import ExponentialLR as ExponentialLR
from lucid.optim.lr_scheduler.step import MultiStepLR as MultiStepLR
from lucid.optim.lr_scheduler.step import StepLR as StepLR
from lucid.optim.lr_scheduler.warmup import ConstantLR as ConstantLR
from lucid.optim.lr_scheduler.warmup import LinearLR as LinearLR
from lucid.optim.lr_scheduler.warmup import PolynomialLR as PolynomialLR

_LRScheduler = LRScheduler  # the name in older scripts
