"""The worker process of one pulled source: `python -m streaming.ingest.pull_worker <fd>`.

It gets a PullSetup, reads the source for as long as there is anything, and sends PullNews. It
ends when the source ends or fails, and at once when the origin closes the link.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import av

from segmenter.errors import SegmenterError
from streaming.config_paths import TEST_SCHEME
from streaming.errors import LinkBrokenError, StreamingError
from streaming.ingest.hls_source import is_hls, read_hls
from streaming.ingest.outlet import Outlet
from streaming.ingest.pull_messages import PullEnded, PullFailure, PullNews, PullSetup
from streaming.ingest.url_source import read_url
from streaming.link import BlockingLink
from streaming.utc_clock import steady_utc
from streaming.worker_entry import enter_worker

REPORT_S = 1.0


def main(arguments: list[str]) -> int:
    """Runs one source; the exit status is 0 when it ended of itself."""
    av.logging.set_level(None)  # libav's logging callback deadlocks with threads
    link: BlockingLink[PullNews] = enter_worker(arguments, PullSetup)
    messages = link.messages()
    setup = next(messages, None)
    if not isinstance(setup, PullSetup):
        return 1
    threading.Thread(target=_exit_with_the_link, args=(messages,), daemon=True).start()
    outlet = Outlet(link.send)
    threading.Thread(target=_report, args=(link, outlet), daemon=True).start()
    try:
        return _run(setup, outlet, link)
    except LinkBrokenError:
        return 1


def _run(setup: PullSetup, outlet: Outlet, link: BlockingLink[PullNews]) -> int:
    try:
        run_source(setup, outlet)
    except LinkBrokenError:
        raise
    except (StreamingError, SegmenterError) as error:
        link.send(PullFailure(str(error)))
        return 1
    link.send(PullEnded())
    return 0


def run_source(setup: PullSetup, outlet: Outlet) -> None:
    """Reads the source until it ends. Raises StreamingError or MediaError with one sentence."""
    if setup.url.startswith(TEST_SCHEME):
        run_test_source(setup, outlet)
    elif is_hls(setup.url):
        read_hls(setup.url, outlet, loop=setup.loop)
    else:
        read_url(setup.url, outlet, loop=setup.loop)


def run_test_source(setup: PullSetup, outlet: Outlet) -> None:
    """Never ends; sleeps from frame to frame on the wall clock as it is now, without its steps."""
    # Here, because numpy costs 25 MB that no other source needs.
    from streaming.ingest.test_source import TestSource, parse_test_url

    clock = steady_utc()
    source = TestSource(parse_test_url(setup.url, text=setup.path), clock())
    outlet.set_tracks(source.tracks)
    while True:
        outlet.wait_until(time.monotonic() + source.next_utc - clock())
        for sample in source.produce(clock()):
            outlet.write(sample)


def _exit_with_the_link(messages: Iterator[object]) -> None:
    """Whatever else this process is stuck in: without an origin it has no purpose."""
    for _ in messages:
        pass
    os._exit(0)


def _report(link: BlockingLink[PullNews], outlet: Outlet) -> None:
    while True:
        report = outlet.report()
        if report is not None:
            try:
                link.send(report)
            except LinkBrokenError:
                return
        time.sleep(REPORT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
