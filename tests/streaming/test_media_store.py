"""The media store on a real memfd: what was appended is read, what was freed is not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streaming import media_store
from streaming.media_store import MediaStore, StoreReader, default_limit_bytes
from streaming.store_ledger import Log


def reader(store: MediaStore) -> StoreReader:
    return StoreReader(store.open_reader())


def append(store: MediaStore, log: Log, data: bytes, *, starts: bool = True) -> int:
    offset = store.append(log, [data], len(data), starts_segment=starts)
    assert offset is not None
    return offset


def pages_held(store: MediaStore) -> int:
    return os.stat(store._file).st_blocks * 512 // 4096


def test_pieces_are_read_back_in_one() -> None:
    store = MediaStore()
    pieces = [b"moof", bytes(100_000), b"end"]
    offset = store.append(Log(), pieces, 100_007, starts_segment=True)
    assert offset is not None
    assert reader(store).read(offset, 100_007) == b"".join(pieces)


def test_any_number_of_pieces_is_written() -> None:
    store = MediaStore()
    pieces = [bytes([n % 251]) for n in range(5000)]
    offset = store.append(Log(), pieces, 5000, starts_segment=True)
    assert offset is not None
    assert reader(store).read(offset, 5000) == b"".join(pieces)


def test_a_segment_is_the_range_over_its_parts() -> None:
    store, log = MediaStore(), Log()
    offset = append(store, log, b"first")
    append(store, Log(), b"another rendition's")
    append(store, log, b"second", starts=False)
    assert reader(store).read(offset, 11) == b"firstsecond"


def test_what_was_freed_is_never_taken_for_zeros() -> None:
    store, log = MediaStore(), Log()
    first = append(store, log, b"a" * 10_000)
    second = append(store, log, b"b" * 10_000)
    store.free(log, second)
    ours = reader(store)
    assert ours.read(first, 10_000) is None
    assert ours.read(first + 9_000, 100) is None
    assert ours.read(second, 10_000) == b"b" * 10_000


def test_what_was_never_written_is_not_read() -> None:
    store = MediaStore()
    offset = append(store, Log(), b"abc")
    assert reader(store).read(offset, 4) is None


def test_freed_pages_go_back_to_the_system() -> None:
    store, log = MediaStore(), Log()
    for _ in range(20):
        last = append(store, log, bytes(100_000))
    before = pages_held(store)
    store.free(log, last)
    assert before > 480
    assert pages_held(store) < 30
    store.close_log(log)
    assert pages_held(store) <= 1  # the marks
    assert store.statistics().held_bytes == 0


def test_a_reader_cannot_write() -> None:
    store = MediaStore()
    offset = append(store, Log(), b"abc")
    descriptor = store.open_reader()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(descriptor, b"x", offset)
    os.close(descriptor)


def test_readers_outlive_the_store() -> None:
    store = MediaStore()
    offset = append(store, Log(), b"abc")
    ours = reader(store)
    store.close()
    assert ours.read(offset, 3) == b"abc"


def test_over_its_limit_it_refuses_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    store, log = MediaStore(limit_bytes=10), Log()
    append(store, log, b"12345678")
    for _ in range(3):
        assert store.append(log, [b"123"], 3, starts_segment=True) is None
    assert store.statistics().refused == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM])
def test_a_full_system_is_survived(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    store, log = MediaStore(), Log()
    before = append(store, log, b"before")

    def full(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        assert store.append(log, [b"lost"], 4, starts_segment=True) is None
    after = append(store, log, b"after")
    ours = reader(store)
    assert (ours.read(before, 6), ours.read(after, 5)) == (b"before", b"after")
    assert store.statistics().refused == 1


def test_what_the_kernel_takes_in_two_goes_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Callable[..., int] = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda file, pieces, at: whole(file, [pieces[0][:2]], at))
    store = MediaStore()
    offset = store.append(Log(), [b"abc", b"def"], 6, starts_segment=True)
    assert offset is not None
    assert reader(store).read(offset, 6) == b"abcdef"


@pytest.mark.parametrize("has_holes", [True, False])
def test_without_memfd_a_file_without_a_name_does_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_holes: bool
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    if not has_holes:
        monkeypatch.setattr(media_store, "_fallocate", None)
    store, log = MediaStore(), Log()
    first = append(store, log, b"a" * 10_000)
    second = append(store, log, b"b" * 10_000)
    store.free(log, second)
    ours = reader(store)
    assert not store.statistics().in_memory
    assert list(tmp_path.iterdir()) == []
    assert (ours.read(first, 100), ours.read(second, 10_000)) == (None, b"b" * 10_000)


def test_the_default_limit_leaves_half_of_the_machine() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < default_limit_bytes() <= total / 2
