// Ids of messages that came already. Knows no browser.

const MOST = 5000; // more than any window of a playlist lists: 128 KiB of messages of 60 bytes

export class Seen {
  #ids = new Set();

  constructor(most = MOST) {
    this.most = most;
  }

  get size() {
    return this.#ids.size;
  }

  /** Whether it is new; seen again, it is among the latest once more. */
  add(id) {
    const isNew = !this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size > this.most) this.#ids.delete(this.#ids.values().next().value);
    return isNew;
  }
}
