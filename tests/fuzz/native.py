"""`make fuzz-native`: as many inputs as asked for to all that reads what WebRTC's peers send.

Runs in the copy that tests/native_sanitizer.py has built: a wrong step of C ends the process there,
and so does an error that is not allowed to a target of Python.

| variable        | meaning                                             | default       |
|-----------------|-----------------------------------------------------|---------------|
| FUZZ_EXECUTIONS | inputs for each target                              | 1,000,000     |
| FUZZ_TARGETS    | names or beginnings of names, separated by blanks   | all of WebRTC |
| FUZZ_SEED       | what the dice begin with                            | the clock     |
"""

from __future__ import annotations

import os
import random
import sys
import time

from tests.fuzz.registry import targets
from webrtc.native_choice import native

EXECUTIONS = 1_000_000
OF_WEBRTC = "fanout- stun publisher-rtcp depacketizers sdp- signalling-"


def main() -> int:
    """1 when there is no C to look at; whatever breaks ends it before."""
    if native is None:
        print("webrtc._fanout was not built")
        return 1
    executions = int(os.environ.get("FUZZ_EXECUTIONS", EXECUTIONS))
    seed = os.environ.get("FUZZ_SEED", str(int(time.time())))
    wanted = tuple(os.environ.get("FUZZ_TARGETS", OF_WEBRTC).split())
    print(f"{executions} executions each, FUZZ_SEED={seed}", flush=True)
    for target in targets().values():
        if not target.name.startswith(wanted):
            continue
        dice, started_s = random.Random(f"{seed} {target.name}"), time.monotonic()
        for _ in range(executions):
            target.run(target.mutate(dice))
        took_s = time.monotonic() - started_s
        print(f"{target.name:24} {executions:9} executions in {took_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
