// What the page of a path asks the server about it. Knows no browser but `fetch`.

const ASK = { cache: "no-store" };

export class PathApi {
  /** `access` and `path` as `readPlace` tells them. */
  constructor({ access, path }) {
    this.url = `${access}/api/v1/paths/${encodeURI(path)}`;
  }

  /** What the API says of the path: `state: "gone"` where there is none, {} where it says nothing else,
   * null when the server does not answer, or `signal` ends it. */
  async record(signal) {
    try {
      const response = await fetch(this.url, { ...ASK, signal });
      if (response.status === 404) return { state: "gone" };
      return response.ok ? await response.json() : {};
    } catch {
      return null;
    }
  }

  /** The path's state: its name, "gone", "unknown", or null when the server does not answer. */
  async state() {
    const record = await this.record();
    return record && (record.state ?? "unknown");
  }

  /** Sends a line of chat; the status it was answered with, 0 when the server does not answer. */
  async chat(line) {
    const headers = { "Content-Type": "application/json" };
    try {
      return (await fetch(`${this.url}/chat`, { method: "POST", headers, body: JSON.stringify(line) })).status;
    } catch {
      return 0;
    }
  }
}
