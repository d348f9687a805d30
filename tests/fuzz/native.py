"""`make fuzz-native`: as many inputs as asked for to each target of the fan-out's C.

Runs in the copy that tests/native_sanitizer.py has built: a wrong step ends the process there.
"""

from __future__ import annotations

import os
import random
import sys
import time

from tests.fuzz.mutation import mutate
from tests.fuzz.registry import targets
from webrtc.native_choice import native

EXECUTIONS = 1_000_000
PREFIX = "fanout-"


def main() -> int:
    """1 when there is no C to look at; whatever breaks ends it before."""
    if native is None:
        print("webrtc._fanout was not built")
        return 1
    executions = int(os.environ.get("FUZZ_EXECUTIONS", EXECUTIONS))
    seed = os.environ.get("FUZZ_SEED", str(int(time.time())))
    wanted = os.environ.get("FUZZ_TARGETS", PREFIX)
    print(f"{executions} executions each, FUZZ_SEED={seed}", flush=True)
    for target in targets().values():
        if not target.name.startswith(wanted):
            continue
        dice, started_s = random.Random(f"{seed} {target.name}"), time.monotonic()
        for _ in range(executions):
            target.run(mutate(dice, target.seeds))
        took_s = time.monotonic() - started_s
        print(f"{target.name:24} {executions:9} executions in {took_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
