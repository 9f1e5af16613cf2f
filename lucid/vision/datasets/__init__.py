"""Data sets of images, in torchvision's names, file formats and folders; the digits come along."""

from lucid.vision.datasets.cifar import CIFAR10 as CIFAR10
from lucid.vision.datasets.cifar import CIFAR100 as CIFAR100
from lucid.vision.datasets.digits import Digits as Digits
from lucid.vision.datasets.fake import FakeData as FakeData
from lucid.vision.datasets.files import DatasetError as DatasetError
from lucid.vision.datasets.folder import IMG_EXTENSIONS as IMG_EXTENSIONS
from lucid.vision.datasets.folder import DatasetFolder as DatasetFolder
from lucid.vision.datasets.folder import ImageFolder as ImageFolder
from lucid.vision.datasets.folder import find_classes as find_classes
from lucid.vision.datasets.folder import make_dataset as make_dataset
from lucid.vision.datasets.mnist import KMNIST as KMNIST
from lucid.vision.datasets.mnist import MNIST as MNIST
from lucid.vision.datasets.mnist import FashionMNIST as FashionMNIST
from lucid.vision.datasets.vision import StandardTransform as StandardTransform
from lucid.vision.datasets.vision import VisionDataset as VisionDataset
