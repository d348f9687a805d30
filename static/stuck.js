// Whether a player that shows nothing is to be started anew. Knows no browser.

const START_LIMIT_MS = 12_000; // it shows nothing for so long, though there is something
const STALL_LIMIT_MS = 8_000; // it stands still for so long, though media come
const LIMITS_MS = { starting: START_LIMIT_MS, stalled: STALL_LIMIT_MS };

/** Times how long a player has had media to show and has not shown them. */
export class StuckWatch {
  #since = null;
  #state = "";

  /** Its state, and whether its path has media now; whether it is stuck. */
  push(state, isOnAir, nowMs) {
    const limit = LIMITS_MS[state];
    // Where nothing is sent, no player has anything to show, and a new one would not either.
    if (limit === undefined || !isOnAir) this.#since = null;
    else if (this.#since === null || state !== this.#state) this.#since = nowMs;
    this.#state = state;
    return this.#since !== null && nowMs - this.#since > limit;
  }

  /** It has been started anew. */
  begin() {
    this.#since = null;
  }
}
