"""Where files come from and where they land: whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_vidai.errors import InputError, TransferError, VidaiError
from airflow_provider_vidai.files.storage import (
    CHUNK,
    WRITE_BACK,
    destination_path,
    location,
    pending_file,
    public_uri,
    source,
    storage_path,
    write_text,
)
from airflow_provider_vidai.files.titles import file_name
from tests.support.shelf import Shelf, shelf

pytestmark = pytest.mark.slow


class Boom(Exception):
    pass


def write_file(uri: str, *pieces: bytes, trouble: BaseException | None = None) -> None:
    """Write a file of ``pieces``, or run into ``trouble`` before the commit."""
    with pending_file(storage_path(uri)) as target:
        for piece in pieces:
            target.write(piece)
        if trouble:
            raise trouble
        target.commit()


@pytest.fixture
def store() -> Iterator[tuple[Shelf, str]]:
    with shelf() as attached:
        yield attached


@pytest.fixture(params=["path", "file", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, object]]:
    """The URI of a folder, and what lists the names in it, hidden ones too."""
    if request.param == "s3":
        with shelf() as (files, uri):
            yield uri, lambda: sorted(name.removeprefix("bucket/") for name in [*files.files, *files.pending])
    else:
        uri = str(tmp_path) if request.param == "path" else tmp_path.as_uri()
        yield uri, lambda: sorted(os.listdir(tmp_path))  # noqa: PTH208


# --- sources ----------------------------------------------------------------------------------


def test_a_source_is_read_in_pieces_and_knows_its_size(folder: tuple, tmp_path: Path) -> None:
    uri, _ = folder
    content = os.urandom(2 * CHUNK + 17)
    path = storage_path(f"{uri}/my clip #1 é.mp4")
    with pending_file(path) as target:
        target.write(content)
        target.commit()
    file = source(f"{uri}/my clip #1 é.mp4")
    assert file.size == len(content)
    assert file.name == "my clip #1 é.mp4"
    pieces = list(file.chunks())
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= CHUNK


def test_a_missing_source_is_named(folder: tuple) -> None:
    with pytest.raises(InputError, match=r"no\.mp4 does not exist\. Nothing was sent"):
        source(f"{folder[0]}/no.mp4")


def test_a_directory_is_not_a_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        source(str(tmp_path))


def test_a_folder_of_an_object_store_is_not_a_source(store: tuple[Shelf, str]) -> None:
    store[0].files["bucket/in/a.mp4"] = b"x"
    with pytest.raises(InputError, match="is a directory"):
        source(f"{store[1]}/in")


def test_an_empty_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="is empty"):
        source(str(tmp_path / "a.mp4"))


def test_a_source_that_may_not_be_read_is_named(store: tuple[Shelf, str]) -> None:
    store[0].read_trouble = PermissionError("Forbidden")
    with pytest.raises(InputError, match=r"cannot be read without permission \(Forbidden\)"):
        source(f"{store[1]}/a.mp4")


@pytest.mark.parametrize("uri", ["gs://bucket/a.mp4", "abfs://box/a.mp4", "https://host/a.mp4", "nosuch://a"])
def test_a_storage_that_is_not_installed_is_reported(uri: str) -> None:
    with pytest.raises(InputError, match="Install the Airflow provider of this storage"):
        source(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://staff:s3cr3t@bucket.example/a.mp4?X-Amz-Signature=s3cr3t",
        "data:video/mp4;base64," + "s3cr3t" * 99,
    ],
)
def test_a_source_that_is_a_signed_url_or_a_file_is_refused_and_not_shown(uri: str) -> None:
    with pytest.raises(VidaiError, match="Nothing was sent") as caught:
        source(uri)
    assert "s3cr3t" not in str(caught.value)


def test_none_is_not_a_source() -> None:
    with pytest.raises(InputError):
        source(None)  # type: ignore[arg-type]


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        ("/absolute/path", "absolute_path"),
        ('a\\b:c*d?e"f<g>h|i', "a_b_c_d_e_f_g_h_i"),
        ("line\nbreak\0null", "line_break_null"),
        ("Ünïcode 漢字 🎬 ok", "Ünïcode 漢字 _ ok"),
        ("job-1-0", "job-1-0"),
        ("s3://bucket/key", "s3_bucket_key"),
    ],
)
def test_a_title_becomes_a_harmless_file_name(title: str, name: str) -> None:
    assert file_name(title) == name


@pytest.mark.parametrize(
    "title", ["हिन्दी फ़िल्म", "தமிழ் படம்", "ภาพยนตร์ที่ดี", "فِيلْمٌ قَصِير", "می\u200cخواهم", "Ünïcode", "한국어"]
)
def test_a_title_keeps_the_marks_of_its_script(title: str) -> None:
    assert file_name(title) == unicodedata.normalize("NFC", title)
    assert file_name(unicodedata.normalize("NFD", title)) == unicodedata.normalize("NFC", title)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("a\u202egpj.mp4", "agpj_mp4"),
        ("a\u2066b\u2069c\u200fd\ufeff", "abcd"),
        ("a 👩‍👩‍👧 b", "a _ b"),
        ("👍🏽 yes ❤️", "yes"),
        ("\u0301lone", "lone"),
        ("z" + "\u0335" * 500, "z" + "\u0335" * 8),
        ("a\ud800b", "a_b"),
    ],
)
def test_control_characters_and_piled_up_marks_are_left_out_of_a_title(title: str, name: str) -> None:
    assert file_name(title) == name


@pytest.mark.parametrize("letter", ["क्षि", "ที่", "e\u0335\u0336", "漢"])
def test_a_long_title_is_cut_between_characters(letter: str) -> None:
    name = file_name(letter * 200 + "-0")
    assert len(name.encode()) <= 200
    assert name.endswith("-0")
    assert not unicodedata.category(name[name.rindex(letter[0], 0, -2)]).startswith("M")
    base = letter[:2] if unicodedata.category(letter[1:2] or "x").startswith("M") else letter
    assert name.count(letter[0]) * len(base) <= len(name)


@pytest.mark.parametrize("blank", [" ", "\n", "\t "])
def test_blanks_around_a_path_do_not_count(tmp_path: Path, blank: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert source(f"{blank}{tmp_path}/a.mp4{blank}").path.path == f"{tmp_path}/a.mp4"
    assert destination_path(f"{tmp_path}/out/{blank}", "a", ".mp4").path == f"{tmp_path}/out/a.mp4"


def test_a_tilde_is_the_home_folder_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage_path("~/a.mp4").path == f"{tmp_path}/a.mp4"
    for uri in ("~nobody-here/a.mp4", "file://~/a.mp4", "file:///~/a.mp4"):
        with pytest.raises(InputError, match="Nothing was sent"):
            storage_path(uri)


@pytest.mark.parametrize("name", ["a::b.mp4", "a*b.mp4", "a?b.mp4", "a[1].mp4", "a#b.mp4", "a%20b.mp4"])
def test_a_local_name_is_taken_literally_as_a_path_and_as_a_uri(tmp_path: Path, name: str) -> None:
    try:
        landed = write_text("la la", f"{tmp_path}/{name}", "x")
    except InputError as error:  # old versions of the storage layer
        assert "::" in name
        assert "would cut" in str(error)  # noqa: PT017
        assert os.listdir(tmp_path) == []  # noqa: PTH208
        return
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208
    assert source(landed["path"]).name == source(f"file://{tmp_path}/{name}").name == name


def test_what_a_storage_uri_would_lose_is_refused_by_name(store: tuple[Shelf, str]) -> None:
    for name in ("a::b.mp4", "a\nb.mp4", "a\0b.mp4", "a\x7fb.mp4"):
        with pytest.raises(InputError, match="Nothing was sent") as caught:
            storage_path(f"{store[1]}/{name}")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="control character"):
        storage_path("/tmp/a\nb.mp4")


def test_a_very_long_title_is_cut() -> None:
    assert file_name("x" * 5000) == "x" * 200


def test_a_long_title_in_any_script_fits_a_file_name(tmp_path: Path) -> None:
    path = destination_path(f"{tmp_path}/", "漢" * 300, ".mp4")
    assert len(path.name.encode()) <= 255
    with pending_file(path) as target:
        target.write(b"x")
        target.commit()


@pytest.mark.parametrize("letter", ["x", "é", "漢", "𠜎"])
def test_a_long_title_keeps_what_distinguishes_its_files(letter: str) -> None:
    names = [file_name(f"{letter * 300}-XXXXXXXX-{index}") for index in (0, 1)]
    assert [name[-11:] for name in names] == ["-XXXXXXXX-0", "-XXXXXXXX-1"]
    assert all(name.startswith(letter * 30) and len(name.encode()) <= 200 for name in names)


def test_a_destination_with_a_slash_is_a_folder_and_without_one_the_file(folder: tuple) -> None:
    uri, _ = folder
    assert str(destination_path(f"{uri}/out/", "a/b", ".mp4")).endswith("/out/a_b.mp4")
    assert str(destination_path(f"{uri}/out", "a/b", ".mp4")).endswith("/out")
    assert str(destination_path(f"{uri}/out.mov", "a/b", ".mp4")).endswith("/out.mov")


@pytest.mark.parametrize("stem", ["../../x", "/etc/x", "..", "a/../../b"])
def test_a_title_never_leads_out_of_its_folder(tmp_path: Path, stem: str) -> None:
    path = destination_path(f"{tmp_path}/", stem, ".mp4")
    assert Path(path.path).resolve().parent == tmp_path.resolve()


def test_a_public_uri_is_absolute_and_names_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: tuple[Shelf, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert public_uri(storage_path("a.mp4")) == f"file://{tmp_path}/a.mp4"
    assert public_uri(storage_path(f"file://{tmp_path}/a.mp4")) == f"file://{tmp_path}/a.mp4"
    assert public_uri(storage_path(f"{store[1]}/x/a.mp4")) == "s3://bucket/x/a.mp4"


def test_a_public_uri_leads_back_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "my clip é.mp4").write_bytes(b"x")
    assert source(public_uri(storage_path(str(tmp_path / "my clip é.mp4")))).size == 1


def test_the_next_task_reads_a_file_over_the_same_connection(store: tuple[Shelf, str]) -> None:
    uri = store[1]
    landed = write_text("la la", f"{uri}/out/", "song #1")
    assert landed["uri"] == "s3://bucket/out/song _1.txt"
    assert landed["path"] == f"{uri}/out/song _1.txt"
    assert b"".join(source(landed["path"]).chunks()) == b"la la"


def test_a_local_files_path_is_its_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    landed = write_text("la la", "a song.txt", "song")
    assert landed["path"] == landed["uri"] == f"file://{tmp_path}/a song.txt"
    assert source(landed["path"]).size == 5


def test_a_path_holds_no_password(tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    path = storage_path("s3://AKIA:s3cr3t@bucket/a.mp4")
    assert location(path) == {"uri": "s3://bucket/a.mp4", "path": "s3://bucket/a.mp4"}


# --- writing ----------------------------------------------------------------------------------


def test_nothing_is_there_before_the_commit_and_the_whole_file_after_it(folder: tuple) -> None:
    uri, names = folder
    path = storage_path(f"{uri}/a.mp4")
    with pending_file(path) as target:
        target.write(b"one")
        target.write(b"two")
        assert not path.exists()
        target.commit()
        assert path.read_bytes() == b"onetwo"
    assert names() == ["a.mp4"]


def test_a_failure_leaves_nothing_behind(folder: tuple) -> None:
    uri, names = folder
    with pytest.raises(Boom):
        write_file(f"{uri}/a.mp4", b"half", trouble=Boom())
    assert names() == []


@pytest.mark.parametrize("way", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_being_killed_leaves_nothing_behind(folder: tuple, way: type[BaseException]) -> None:
    uri, names = folder
    with pytest.raises(way):
        write_file(f"{uri}/a.mp4", b"half", trouble=way())
    assert names() == []


def test_leaving_without_a_commit_leaves_nothing_behind(folder: tuple) -> None:
    uri, names = folder
    with pending_file(storage_path(f"{uri}/a.mp4")) as target:
        target.write(b"half")
    assert names() == []


def test_an_abandoned_file_does_not_commit_itself_when_it_is_collected(folder: tuple) -> None:
    import gc

    uri, names = folder
    with pytest.raises(Boom):
        write_file(f"{uri}/a.mp4", b"half", trouble=Boom())
    gc.collect()
    assert names() == []


def test_an_existing_file_is_replaced_only_by_the_commit(folder: tuple) -> None:
    uri, names = folder
    path = storage_path(f"{uri}/a.mp4")
    for content in (b"old", b"new"):
        with pending_file(path) as target:
            target.write(content)
            if content == b"new":
                assert path.read_bytes() == b"old"
            target.commit()
    assert path.read_bytes() == b"new"
    with pytest.raises(Boom):
        write_file(f"{uri}/a.mp4", b"newest", trouble=Boom())
    assert path.read_bytes() == b"new"
    assert names() == ["a.mp4"]


def test_beginning_again_forgets_what_was_written(folder: tuple) -> None:
    uri, names = folder
    path = storage_path(f"{uri}/a.mp4")
    with pending_file(path) as target:
        target.write(b"first try")
        target.open()
        target.write(b"second")
        target.commit()
    assert path.read_bytes() == b"second"
    assert names() == ["a.mp4"]


def test_two_writers_of_one_file_do_not_mix(folder: tuple) -> None:
    uri, names = folder
    path = storage_path(f"{uri}/a.mp4")
    with pending_file(path) as one, pending_file(path) as other:
        one.write(b"1" * 10)
        other.write(b"2" * 20)
        one.commit()
        other.commit()
    assert path.read_bytes() == b"2" * 20
    assert names() == ["a.mp4"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with pending_file(storage_path(f"{tmp_path}/a/b/c.mp4")) as target:
        target.write(b"x")
        target.commit()
    assert (tmp_path / "a" / "b" / "c.mp4").read_bytes() == b"x"


def test_a_name_as_long_as_the_disk_allows_can_be_landed(tmp_path: Path) -> None:
    name = "x" * 251 + ".mp4"
    with pending_file(storage_path(str(tmp_path / name))) as target:
        target.write(b"x")
        target.commit()
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208


def test_a_text_is_written_as_a_file_under_its_title(folder: tuple) -> None:
    uri, names = folder
    text = "[Verse]\nIch höre den Regen"
    landed = write_text(text, f"{uri}/", "Rain / June-0")
    assert names() == ["Rain _ June-0.txt"]
    with source(f"{uri}/Rain _ June-0.txt").open() as file:
        data = file.read()
    assert data.decode() == text
    assert landed == {
        **location(storage_path(f"{uri}/Rain _ June-0.txt")),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "complete": True,
        "content_type": "text/plain",
    }


def test_a_text_that_does_not_fit_leaves_nothing(store: tuple[Shelf, str]) -> None:
    files, uri = store
    files.room = 3
    with pytest.raises(TransferError, match="no space left"):
        write_text("four", f"{uri}/", "a")
    assert (files.files, files.pending) == ({}, [])


def test_a_full_object_store_is_reported_and_nothing_is_left(store: tuple[Shelf, str]) -> None:
    store[0].room = 10
    with pytest.raises(TransferError, match="no space left on the destination") as caught:
        write_file(f"{store[1]}/a.mp4", b"x" * 8, b"x" * 8)
    assert caught.value.retryable
    assert (store[0].files, store[0].pending) == ({}, [])


def test_a_commit_that_fails_leaves_nothing_and_the_old_file_in_place(store: tuple[Shelf, str]) -> None:
    store[0].files["bucket/a.mp4"] = b"old"
    store[0].commit_trouble = OSError(errno.EIO, "Input/output error")
    with pytest.raises(TransferError, match=r"Writing .* failed") as caught:
        write_file(f"{store[1]}/a.mp4", b"new")
    assert caught.value.retryable
    assert (store[0].files, store[0].pending) == ({"bucket/a.mp4": b"old"}, [])


def test_a_bucket_that_may_not_be_written_fails_permanently(store: tuple[Shelf, str]) -> None:
    store[0].room, store[0].trouble = 0, PermissionError("Access Denied")
    with pytest.raises(TransferError, match="cannot be written: Access Denied") as caught:
        write_file(f"{store[1]}/a.mp4", b"x")
    assert not caught.value.retryable


def test_a_file_that_is_written_back_while_it_arrives_is_whole(tmp_path: Path) -> None:
    pieces = [bytes([number]) * (3 << 20) for number in range(25)]
    assert sum(map(len, pieces)) > 2 * WRITE_BACK
    write_file(str(tmp_path / "a.mp4"), *pieces)
    assert (tmp_path / "a.mp4").read_bytes() == b"".join(pieces)


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Let this process write no file of more than 8 MiB: a disk that fails midway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, hard))
    try:
        yield  # not as a fixture: the test's own report may go to a file
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fails_midway_keeps_the_old_file_and_no_part(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(TransferError, match=r"Writing .* failed"), small_files():
        write_file(str(tmp_path / "a.mp4"), *[b"x" * (5 << 20)] * 2)
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_a_directory_cannot_be_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(TransferError, match="end it with '/' to write files into it") as caught:
        write_file(str(tmp_path / "out"), b"x")
    assert not caught.value.retryable
    assert os.listdir(tmp_path / "out") == []  # noqa: PTH208


def test_no_file_can_be_written_into_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(TransferError) as caught:
        write_file(str(tmp_path / "out" / "a.mp4"), b"x")
    assert "Nothing was left there" in str(caught.value)
    assert (tmp_path / "out").read_bytes() == b"a file"


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that refuses even root")
def test_a_folder_that_may_not_be_written_fails_permanently() -> None:
    # /sys refuses even root.
    with pytest.raises(TransferError, match=r"cannot be written: .* Nothing was left there") as caught:
        write_file("/sys/vidai/a.mp4", b"x")
    assert not caught.value.retryable
