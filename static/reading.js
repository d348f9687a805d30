// What a page shows of the server, asked for again and again. Knows no browser.

const LONGEST_ANSWER_MS = 10_000; // a server that says nothing for so long does not answer

/** One question at a time, so an old answer never takes the place of a newer one; what happens while
 *  one is under way is asked about after it. */
export class Reading {
  #options;
  #timer = 0;
  #asking = null;
  #isStale = false;

  /** `ask(signal)` gives a promise of what `show` is given, or else `fail(error)`. It is asked
   *  `pauseMs()` after an answer, or `soonMs` after something happened. */
  constructor(options) {
    this.#options = { fail: () => {}, soonMs: 150, longestMs: LONGEST_ANSWER_MS, ...options };
  }

  /** Asks now. Who asks may be somebody else than before: what is under way does not count. */
  restart() {
    this.#asking?.abort();
    this.#asking = null;
    return this.#ask();
  }

  /** Something happened: others come with it, and one question is for all of them. */
  soon() {
    if (!this.#asking && !this.#isStale) this.#askIn(this.#options.soonMs);
    this.#isStale = true;
  }

  async #ask() {
    clearTimeout(this.#timer);
    const { ask, show, fail, pauseMs, soonMs, longestMs } = this.#options;
    const asking = (this.#asking = new AbortController());
    const limit = setTimeout(() => asking.abort(), longestMs);
    this.#isStale = false;
    const answer = await Promise.resolve(ask(asking.signal)).then(
      (told) => () => show(told),
      (error) => () => fail(error),
    );
    clearTimeout(limit);
    if (asking !== this.#asking) return;
    this.#asking = null;
    answer();
    this.#askIn(this.#isStale ? soonMs : pauseMs());
  }

  #askIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ms);
  }
}
