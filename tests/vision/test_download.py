"""Downloads continue where they broke off, and a file is there as a whole or not at all."""

import hashlib
import io
import os
import tarfile

import pytest

from lucid.vision.datasets import DatasetError
from lucid.vision.datasets.files import Resource, download, extract_members
from tests.vision.server import serving

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several chunks
MD5 = hashlib.md5(CONTENT).hexdigest()
FILE = Resource("data.bin", MD5)


def fetch(folder, mirrors, resource=FILE):
    return download("Test", resource, str(folder), mirrors, progress=False)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def names(folder):
    return {name for name in os.listdir(folder) if not name.endswith(".lock")}


def test_fetches_a_file(tmp_path):
    with serving({"/data.bin": CONTENT}) as (url, _):
        path = fetch(tmp_path / "new", [url])
    assert read(path) == CONTENT
    assert names(tmp_path / "new") == {"data.bin"}


def test_a_file_that_is_there_is_not_fetched_again(tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    with serving({}) as (url, requests):
        fetch(tmp_path, [url])
    assert requests == []


def test_continues_after_an_interruption(tmp_path):
    def breaks_off_first(number):
        return CONTENT, 300_000 if number == 1 else None

    with serving({"/data.bin": breaks_off_first}) as (url, requests):
        with pytest.raises(
            DatasetError, match="the connection ended after 300000 of 1048576|Incom"
        ):
            fetch(tmp_path, [url])
        assert names(tmp_path) == {"data.bin.part"}
        path = fetch(tmp_path, [url])
    assert [asked for _, asked in requests] == [None, "bytes=300000-"]
    assert read(path) == CONTENT


def test_begins_again_where_the_server_can_t_continue(tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    with serving({"/data.bin": CONTENT}, ranges=False) as (url, _):
        assert read(fetch(tmp_path, [url])) == CONTENT


@pytest.mark.parametrize("rest", [b"another file's beginning", CONTENT + b"too long"])
def test_begins_again_if_what_was_left_belongs_to_another_file(rest, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(rest)
    with serving({"/data.bin": CONTENT}) as (url, requests):
        assert read(fetch(tmp_path, [url])) == CONTENT
    assert len(requests) == 2


def test_a_wrong_checksum_leaves_nothing_and_names_both(tmp_path):
    with serving({"/data.bin": CONTENT[:-1] + b"!"}) as (url, _):
        found = hashlib.md5(CONTENT[:-1] + b"!").hexdigest()
        with pytest.raises(DatasetError, match=f"the MD5 must be {MD5}; got {found}"):
            fetch(tmp_path, [url])
    assert names(tmp_path) == set()


def test_a_damaged_file_that_is_there_is_named_and_kept(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"Test: the MD5 of '.*data\.bin' must be .*delete it"):
        fetch(tmp_path, [])
    assert (tmp_path / "data.bin").read_bytes() == b"damaged"


def test_without_a_checksum_any_content_is_taken(tmp_path):
    with serving({"/data.bin": b"anything"}) as (url, _):
        assert read(fetch(tmp_path, [url], Resource("data.bin", None))) == b"anything"


def test_the_second_mirror_helps_out(tmp_path):
    with serving({"/data.bin": CONTENT}) as (url, requests):
        fetch(tmp_path, [url + "gone/", "http://127.0.0.1:9/", url])
    assert [path for path, _ in requests] == ["/gone/data.bin", "/data.bin"]


def test_offline_the_error_says_which_file_to_put_where(tmp_path):
    with pytest.raises(DatasetError) as caught:  # nobody listens on the discard port
        fetch(tmp_path / "raw", ["http://127.0.0.1:9/"])
    assert caught.match(r"Test: downloading data\.bin failed; got http://127\.0\.0\.1:9/data\.bin:")
    assert caught.match(rf"put this file .* yourself: data\.bin \({MD5}\) in '.*raw'")


def test_a_bar_on_request(tmp_path, capsys):
    with serving({"/data.bin": CONTENT}) as (url, _):
        download("Test", FILE, str(tmp_path), [url], progress=True)
    assert "data.bin" in capsys.readouterr().err


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return str(path)


def test_only_the_files_asked_for_leave_an_archive(tmp_path):
    packed = archive(tmp_path / "a.tar.gz", {"b/one": b"1", "../two": b"2", "b/three": b"3"})
    extract_members("Test", packed, str(tmp_path / "out"), ["b/one"])
    assert os.listdir(tmp_path / "out") == ["b"]
    assert os.listdir(tmp_path / "out" / "b") == ["one"]
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("cut", [0, 60])
def test_a_damaged_or_incomplete_archive_is_named(cut, tmp_path):
    packed = archive(tmp_path / "a.tar.gz", {"b/one": os.urandom(1000)})
    if cut:
        os.truncate(packed, cut)
    with pytest.raises(DatasetError, match=r"Test: '.*a\.tar\.gz' must be an archive with b/two"):
        extract_members("Test", packed, str(tmp_path), ["b/two"])
