// A picture that waits for data: since when, whether its stream goes on meanwhile, and what to tell the
// viewer. Whether the player has to be started anew for it is for stuck.js to say. Knows no browser.
import { stallWords } from "./viewer_words.js";

const STARVED_MS = 1500; // the element does not always say that it waits, as while it seeks
const ASK_FIRST_MS = 1000; // then it is asked for the first time whether the stream goes on at all
const ASK_MS = 2000; // and then so long after each answer
const EXPLAIN_MS = 3000; // shorter ones are over before anyone could read why

const BROWSER_CLOCK = {
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

export class Stall {
  #since = null;
  #starvedSince = null;
  #isOnAir = false;
  #isAway = false;
  #timer = 0;

  /** `askState()` gives the path's state as `PathApi.state` does. `on.explained(words)` is told what to
   * show, `on.gone()` that there is nothing more to wait for. */
  constructor(askState, on, clock = BROWSER_CLOCK) {
    this.askState = askState;
    this.on = on;
    this.clock = clock;
  }

  /** Whether the path had media when it was last asked for; not before it has been. */
  get isOnAir() {
    return this.#isOnAir;
  }

  /** Whether its publisher was away then. */
  get isAway() {
    return this.#isAway;
  }

  /** The picture waits from now on. */
  begin() {
    this.end();
    this.#since = this.clock.now();
    this.#isOnAir = this.#isAway = false;
    this.#timer = this.clock.setTimeout(() => this.#ask(), ASK_FIRST_MS);
  }

  /** It moves again, or nobody waits for it any more. */
  end() {
    this.clock.clearTimeout(this.#timer);
    this.#since = null;
  }

  /** Called while it should move: whether it has had nothing to show for so long that it waits. */
  starves(isStarved) {
    const now = this.clock.now();
    this.#starvedSince = isStarved ? (this.#starvedSince ?? now) : null;
    return isStarved && now - this.#starvedSince > STARVED_MS;
  }

  async #ask() {
    const since = this.#since;
    const state = await this.askState();
    if (since === null || since !== this.#since) return; // over meanwhile
    if (this.clock.now() - since >= EXPLAIN_MS) this.on.explained(stallWords(state));
    this.#isAway = state === "away";
    this.#isOnAir = state === "live"; // a publisher that is back needs a moment
    if (state === "gone") this.on.gone();
    else this.#timer = this.clock.setTimeout(() => this.#ask(), ASK_MS);
  }
}
