"""A text that is replaced again and again while others read it, as cheaply as a disk allows."""

from __future__ import annotations

import contextlib
import ctypes
import os

_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None)


class SwappedFile:
    """Owns two files, kept open, which swap their names whenever there is another version.

    Readers see the former version or the new one, never none, and have it until the next but one
    is written. ext4 puts a file on disk before it is renamed over another one (auto_da_alloc), and
    looks for a new one's place past all that were deleted within a minute: two thirds of all.
    """

    def __init__(self, folder: int, name: str) -> None:
        """``folder`` is a descriptor of the directory that ``name`` is in."""
        self._folder = folder
        self._name = name
        self._spare_name = name + ".tmp"
        self._names = self._spare_name.encode(), name.encode()
        self._spare, self._spare_bytes = self._open(), 0
        self._shown, self._shown_bytes = -1, 0

    def write(self, body: bytes) -> None:
        """Another version."""
        size = len(body)
        os.pwrite(self._spare, body, 0)
        if size < self._spare_bytes:
            os.ftruncate(self._spare, size)
        shown = self._shown, self._shown_bytes
        self._shown, self._shown_bytes = self._spare, size
        if shown[0] >= 0 and self._swap():
            self._spare, self._spare_bytes = shown
            return
        folder = self._folder
        os.replace(self._spare_name, self._name, src_dir_fd=folder, dst_dir_fd=folder)
        if shown[0] >= 0:
            os.close(shown[0])
        self._spare, self._spare_bytes = self._open(), 0

    def close(self) -> None:
        """There is no further version."""
        os.close(self._spare)
        os.close(self._shown)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._spare_name, dir_fd=self._folder)

    def _swap(self) -> bool:
        """False where the file system cannot."""
        spare, name = self._names
        return not _libc.renameat2(self._folder, spare, self._folder, name, _RENAME_EXCHANGE)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        return os.open(self._spare_name, flags, 0o666, dir_fd=self._folder)
