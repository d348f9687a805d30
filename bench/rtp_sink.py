"""The other side of the senders: counts every packet, keeps a sample.

`python -m bench.rtp_sink <counter file> <sockets>` prints its ports, writes the number of packets
so far into the file, and prints the sample as hex when its standard input ends.
"""

from __future__ import annotations

import json
import mmap
import select
import sys

from bench.datagrams import Incoming, open_socket

SAMPLE = 200
"""First packets of the first socket."""


def main(arguments: list[str]) -> None:
    """Until standard input ends."""
    counter_file, count = arguments[0], int(arguments[1])
    sockets = [open_socket() for _ in range(count)]
    print(json.dumps([opened.getsockname()[1] for opened in sockets]), flush=True)
    with open(counter_file, "r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        counter = memoryview(shared).cast("Q")
        sample: list[str] = []
        poll, incoming = select.epoll(), Incoming()
        for number in (sys.stdin.fileno(), *(opened.fileno() for opened in sockets)):
            poll.register(number, select.EPOLLIN)
        is_open, first = True, sockets[0].fileno()
        while is_open:
            for number, _event in poll.poll(1.0):
                if number == sys.stdin.fileno():
                    is_open = False
                    continue
                while taken := incoming.take(number):
                    if number == first and len(sample) < SAMPLE:
                        sample += [incoming.datagram(at).hex() for at in range(taken)]
                    counter[0] += taken
                    if taken < incoming.AT_ONCE:
                        break
        counter.release()
    print(json.dumps(sample[:SAMPLE]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
