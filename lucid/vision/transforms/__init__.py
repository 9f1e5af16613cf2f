"""Transforms of images, in torchvision's names.

An image is a PIL image, a NumPy array (H, W, C) or (H, W), or a tensor (..., C, H, W); most
transforms take all three and answer the same kind. Integers span their type's range (uint8: 0 to
255), floats [0, 1]. Arrays and tensors are not changed in place, unless ``inplace=True`` says so.

Random transforms draw numbers that depend on the seed, the epoch, the batch's number, the sample's
index and their own place in ``Compose``, and on nothing else: not on the number of workers.
"""

from lucid.vision.transforms import functional as functional
from lucid.vision.transforms.augmenting import AugMix as AugMix
from lucid.vision.transforms.augmenting import AutoAugment as AutoAugment
from lucid.vision.transforms.augmenting import AutoAugmentPolicy as AutoAugmentPolicy
from lucid.vision.transforms.augmenting import RandAugment as RandAugment
from lucid.vision.transforms.augmenting import TrivialAugmentWide as TrivialAugmentWide
from lucid.vision.transforms.colors import ColorJitter as ColorJitter
from lucid.vision.transforms.colors import Grayscale as Grayscale
from lucid.vision.transforms.colors import RandomGrayscale as RandomGrayscale
from lucid.vision.transforms.containers import Compose as Compose
from lucid.vision.transforms.containers import Lambda as Lambda
from lucid.vision.transforms.containers import RandomApply as RandomApply
from lucid.vision.transforms.containers import RandomChoice as RandomChoice
from lucid.vision.transforms.containers import RandomOrder as RandomOrder
from lucid.vision.transforms.conversion import ConvertImageDtype as ConvertImageDtype
from lucid.vision.transforms.conversion import Normalize as Normalize
from lucid.vision.transforms.conversion import PILToTensor as PILToTensor
from lucid.vision.transforms.conversion import ToPILImage as ToPILImage
from lucid.vision.transforms.conversion import ToTensor as ToTensor
from lucid.vision.transforms.distorting import FiveCrop as FiveCrop
from lucid.vision.transforms.distorting import GaussianBlur as GaussianBlur
from lucid.vision.transforms.distorting import RandomAdjustSharpness as RandomAdjustSharpness
from lucid.vision.transforms.distorting import RandomAffine as RandomAffine
from lucid.vision.transforms.distorting import RandomAutocontrast as RandomAutocontrast
from lucid.vision.transforms.distorting import RandomEqualize as RandomEqualize
from lucid.vision.transforms.distorting import RandomInvert as RandomInvert
from lucid.vision.transforms.distorting import RandomPerspective as RandomPerspective
from lucid.vision.transforms.distorting import RandomPosterize as RandomPosterize
from lucid.vision.transforms.distorting import RandomSolarize as RandomSolarize
from lucid.vision.transforms.distorting import TenCrop as TenCrop
from lucid.vision.transforms.erasing import Cutout as Cutout
from lucid.vision.transforms.erasing import RandomErasing as RandomErasing
from lucid.vision.transforms.mixing import CutMix as CutMix
from lucid.vision.transforms.mixing import MixedCollate as MixedCollate
from lucid.vision.transforms.mixing import MixUp as MixUp
from lucid.vision.transforms.placing import CenterCrop as CenterCrop
from lucid.vision.transforms.placing import Pad as Pad
from lucid.vision.transforms.placing import RandomCrop as RandomCrop
from lucid.vision.transforms.placing import RandomHorizontalFlip as RandomHorizontalFlip
from lucid.vision.transforms.placing import RandomVerticalFlip as RandomVerticalFlip
from lucid.vision.transforms.resampling import InterpolationMode as InterpolationMode
from lucid.vision.transforms.resizing import RandomResizedCrop as RandomResizedCrop
from lucid.vision.transforms.resizing import RandomRotation as RandomRotation
from lucid.vision.transforms.resizing import Resize as Resize
from lucid.vision.transforms.shift import RandomShift as RandomShift
