"""TLS of the HTTP port: one context whose certificate follows its files."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from streaming.errors import ConfigError

logger = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""How often the files are looked at; certificates are renewed weeks before they end."""
HANDSHAKE_S: Final = 10.0
"""As long as a request's head may take."""
SHUTDOWN_S: Final = 2.0
"""For a client's farewell; most cut the connection without one."""


class Certificate:
    """Owns the context of every TLS connection; `load` replaces what new ones are shown."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises ConfigError when the files are no pair."""
        self._files = certificate, key
        self._seen = _times(self._files)
        self.context = _context(self._files)

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
            _context(self._files)  # a context that fails half way is of no use any more
            self.context.load_cert_chain(*self._files)
        except (ConfigError, OSError) as error:
            logger.warning("the certificate stays as it was: %s", error)
            return False
        self._seen = seen
        logger.info("the certificate has been read again")
        return True


def _context(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password: a key that wants one must not ask the terminal for it.
        context.load_cert_chain(*files, password="")
    except OSError as error:  # ssl.SSLError is one
        reason = (
            error.strerror if not isinstance(error, ssl.SSLError) else "no matching pair in PEM"
        )
        raise ConfigError(
            f"http.tls_certificate, http.tls_key: {files[0]}, {files[1]}: {reason}"
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
