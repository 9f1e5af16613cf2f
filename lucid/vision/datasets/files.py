"""Files of data sets: checksums, and a download that resumes and never leaves half a file.

A download goes to ``<file>.part`` and is renamed when it is complete and its checksum is right. A
``.part`` that an interruption left is continued (HTTP Range), if the server can.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, BinaryIO, NamedTuple

from lucid.errors import LucidError

__all__ = ["DatasetError", "Resource", "check_md5", "download", "extract_members", "md5_of"]

_CHUNK = 1 << 18  # bytes between two steps of the progress bar
_TIMEOUT = 30.0  # seconds without a byte


class DatasetError(LucidError, RuntimeError):
    """A file of a data set is missing, damaged, or can't be downloaded."""


class Resource(NamedTuple):
    """A file to download, and the checksum it is published with; None if there is none."""

    filename: str
    md5: str | None


def md5_of(path: str) -> str:
    """The MD5 of a file, in hexadecimal: against damage, not against forgery."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_md5(function: str, path: str, md5: str | None) -> None:
    """Raise if the file's MD5 is another than published."""
    if md5 is not None and (found := md5_of(path)) != md5:
        raise DatasetError(
            f"{function}: the MD5 of {path!r} must be {md5}; got {found}. Hint: the file is damaged"
            " or of another version; delete it, and load it again with download=True"
        )


def download(
    function: str,
    resource: Resource,
    folder: str,
    mirrors: Sequence[str],
    progress: bool | None = None,
) -> str:
    """The path of ``folder/filename``, downloaded from the first mirror that has it.

    A file that is there already with the right checksum is taken as it is. ``progress`` None shows
    a bar if stderr is a terminal.
    """
    path = os.path.join(folder, resource.filename)
    os.makedirs(folder, exist_ok=True)
    with _one_process_at_a_time(path):
        if os.path.exists(path):
            check_md5(function, path, resource.md5)
            return path
        reasons = []
        for mirror in mirrors:
            url = mirror + resource.filename
            try:
                _download_from(function, url, path, resource.md5, progress)
                return path
            except (OSError, HTTPException, DatasetError) as error:
                reasons.append(f"{url}: {_reason(error)}")
    wanted = resource.filename if resource.md5 is None else f"{resource.filename} ({resource.md5})"
    raise DatasetError(
        f"{function}: downloading {resource.filename} failed; got {'; '.join(reasons)}. Hint:"
        f" without a network, put this file (and its MD5) there yourself: {wanted} in"
        f" {os.path.abspath(folder)!r}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__


def _download_from(
    function: str, url: str, path: str, md5: str | None, progress: bool | None
) -> None:
    part = path + ".part"
    resumed = _fetch(url, part, progress)
    if resumed and md5 is not None and md5_of(part) != md5:
        os.remove(part)  # the rest of another version: once more, as a whole
        _fetch(url, part, progress)
    if md5 is not None and (found := md5_of(part)) != md5:
        os.remove(part)
        raise DatasetError(f"the MD5 must be {md5}; got {found}")
    os.replace(part, path)


def _fetch(url: str, part: str, progress: bool | None) -> bool:
    """Download to ``part``; answers whether it continued what was there."""
    have = os.path.getsize(part) if os.path.exists(part) else 0
    request = urllib.request.Request(url, headers={"User-Agent": "lucid"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        os.remove(part)  # nothing comes after what is there: not a beginning of this file
        return _fetch(url, part, progress)
    with response:
        begins = f"bytes {have}-"
        resumes = response.status == 206 and response.headers["Content-Range"].startswith(begins)
        if response.status == 206 and not resumes:
            raise DatasetError(f"expected {begins!r}; got {response.headers['Content-Range']!r}")
        length = response.headers["Content-Length"]
        start = have if resumes else 0
        total = None if length is None else start + int(length)
        with open(part, "ab" if resumes else "wb") as file:
            _copy(response, file, os.path.basename(part)[:-5], start, total, progress)
    got = os.path.getsize(part)
    if total is not None and got != total:
        raise DatasetError(f"the connection ended after {got} of {total} bytes")
    return resumes


def _copy(
    source: Any, target: BinaryIO, name: str, start: int, total: int | None, progress: bool | None
) -> None:
    with _bar(name, start, total, progress) as advance:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            advance(len(chunk))


@contextmanager
def _bar(
    name: str, start: int, total: int | None, progress: bool | None
) -> Iterator[Callable[[int], None]]:
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total, completed=start)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _one_process_at_a_time(path: str) -> Iterator[None]:
    """All ranks of a training may ask for the same file: one downloads, the others wait."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(path + ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def extract_members(function: str, archive: str, folder: str, members: Sequence[str]) -> None:
    """Write these files of a .tar.gz below ``folder``, each as a whole or not at all.

    Nothing but the files named is written, so that no path in the archive can lead elsewhere.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in members:
                source = tar.extractfile(member)
                if source is None:
                    raise KeyError(member)
                write_whole(os.path.join(folder, member), source)
    except (tarfile.TarError, EOFError, KeyError, OSError) as error:
        raise DatasetError(
            f"{function}: {archive!r} must be an archive with {', '.join(members)}; got"
            f" {type(error).__name__}: {error}"
        ) from error


def write_whole(path: str, source: Any) -> None:
    """Copy a stream to ``path``; the file appears when it is complete."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
        os.replace(part, path)
    except BaseException:
        os.remove(part)
        raise
