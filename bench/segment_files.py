"""Segments as files of a directory, the next of which take the space of those that expired."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from segmenter.media import Payload

IOV_MAX = 1024
_NEW = "new.tmp"
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class SegmentFiles:
    """Owns the files of one rendition: a segment that grows, those that are whole, a spare one.

    A segment has its name as soon as it is whole. One that expired loses it at once; if nobody has
    it open then, the next segment is written over it, as databases do with their logs; else it is
    deleted, and whoever reads it reads on. To delete a file and to create one costs ext4 as much as
    to copy a megabyte. Descriptors are kept open, as many as the window has segments.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` is created if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        self._whole: dict[int, tuple[int, int]] = {}
        """By number: the descriptor and the size in bytes; of the spare one its size, too."""
        self._spare: tuple[int, int] | None = None
        self._growing: int | None = None
        self._size = self._former_size = 0

    def append(self, pieces: Sequence[Payload]) -> None:
        """The segment that grows has these bytes, too."""
        file = self._growing
        if file is None:
            file = self._growing = self._begin()
        for start in range(0, len(pieces), IOV_MAX):
            self._size += os.pwritev(file, pieces[start : start + IOV_MAX], self._size)

    def complete(self, msn: int) -> None:
        """The segment that grows is whole: ``msn`` is its number."""
        file = self._growing
        assert file is not None, "a segment has parts"
        if self._size < self._former_size:
            os.ftruncate(file, self._size)
        self._rename(_hidden(file), _shown(msn))
        self._whole[msn] = file, self._size
        self._growing = None

    def drop(self, msn: int) -> None:
        """A segment has left the window."""
        file, size = self._whole.pop(msn)
        self._rename(_shown(msn), _hidden(file))
        if self._spare is None and _is_ours_alone(file):
            self._spare = file, size
        else:
            self._delete(file)

    def close(self) -> None:
        """Nothing more is written; what is whole stays."""
        if self._growing is not None:
            self._delete(self._growing)
        if self._spare is not None:
            self._delete(self._spare[0])
        for file, _ in self._whole.values():
            os.close(file)
        os.close(self._folder)

    def _begin(self) -> int:
        self._size = 0
        if self._spare is not None:
            (file, self._former_size), self._spare = self._spare, None
            return file
        self._former_size = 0
        file = os.open(_NEW, _CREATE, 0o666, dir_fd=self._folder)
        self._rename(_NEW, _hidden(file))
        return file

    def _delete(self, file: int) -> None:
        os.unlink(_hidden(file), dir_fd=self._folder)
        os.close(file)

    def _rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)


def _shown(msn: int) -> str:
    return f"{msn}.m4s"


def _hidden(file: int) -> str:
    return f"{file}.tmp"


def _is_ours_alone(file: int) -> bool:
    """Whether nobody else has the file open: else no lease to write it is granted (fcntl(2))."""
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True
