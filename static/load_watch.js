// Whether a library has forgotten to load what is listed. Knows no browser and no library.
//
// hls.js may wait for ever for a part of which a dying server sent the beginning: then its playlists go
// on, its buffer does not, and it says nothing.

const NOTHING_MS = 1200; // longer than a busy machine takes for two parts
const LISTED_MS = 2000; // a playlist that has not grown for so long lists nothing to be loaded

export class LoadWatch {
  #appended = new Map(); // of each kind of media: when its buffer last got something
  #edge = -Infinity;
  #listedAt = -Infinity;
  #begunAt = -Infinity;

  /** Something of `kind` ("video", "audio") came into its buffer. */
  append(kind, nowMs) {
    this.#appended.set(kind, nowMs);
  }

  /** A playlist that ends at `edge`, seconds. */
  list(edge, nowMs) {
    if (edge > this.#edge) this.#listedAt = nowMs;
    this.#edge = edge;
  }

  /** It loads anew, and has time for it. */
  begin(nowMs) {
    this.#begunAt = nowMs;
  }

  /** Whether a player that stands since then stands for this. */
  isStuck(starvedSinceMs, nowMs) {
    const lastMs = Math.max(this.#begunAt, starvedSinceMs, Math.min(...this.#appended.values()));
    return this.#appended.size > 0 && nowMs - this.#listedAt < LISTED_MS && nowMs - lastMs > NOTHING_MS;
  }
}
