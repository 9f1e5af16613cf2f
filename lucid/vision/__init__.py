"""Images: data sets, augmentation and models."""

from lucid.vision import datasets as datasets
from lucid.vision import models as models
from lucid.vision import transforms as transforms
