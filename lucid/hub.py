"""Weights from the web: PyTorch's ``hub`` and ``utils.model_zoo`` functions for state files.

Files are kept in ``get_dir()/checkpoints`` and downloaded once. ``lucid.load`` reads them,
PyTorch's own included, without running anything that is in them.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any
from urllib.parse import urlparse

from lucid.errors import CheckpointError
from lucid.serialization import load as _load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # name-<first digits of its SHA-256>.pth
_chosen: str | None = None


def get_dir() -> str:
    """The folder of downloads: set_dir's, or ``$LUCID_HOME/hub``, or ``~/.cache/lucid/hub``."""
    if _chosen is not None:
        return _chosen
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = os.environ.get("LUCID_HOME", os.path.join(cache, "lucid"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep downloads in this folder, until the process ends."""
    global _chosen
    _chosen = os.path.expanduser(os.fspath(d))


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """What ``lucid.load`` finds in the file at ``url``, downloaded if it isn't there yet.

    check_hash: the file's name ends in ``-<digits>.<suffix>``, the first digits of its SHA-256;
        a download that has others is refused.
    weights_only: accepted for PyTorch's sake; nothing in a file is ever run.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        match = HASH_REGEX.search(name) if check_hash else None
        if check_hash and match is None:
            raise ValueError(
                "load_state_dict_from_url: check_hash needs a name that ends in -<digits>.<suffix>;"
                f" got {name!r}. Hint: check_hash=False"
            )
        download_url_to_file(url, path, match.group(1) if match else None, progress)
    return _load(path, map_location=map_location)


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download ``url`` to the path ``dst``, which appears only when it is complete and right.

    hash_prefix: what its SHA-256, in hexadecimal, must begin with.
    """
    from lucid.vision.datasets.files import Resource, download

    path = os.fspath(dst)
    folder, name = os.path.dirname(path) or ".", url.rsplit("/", 1)[-1]
    source = [url[: len(url) - len(name)]]
    fetched = download(
        "download_url_to_file", Resource(name, None), folder, source, None if progress else False
    )
    if hash_prefix is not None:
        with open(fetched, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(hash_prefix):
            os.remove(fetched)
            raise CheckpointError(
                f"download_url_to_file: the SHA-256 of {url} must begin with {hash_prefix}; got"
                f" {found}. Hint: the file is damaged or of another version; try again"
            )
    if fetched != path:
        os.replace(fetched, path)


def __getattr__(name: str) -> Any:
    if name in ("load", "list", "help"):
        raise AttributeError(
            f"lucid.hub: code of a repository on the web is not run; got a use of {name!r}. Hint:"
            " copy its model file, and load its weights with load_state_dict_from_url"
        )
    raise AttributeError(f"module 'lucid.hub' has no attribute {name!r}")
