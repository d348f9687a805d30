// The API as the dashboard uses it, with the token of who signed in: kept for this tab alone.

const KEY = "headwater.token";
const PAGE = 500;
const MOST_PATHS = 2_000;

/** An answer that is none: `status` 0 means that the server cannot be reached. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export class ApiClient {
  constructor(storage = globalThis.sessionStorage) {
    this.storage = storage;
  }

  get token() {
    return this.storage.getItem(KEY) ?? "";
  }

  set token(token) {
    if (token) this.storage.setItem(KEY, token);
    else this.storage.removeItem(KEY);
  }

  /** For requests to the API and to the events, never in a URL. */
  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** `signal` ends it, as if the server did not answer. */
  async call(method, place, { headers, signal } = {}) {
    let response;
    try {
      response = await fetch(`/api/v1${place}`, { method, cache: "no-store", signal, headers: { ...this.headers, ...headers } });
    } catch {
      throw new ApiError(0, "The server does not answer.");
    }
    const told = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError(response.status, told?.detail ?? `The server says ${response.status}.`);
    return told;
  }

  /** { scope, name } of the token, or of this machine. */
  caller(signal) {
    return this.call("GET", "/caller", { signal });
  }

  server(signal) {
    return this.call("GET", "/server", { signal });
  }

  /** All paths in the order of their names, as many as a page can show. */
  async paths(signal) {
    const found = [];
    for (let after = ""; found.length < MOST_PATHS; ) {
      const page = await this.call("GET", `/paths?limit=${PAGE}&after=${encodeURIComponent(after)}`, { signal });
      found.push(...page.paths);
      if (!page.next) break;
      after = page.next;
    }
    return found;
  }

  /** Who publishes to a path and who views it by WebRTC, as many as a page can show. */
  sessions(path, signal) {
    return this.call("GET", `/sessions?limit=${PAGE}&path=${encodeURIComponent(path)}`, { signal });
  }

  /** Ends one of them. */
  endSession(path, session) {
    return this.call("DELETE", `/sessions/${encodeURIComponent(path)}/${encodeURIComponent(session)}`);
  }

  /** Closes the publishers of a path, unless its state has changed meanwhile. */
  kick(path, version) {
    return this.call("DELETE", `/publishers/${encodeURIComponent(path)}`, { headers: version === undefined ? {} : { "If-Match": `"${version}"` } });
  }
}

/** Whether a caller may close publishers. */
export function mayControl(caller) {
  return caller?.scope === "control" || caller?.scope === "admin";
}
