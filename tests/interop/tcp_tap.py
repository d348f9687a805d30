"""Between a program and a server: passes everything on and keeps what the program said."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Tap:
    """Where to connect, and all that was sent there."""

    port: int
    said: bytearray = field(default_factory=bytearray)


@contextlib.contextmanager
def tcp_tap(server_port: int) -> Iterator[Tap]:
    """A port that leads to `server_port` of loopback, for one connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        tap = Tap(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, server_port, tap), daemon=True)
        thread.start()
        yield tap


def _serve(listener: socket.socket, server_port: int, tap: Tap) -> None:
    with contextlib.suppress(OSError):
        program, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", server_port))
        answers = threading.Thread(target=_pump, args=(server, program), daemon=True)
        answers.start()
        _pump(program, server, tap.said)
        answers.join()
        program.close()
        server.close()


def _pump(source: socket.socket, sink: socket.socket, kept: bytearray | None = None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if kept is not None:
                kept += data
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
