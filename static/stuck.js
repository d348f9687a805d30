// Whether a player that shows nothing is to be started anew. Knows no browser.

export const START_LIMIT_MS = 12_000; // it shows nothing for so long, though there is something
const STALL_LIMIT_MS = 8_000; // it stands still for so long, though media come
const LIMITS_MS = { starting: START_LIMIT_MS, stalled: STALL_LIMIT_MS };
const NOTHING_LOW_MS = 2_000; // it stands still and has got nothing for so long: ten parts
const NOTHING_MS = 6_000; // the same without low latency: a segment, and a playlist that lists it

/** For how long a player that stands may get nothing at all, while its path has media, milliseconds. */
export function patienceOf(engine) {
  if (engine.name === "webrtc") return STALL_LIMIT_MS; // a key frame may be far
  return engine.lowLatency().on ? NOTHING_LOW_MS : NOTHING_MS;
}

/** Whether a player that was started a while ago has come to nothing: of sound alone, whose `width` is 0,
 * no picture is to be expected, only that it plays. */
export function isBlank({ frames, width, hasPlayed }) {
  return frames === 0 && (width > 0 || !hasPlayed);
}

/** Times how long a player has had media to show and has not shown them. */
export class StuckWatch {
  #since = null;
  #state = "";
  #mark = null;
  #movedAt = 0;

  /** Its state, and whether its path has media now; whether it is stuck.
   *
   * `mark` is another one after each time that it got something; for how long that may be the same
   * where it stands, `patienceMs` says.
   */
  push(state, isOnAir, nowMs, { mark = null, patienceMs = Infinity } = {}) {
    const limit = LIMITS_MS[state];
    // Where nothing is sent, no player has anything to show, and a new one would not either.
    if (limit === undefined || !isOnAir) this.#since = null;
    else if (this.#since === null || state !== this.#state) this.#since = nowMs;
    this.#state = state;
    if (mark !== this.#mark) this.#movedAt = nowMs;
    this.#mark = mark;
    if (this.#since === null) return false;
    const gotNothing = state === "stalled" && nowMs - Math.max(this.#since, this.#movedAt) > patienceMs;
    return gotNothing || nowMs - this.#since > limit;
  }

  /** It has been started anew. */
  begin() {
    this.#since = null;
  }
}
