"""Where arrays live: devices, and the array module of each."""

from lucid.backend.device import Array as Array
from lucid.backend.device import Device as Device
from lucid.backend.device import device_of as device_of
from lucid.backend.device import get_default_device as get_default_device
from lucid.backend.device import resolve as resolve
from lucid.backend.device import set_default_device as set_default_device
