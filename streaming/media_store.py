"""The media store: every live window's bytes, once, in memory that processes share.

A sparse file without a name (a memfd, else an unlinked temporary file): the main process appends
parts as they are made and punches holes where segments expire, delivery processes inherit the
descriptor and read what they are asked for. Bytes that nobody asks for cost a delivery process
nothing, and the main process keeps none of its own.

A mark for each region, at the beginning of the file, says what has been freed. It is written
before the hole is made and read after the bytes, so a reader never takes zeros for media.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import logging
import os
import struct
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from segmenter.media import Payload
from streaming.store_ledger import Freed, Geometry, Log, StoreLedger

logger = logging.getLogger(__name__)

_MEMORY: Final = Geometry(region_bytes=1 << 36, region_count=1 << 20, room_bytes=1 << 30)
"""64 GiB are 18 hours at 8 Mb/s. tmpfs files may reach 2**63 bytes, of which this uses 2**56."""
_DISK: Final = Geometry(region_bytes=1 << 28, region_count=1 << 15, room_bytes=1 << 26)
"""A file on ext4 may reach 2**44 bytes; without holes each rendition takes one region or two."""

MEMORY_SHARE: Final = 0.5
"""Of the machine's (or the control group's) memory, when nothing is configured: the rest is for
encoders, delivery processes' caches and socket buffers."""

REFUSAL_LOG_S: Final = 60.0
"""A full store is told of so often, for parts are refused five times a second and more."""

_IOV_MAX: Final = 1024
_MARK: Final = struct.Struct("<Q")
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """How full the store is; counters only rise."""

    held_bytes: int
    limit_bytes: int
    written_bytes: int
    refused: int
    """How often there was no room for a part."""
    in_memory: bool


class MediaStore:
    """Owns the file; the shelf's feed appends and frees, `descriptor` goes to delivery processes.

    Appending never raises: what cannot be kept is refused, logged and counted.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self._file, geometry = _open_file()
        self._close = weakref.finalize(self, os.close, self._file)
        self._ledger = StoreLedger(geometry, limit_bytes or default_limit_bytes())
        self._punches_holes = geometry.punches_holes
        self._written_bytes = 0
        self._refused = 0
        self._told_at = -REFUSAL_LOG_S

    def append(
        self, log: Log, pieces: Sequence[Payload], size: int, *, starts_segment: bool
    ) -> int | None:
        """Writes the ``size`` bytes of ``pieces`` at the end of ``log``.

        Gives their offset, or None where there is no room for them.
        """
        offset = self._ledger.allocate(log, size, starts_segment=starts_segment)
        if offset is None:
            self._refuse(f"it holds {self._ledger.held_bytes} bytes of {self._ledger.limit_bytes}")
            return None
        try:
            self._write(pieces, offset, size)
        except OSError as error:
            self._ledger.take_back(log, offset)
            self._refuse(str(error))
            return None
        self._written_bytes += size
        return offset

    def free(self, log: Log, before: int | None) -> None:
        """The log needs nothing any more of what lies before offset ``before`` (None: nothing)."""
        for freed in self._ledger.free(log, before):
            self._free(freed)

    def close_log(self, log: Log) -> None:
        """The log needs nothing any more."""
        for freed in self._ledger.close(log):
            self._free(freed)

    def open_reader(self) -> int:
        """A descriptor of the file for a process that only reads; the caller closes it."""
        try:
            return os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no /proc
            return os.dup(self._file)

    def statistics(self) -> StoreStatistics:
        """A snapshot for metrics."""
        return StoreStatistics(
            held_bytes=self._ledger.held_bytes,
            limit_bytes=self._ledger.limit_bytes,
            written_bytes=self._written_bytes,
            refused=self._refused,
            in_memory=is_memory(self._file),
        )

    def close(self) -> None:
        """Everything goes once the last reader has closed its descriptor."""
        self._close()

    def _write(self, pieces: Sequence[Payload], offset: int, size: int) -> None:
        if len(pieces) > _IOV_MAX:
            pieces = [b"".join(pieces)]
        written = os.pwritev(self._file, pieces, offset)
        while written < size:
            rest = memoryview(b"".join(pieces))[written:]
            written += os.pwrite(self._file, rest, offset + written)

    def _free(self, freed: Freed) -> None:
        try:
            os.pwrite(self._file, _MARK.pack(freed.mark), freed.region * _MARK.size)
            if freed.length and self._punches_holes:
                punch_hole(self._file, freed.offset, freed.length)
        except OSError as error:
            logger.error("media store: %d bytes cannot be freed: %s", freed.length, error)

    def _refuse(self, why: str) -> None:
        self._refused += 1
        now = time.monotonic()
        if now - self._told_at >= REFUSAL_LOG_S:
            self._told_at = now
            logger.error("media store: no room: %s", why)


class StoreReader:
    """Reads the store in a delivery process; owns its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        self._region_bytes = (_MEMORY if is_memory(descriptor) else _DISK).region_bytes

    def read(self, offset: int, size: int) -> bytes | None:
        """The bytes at ``offset``; None when they have been freed."""
        data = os.pread(self._file, size, offset)
        mark = os.pread(self._file, _MARK.size, offset // self._region_bytes * _MARK.size)
        is_freed = len(mark) == _MARK.size and _MARK.unpack(mark)[0] > offset
        return None if is_freed or len(data) != size else data


def default_limit_bytes() -> int:
    """MEMORY_SHARE of what this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            total = min(total, int(file.read()))
    except (OSError, ValueError):  # no control group, or "max"
        pass
    return int(total * MEMORY_SHARE)


def is_memory(descriptor: int) -> bool:
    """Whether the store behind ``descriptor`` is a memfd."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")
    except OSError:
        return False


def _load_fallocate() -> Callable[[int, int, int, int], int] | None:
    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    except AttributeError:  # Linux alone has it
        return None
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return cast(Callable[[int, int, int, int], int], fallocate)


_fallocate: Final = _load_fallocate()


def punch_hole(file: int, offset: int, length: int) -> None:
    """Gives whole pages of ``file`` back to the system. Raises OSError."""
    if _fallocate is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, offset, length):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _open_file() -> tuple[int, Geometry]:
    """An empty file without a name, and how it is to be used."""
    try:
        memory = os.memfd_create("headwater-media")
    except (AttributeError, OSError) as error:
        logger.warning("media store: no memfd (%s), a temporary file instead", error)
        return _open_disk()
    try:
        # A limit on file sizes (ulimit -f) would refuse what is far out in a sparse file.
        os.pwrite(memory, b"\0", _MEMORY.region_bytes * (_MEMORY.region_count - 1))
        punch_hole(memory, 0, _MEMORY.page_bytes)
        os.ftruncate(memory, 0)
    except OSError as error:
        os.close(memory)
        logger.warning("media store: memfd unusable (%s), a temporary file instead", error)
        return _open_disk()
    return memory, _MEMORY


def _open_disk() -> tuple[int, Geometry]:
    file, name = tempfile.mkstemp(prefix="headwater-media-")
    os.unlink(name)
    try:
        punch_hole(file, 0, _DISK.page_bytes)
    except OSError as error:
        logger.warning("media store: no holes in files here (%s), regions are reused", error)
        return file, dataclasses.replace(_DISK, punches_holes=False)
    return file, _DISK
