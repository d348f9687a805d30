"""Benchmark (a) writes segments over those that expired, and never under a reader's hands."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.segment_files import IOV_MAX, SegmentFiles


def test_a_segment_takes_the_file_of_one_that_expired(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    first = _write(files, tmp_path, 1, b"a long first segment")
    files.drop(1)
    second = _write(files, tmp_path, 2, b"the second")
    assert not first.exists()
    assert second.read_bytes() == b"the second"
    inode = second.stat().st_ino
    files.drop(2)
    assert _write(files, tmp_path, 3, b"longer than it").stat().st_ino == inode
    files.close()
    assert [file.name for file in tmp_path.iterdir()] == ["3.m4s"]


def test_who_reads_a_segment_that_expires_reads_on(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    with open(_write(files, tmp_path, 1, b"first"), "rb", buffering=0) as reader:
        files.drop(1)
        assert _write(files, tmp_path, 2, b"other").read_bytes() == b"other"
        assert reader.read() == b"first"
    files.close()
    assert [file.name for file in tmp_path.iterdir()] == ["2.m4s"]


def test_a_segment_has_a_name_when_it_is_whole(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    _write(files, tmp_path, 1, b"first")
    files.append([b"sec"])
    files.drop(1)
    assert not list(tmp_path.glob("*.m4s"))
    files.append([b"ond"])
    files.complete(2)
    assert (tmp_path / "2.m4s").read_bytes() == b"second"
    files.append([b"third"])
    files.close()
    assert [file.name for file in tmp_path.iterdir()] == ["2.m4s"]


def test_a_part_may_have_more_pieces_than_are_written_at_once(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    files.append([b"%d," % at for at in range(2 * IOV_MAX + 1)])
    files.complete(7)
    assert (tmp_path / "7.m4s").read_bytes().count(b",") == 2 * IOV_MAX + 1
    files.close()


def test_two_that_expire_at_once_leave_one_file(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    _write(files, tmp_path, 1, b"first")
    _write(files, tmp_path, 2, b"second")
    files.drop(1)
    files.drop(2)
    assert len(list(tmp_path.iterdir())) == 1
    files.close()
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_cannot_expire(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    with pytest.raises(KeyError):
        files.drop(1)
    files.close()


def _write(files: SegmentFiles, folder: Path, msn: int, body: bytes) -> Path:
    files.append([body])
    files.complete(msn)
    return folder / f"{msn}.m4s"
