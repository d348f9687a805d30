"""TLS of our ports: a context whose certificate follows its files."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streaming.errors import ConfigError

logger = logging.getLogger(__name__)

HTTP: Final = ("http/1.1",)
"""Of the HTTP port, for ALPN."""
LOOK_S: Final = 10.0
"""How often the files are looked at; certificates are renewed weeks before they end."""
HANDSHAKE_S: Final = 10.0
"""As long as a request's head may take."""
SHUTDOWN_S: Final = 2.0
"""For a client's farewell; most cut the connection without one."""


class Certificate:
    """Owns the context of every TLS connection; `load` replaces what new ones are shown."""

    def __init__(
        self, certificate: Path, key: Path, table: str = "http", protocols: Sequence[str] = HTTP
    ) -> None:
        """`table` is where in the configuration the files are named, `protocols` are for ALPN.

        Raises ConfigError when the files are no pair.
        """
        self._files = certificate, key
        self._table = table
        self._seen = _times(self._files)
        self.context = _context(self._files, table)
        if protocols:
            self.context.set_alpn_protocols(list(protocols))

    async def follow(self) -> None:
        """Takes new files over when they have changed; for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.load)

    def load(self) -> bool:
        """Reads changed files; keeps the old pair where the new one is none. Blocks."""
        seen = _times(self._files)
        if seen == self._seen:
            return False
        try:
            _context(self._files, self._table)  # one that fails half way is of no use
            self.context.load_cert_chain(*self._files)
        except (ConfigError, OSError) as error:
            logger.warning("the certificate stays as it was: %s", error)
            return False
        self._seen = seen
        logger.info("the certificate has been read again")
        return True


def _context(files: tuple[Path, Path], table: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password: a key that wants one must not ask the terminal for it.
        context.load_cert_chain(*files, password="")
    except OSError as error:  # ssl.SSLError is one
        reason = (
            error.strerror if not isinstance(error, ssl.SSLError) else "no matching pair in PEM"
        )
        raise ConfigError(
            f"{table}.tls_certificate, {table}.tls_key: {files[0]}, {files[1]}: {reason}"
        ) from error
    return context


def _times(files: tuple[Path, Path]) -> tuple[tuple[int, int, int], ...]:
    found = []
    for file in files:
        try:
            seen = file.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((seen.st_mtime_ns, seen.st_ino, seen.st_size))
    return tuple(found)
