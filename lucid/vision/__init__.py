"""Images: data sets, transforms, models and their building blocks, in torchvision's names."""

from lucid.vision import datasets as datasets
from lucid.vision import models as models
from lucid.vision import ops as ops
from lucid.vision import transforms as transforms
from lucid.vision import utils as utils
