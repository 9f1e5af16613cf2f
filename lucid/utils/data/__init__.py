"""Datasets, samplers and the DataLoader."""

from lucid.utils.data import dataloader as dataloader
from lucid.utils.data.collate import default_collate as default_collate
from lucid.utils.data.collate import default_convert as default_convert
from lucid.utils.data.dataset import ChainDataset as ChainDataset
from lucid.utils.data.dataset import ConcatDataset as ConcatDataset
from lucid.utils.data.dataset import Dataset as Dataset
from lucid.utils.data.dataset import IterableDataset as IterableDataset
from lucid.utils.data.dataset import StackDataset as StackDataset
from lucid.utils.data.dataset import Subset as Subset
from lucid.utils.data.dataset import TensorDataset as TensorDataset
from lucid.utils.data.dataset import random_split as random_split
from lucid.utils.data.distributed import DistributedSampler as DistributedSampler
from lucid.utils.data.loader import DataLoader as DataLoader
from lucid.utils.data.sampler import BatchSampler as BatchSampler
from lucid.utils.data.sampler import RandomSampler as RandomSampler
from lucid.utils.data.sampler import Sampler as Sampler
from lucid.utils.data.sampler import SequentialSampler as SequentialSampler
from lucid.utils.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from lucid.utils.data.sampler import WeightedRandomSampler as WeightedRandomSampler
from lucid.utils.data.worker import get_worker_info as get_worker_info
