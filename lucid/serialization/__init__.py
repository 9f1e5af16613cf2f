"""save and load: checkpoints that never run code, in one safetensors file."""

from lucid.serialization.loading import load as load
from lucid.serialization.saving import save as save
