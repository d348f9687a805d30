"""A blocking RTMP publication: the socket under `RtmpPublisher`, with time-outs on everything."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time

from streaming.errors import RemoteError, RtmpError
from streaming.ingest.rtmp.handshake import NONCE_BYTES
from streaming.push_rtmp import PushRefused, RtmpPublisher, State, Target

CONNECT_TIMEOUT_S = 10.0
"""For the connection, and again for everything until the server says that we publish."""
SEND_TIMEOUT_S = 10.0
"""A server that takes nothing for so long has gone."""
FAREWELL_TIMEOUT_S = 1.0
_READ_BYTES = 65_536
_WAITS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PushSocket:
    """Owns one connection that publishes; its creator sends and closes.

    Every method raises PushRefused with the server's own reason, and RemoteError with one sentence
    when the connection fails.
    """

    def __init__(self, target: Target) -> None:
        self._publisher = RtmpPublisher(target, os.urandom(NONCE_BYTES))
        self._socket = _connect(target)
        try:
            self._begin()
        except BaseException:
            self._socket.close()
            raise

    @property
    def speaks_enhanced(self) -> bool:
        """Whether the server named codecs of Enhanced RTMP."""
        return self._publisher.speaks_enhanced

    def send(self, type_id: int, timestamp_ms: int, payload: bytes) -> None:
        """Sends one media message; waits while the network is slow."""
        self._publisher.send_media(type_id, timestamp_ms, payload)
        self._flush(SEND_TIMEOUT_S)
        self._receive()

    def wait_until(self, due: float) -> None:
        """Waits for a moment of the monotonic clock, and hears what the server says meanwhile."""
        while (left_s := due - time.monotonic()) > 0:
            self._wait(False, left_s)
            self._receive()

    def close(self) -> None:
        """Says farewell and closes; never raises."""
        with contextlib.suppress(RemoteError, OSError):
            self._publisher.close()
            self._flush(FAREWELL_TIMEOUT_S)
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    # -- inside ------------------------------------------------------------------------------

    def _begin(self) -> None:
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while self._publisher.state is not State.PUBLISHING:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise RemoteError(f"no answer while {self._publisher.state.value}")
            self._flush(left_s)
            self._wait(False, left_s)
            self._receive()

    def _flush(self, timeout_s: float) -> None:
        view = memoryview(self._publisher.data_to_send())
        deadline = time.monotonic() + timeout_s
        while view:
            try:
                view = view[self._socket.send(view) :]
                continue
            except _WAITS as blocked:
                is_reading = isinstance(blocked, ssl.SSLWantReadError)
            except OSError as error:
                self._explain(error)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise RemoteError(f"the server has taken nothing for {timeout_s:g} s")
            self._wait(not is_reading, left_s)

    def _wait(self, for_writing: bool, timeout_s: float) -> None:
        if not for_writing and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return
        writers = [self._socket] if for_writing else []
        select.select([] if for_writing else [self._socket], writers, [], timeout_s)

    def _receive(self) -> None:
        """Takes what is there. Raises what the server had to say."""
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except _WAITS:
                return
            except OSError as error:
                raise RemoteError(reason(error)) from error
            if not data:
                raise RemoteError("the server closed the connection")
            self._publisher.receive_data(data)

    def _explain(self, error: OSError) -> None:
        """A failed write: what the server said before it closed is the better reason."""
        try:
            self._receive()
        except PushRefused:
            raise
        except RemoteError as closed:
            raise closed from error
        raise RemoteError(reason(error)) from error


def _connect(target: Target) -> socket.socket:
    try:
        plain = socket.create_connection((target.host, target.port), CONNECT_TIMEOUT_S)
    except OSError as error:
        raise RemoteError(reason(error)) from error
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = plain
        if target.scheme == "rtmps":
            context = ssl.create_default_context()
            connected = context.wrap_socket(plain, server_hostname=target.host)
        connected.setblocking(False)
    except OSError as error:
        plain.close()
        raise RemoteError(reason(error)) from error
    return connected


def reason(error: OSError) -> str:
    """What failed, without the number and Python's own words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return error.strerror or str(error)


__all__ = ["PushRefused", "PushSocket", "RtmpError", "reason"]
