"""Saving to memory and back, and forging a file: for the tests of save and load."""

import io
import json
import zlib

from lucid.serialization import load, save


def roundtrip(obj, **how):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **how)


def saved(obj):
    file = io.BytesIO()
    save(obj, file)
    return file.getvalue()


def resealed(data, change):
    """The file with its header changed, and the checksum made to fit: a forgery."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    header["__metadata__"]["lucid.crc32"] = "0" * 8
    text = json.dumps(header, separators=(",", ":")).encode()
    crc = zlib.crc32(len(text).to_bytes(8, "little") + text)
    text = text.replace(b"0" * 8, b"%08x" % crc, 1)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]
