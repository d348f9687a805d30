"""What a forked child does before it runs its module, so that this finds what `python -m` gives."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from streaming.fork_server.messages import ForkRequest
from streaming.fork_server.modules import NAMES, OTHER
from streaming.fork_server.process_title import set_title

STDERR: Final = 2


def run_child(request: ForkRequest, descriptors: Sequence[int]) -> NoReturn:
    """Becomes the process that was asked for; ends it whatever happens."""
    code = 1
    try:
        _take_descriptors(request, descriptors)
        _take_environment(request.environment)
        words = ("python", "-m", request.module, *request.arguments)
        set_title(NAMES.get(request.module, OTHER), words)
        _begin_chance_anew()
        code = _run(request.module, request.arguments)
    finally:
        logging.shutdown()
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)  # taking a heap apart that is shared would copy all of it


def _run(module: str, arguments: Sequence[str]) -> int:
    """The exit status, as the interpreter itself would have it."""
    try:
        program = importlib.import_module(module)
        sys.argv = [program.__file__ or module, *arguments]
        return _status(program.main(sys.argv[1:]))
    except SystemExit as end:
        return _status(end.code)
    except BaseException:
        traceback.print_exc()
        return 1


def _status(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def _take_descriptors(request: ForkRequest, descriptors: Sequence[int]) -> None:
    """Puts each where the main process has it, as messages may name its number."""
    places = [*request.places, *([STDERR] if request.has_stderr else [])]
    beyond = max([*places, *descriptors, STDERR]) + 1
    copies = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, beyond) for one in descriptors]
    for one in descriptors:
        os.close(one)
    for copy, place in zip(copies, places, strict=True):
        os.dup2(copy, place, inheritable=place == STDERR)
        os.close(copy)


def _take_environment(environment: Mapping[bytes, bytes]) -> None:
    for name in os.environb.keys() - environment.keys():
        del os.environb[name]
    os.environb.update(environment)


def _begin_chance_anew() -> None:
    """Children that were forked from one state would draw the same numbers.

    `random` sees to itself, OpenSSL and the secrets of the system do.
    """
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
