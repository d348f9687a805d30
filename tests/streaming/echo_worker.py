"""A worker for the tests of WorkerProcess: answers each word, and obeys a few."""

from __future__ import annotations

import os
import signal
import sys
import time

from streaming.worker_entry import enter_worker


def main(arguments: list[str]) -> None:
    link = enter_worker(arguments, str)
    link.send("hello " + " ".join(arguments[1:]))
    for word in link.messages():
        if word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "hang":
            time.sleep(3600)
        elif word == "complain":
            print("rtmp://user:hunter2@host/app?key=hunter2", file=sys.stderr, flush=True)
        elif word == "nonsense":
            link.send({"not": "a string"})
        link.send(word)


if __name__ == "__main__":
    main(sys.argv[1:])
