// What each publisher was advised to do, as long as it is the same publisher. Knows no browser.

const MOST = 6; // of one path

export class AdviceBook {
  #paths = new Map();

  /** One event of the log, in order. */
  push({ type, path, data }) {
    if (type === "server.started") this.#paths.clear();
    else if (type === "publisher.connected" || type === "path.closed") this.#paths.delete(path);
    else if (type === "ingest.advice") this.#advise(path, data);
  }

  /** [{ code, text, to_do }], the newest of each code. */
  of(path) {
    return [...(this.#paths.get(path)?.values() ?? [])];
  }

  #advise(path, { code, text, to_do }) {
    const given = this.#paths.get(path) ?? new Map();
    this.#paths.set(path, given);
    given.delete(code);
    given.set(code, { code, text, to_do });
    if (given.size > MOST) given.delete(given.keys().next().value);
  }
}
