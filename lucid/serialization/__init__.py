"""save and load: checkpoints that never run code, in one safetensors file."""

from lucid.serialization.allowed import add_safe_globals as add_safe_globals
from lucid.serialization.allowed import clear_safe_globals as clear_safe_globals
from lucid.serialization.allowed import get_safe_globals as get_safe_globals
from lucid.serialization.allowed import safe_globals as safe_globals
from lucid.serialization.loading import load as load
from lucid.serialization.saving import save as save
