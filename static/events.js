// Follows a server's event log, each event once and in order, whatever stands in between.
//
//   import { followEvents } from "/static/events.js";
//   const log = followEvents({
//     path: ["live/*"],                       // patterns; none: all
//     type: ["path.*", "publisher.*"],
//     onEvent: (event) => …,                  // {id, ts, type, path, state_version, data}
//     onReset: (event) => …,                  // data.paths: the states as of event.id
//     onState: ({ way, connected }) => …,     // "stream", "socket" or "poll"
//   });
//   localStorage.position = log.position;     // later: followEvents({ after: localStorage.position, … })
//   log.close();
//
// There are three ways to the same log (docs/events.md): Server-Sent Events, WebSocket, long-poll.
// The first is taken until it shows no sign of life for `patienceMs` after it was opened, or for two
// heartbeats later: a proxy keeps it back, or blocks it. Then the next one is tried. What was told is
// remembered by its id, so changing the way, a lost connection or a server that was killed neither
// lose an event nor tell one twice. When the server cannot go on from there it says so: `onReset`.

const WAYS = ["stream", "socket", "poll"];
const HEARTBEAT_S = 5;
const WAIT_S = 20;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;
const BETTER_AFTER_MS = 300_000; // on a lesser way: when a better one is tried again

/** Follows the log until `close()`. Options beside those above:
 *  - `url`: of the events, "/api/v1/events" of this server by default; may have a query of its own.
 *  - `after`: the id of the last event that is known; none: begin with a reset.
 *  - `headers`: for fetch, such as Authorization. A WebSocket sends none: put a token into `url`.
 *  - `ways`: the ways to try, in order.
 *  - `patienceMs`: for the first sign of life of a connection. */
export function followEvents(options = {}) {
  return new EventFollower(options);
}

/** Negative, zero or positive as `a` was told before, is, or was told after `b`; "" is before all. */
export function compareIds(a, b) {
  const [epochA, numberA] = numbers(a);
  const [epochB, numberB] = numbers(b);
  return epochA - epochB || numberA - numberB;
}

function numbers(id) {
  const [epoch, number] = id ? id.split("-") : [0, 0];
  return [Number(epoch), Number(number)];
}

class EventFollower {
  #options;
  #url;
  #closing = new AbortController();
  #index = 0;
  #lesserSince = 0;
  #failures = 0;

  constructor(options) {
    this.#options = { ways: WAYS, patienceMs: 5_000, headers: {}, ...options };
    const base = globalThis.location?.href;
    this.#url = new URL(options.url ?? "/api/v1/events", base);
    for (const key of ["path", "type"]) {
      for (const pattern of options[key] ?? []) this.#url.searchParams.append(key, pattern);
    }
    /** The id of the last event that was told, or passed over because it is not wanted. */
    this.position = options.after ?? "";
    /** The way that is taken now. */
    this.way = this.#options.ways[0];
    this.connected = false;
    this.finished = this.#run();
  }

  /** Tells nothing more. */
  close() {
    this.#closing.abort();
  }

