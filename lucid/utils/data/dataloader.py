"""PyTorch's path: ``from lucid.utils.data.dataloader import DataLoader``."""

from lucid.utils.data.collate import default_collate as default_collate
from lucid.utils.data.collate import default_convert as default_convert
from lucid.utils.data.loader import DataLoader as DataLoader
from lucid.utils.data.worker import get_worker_info as get_worker_info
