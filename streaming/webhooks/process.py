"""The webhook process: `python -m streaming.webhooks.process <link>`.

Apart from the main process because it waits for strangers, verifies TLS and writes a database.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import Any, Final

from streaming.errors import LinkBrokenError
from streaming.link import BlockingLink
from streaming.logs import start_child_logging
from streaming.webhooks.dispatcher import Dispatcher
from streaming.webhooks.messages import FromWebhooks, ToWebhooks, WebhookSetup

logger = logging.getLogger(__name__)

END_S: Final = 1.0
"""How long the database may take at the end; senders are not waited for, their deliveries stay."""


def run(link: BlockingLink[Any]) -> int:
    """Until the main process closes the link."""
    messages = link.messages()
    setup = next(messages, None)
    if not isinstance(setup, WebhookSetup):
        return 1
    logging.getLogger().setLevel(setup.log_level.upper())
    dispatcher = Dispatcher(setup, lambda news: _say(link, news))
    thread = threading.Thread(target=_dispatch, args=[dispatcher], name="dispatcher")
    thread.start()
    for message in messages:
        dispatcher.put(message)
    dispatcher.put(None)
    thread.join(END_S)
    return 0


def _dispatch(dispatcher: Dispatcher) -> None:
    try:
        dispatcher.run()
    except Exception:
        logger.exception("webhooks: cannot go on")
        os._exit(1)  # started again, with what the database has


def _say(link: BlockingLink[Any], news: FromWebhooks) -> None:
    with contextlib.suppress(LinkBrokenError):  # the reader ends as well
        link.send(news)


def main(arguments: list[str]) -> None:
    """Runs the process; `arguments` is the link's file descriptor."""
    start_child_logging("webhooks")
    code = run(BlockingLink.from_fd(int(arguments[0]), ToWebhooks))
    logging.shutdown()
    os._exit(code)  # threads that wait for receivers would be joined


if __name__ == "__main__":
    main(sys.argv[1:])