  async #run() {
    while (!this.#closing.signal.aborted) {
      this.way = this.#options.ways[this.#index];
      const attempt = new Attempt(this.#closing.signal, this.#options.patienceMs);
      try {
        await this[`_${this.way}`](attempt);
      } catch {
        // lost, refused, or kept back: all the same from here
      }
      attempt.end();
      this.#say(false);
      if (this.#closing.signal.aborted) return;
      this.#choose(attempt);
      await pause(this.#delay(), this.#closing.signal);
    }
  }

  // Which way is next: the same one if it worked until it was cut.
  #choose(attempt) {
    const ways = this.#options.ways.length;
    if (attempt.lives && !attempt.silent) {
      this.#failures = 0;
      if (this.#index > 0 && Date.now() - this.#lesserSince > BETTER_AFTER_MS) this.#index = 0;
      return;
    }
    this.#failures += 1;
    this.#index = (this.#index + 1) % ways;
    this.#lesserSince = Date.now();
  }

  // Short while one way after another is tried; when all have failed the server is away.
  #delay() {
    const rounds = Math.floor(this.#failures / this.#options.ways.length);
    const most = Math.min(FIRST_DELAY_MS * 2 ** rounds, LONGEST_DELAY_MS);
    return most * (0.5 + Math.random() / 2);
  }

  #say(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.#call(this.#options.onState, { way: this.way, connected });
  }

  #call(listener, value) {
    try {
      listener?.(value);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error);
    }
  }

  // The one place where events are told.
  #take(event) {
    if (this.#closing.signal.aborted) return;
    if (event.type === "reset") {
      this.position = event.id;
      this.#call(this.#options.onReset, event);
    } else if (compareIds(event.id, this.position) > 0) {
      this.position = event.id;
      this.#call(this.#options.onEvent, event);
    }
  }

  #pass(position) {
    if (position && compareIds(position, this.position) > 0) this.position = position;
  }

  #alive(attempt, allowedMs) {
    attempt.alive(allowedMs);
    this.#say(true);
  }

  #address(parameters) {
    const url = new URL(this.#url);
    if (this.position) url.searchParams.set("after", this.position);
    for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
    return url;
  }

  async #fetch(attempt, url, accept) {
    const response = await fetch(url, {
      cache: "no-store",
      headers: { ...this.#options.headers, Accept: accept },
      signal: attempt.signal,
    });
    if (!response.ok) throw new Error(`${response.status}`);
    return response;
  }

  async _stream(attempt) {
    const url = this.#address({ heartbeat: HEARTBEAT_S });
    const response = await this.#fetch(attempt, url, "text/event-stream");
    const parser = new StreamParser((event) => this.#take(event), (id) => this.#pass(id));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#alive(attempt, 2.5 * HEARTBEAT_S * 1000);
      parser.push(value);
    }
  }

  _socket(attempt) {
    const url = this.#address({ heartbeat: HEARTBEAT_S });
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    attempt.signal.addEventListener("abort", () => socket.close());
    return new Promise((resolve) => {
      socket.onopen = () => socket.send('{"type":"ping"}');
      socket.onclose = resolve;
      attempt.signal.addEventListener("abort", resolve);
      socket.onmessage = ({ data }) => {
        if (attempt.signal.aborted) return;
        this.#alive(attempt, 2.5 * HEARTBEAT_S * 1000);
        const message = JSON.parse(data);
        if (Array.isArray(message)) message.forEach((event) => this.#take(event));
        else if (message.type === "heartbeat") this.#pass(message.position);
      };
    });
  }

  async _poll(attempt) {
    for (;;) {
      // The first answer is wanted at once: it shows whether this way works.
      const wait = attempt.lives ? WAIT_S : 0;
      const response = await this.#fetch(attempt, this.#address({ wait }), "application/json");
      const told = response.status === 200 ? await response.json() : [];
      this.#alive(attempt, 1000 * WAIT_S + this.#options.patienceMs);
      told.forEach((event) => this.#take(event));
      this.#pass(response.headers.get("ETag")?.match(/\d+-\d+/)?.[0]);
    }
  }
}

// One connection: aborted when it shows no sign of life in time.
class Attempt {
  #abort = new AbortController();
  #timer;

  constructor(closing, patienceMs) {
    this.lives = false;
    this.silent = false;
    this.signal = this.#abort.signal;
    this.onClosing = () => this.#abort.abort();
    this.closing = closing;
    closing.addEventListener("abort", this.onClosing);
    this.#allow(patienceMs);
  }

  alive(allowedMs) {
    this.lives = true;
    this.#allow(allowedMs);
  }

  end() {
    clearTimeout(this.#timer);
    this.closing.removeEventListener("abort", this.onClosing);
    this.#abort.abort();
  }

  #allow(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.silent = true;
      this.#abort.abort();
    }, ms);
  }
}

// WHATWG HTML 9.2.6, as far as our server speaks it: lines end with LF.
export class StreamParser {
  #rest = "";
  #data = [];

  constructor(onEvent, onPosition) {
    this.onEvent = onEvent;
    this.onPosition = onPosition;
    this.id = "";
  }

  push(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      const data = this.#data.join("\n");
      this.#data = [];
      if (data) this.onEvent(JSON.parse(data));
      else this.onPosition(this.id);
      return;
    }
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("data:")) this.#data.push(value);
    else if (line.startsWith("id:")) this.id = value;
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
