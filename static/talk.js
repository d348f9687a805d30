// Metadata and chat of the path: each shown when its picture is, and a line of one's own.
import { Seen } from "./seen.js";

const MAX_SHOWN = 200; // lines; older ones go
const MAX_WAITING = 500; // messages that the picture has not come to
const $ = (id) => document.getElementById(id);

/** Messages by their media time; `show(event, look)` is called once for each, when its picture is on screen.
 *  `look`: { late, step, wasKnown }: how far the picture is behind the message's, how far it has come since
 *  it was looked at before, both in milliseconds of media, and whether the message was known by then. */
export class MessageTimeline {
  #show;
  #seen = new Seen();
  #waiting = [];
  #added = new Set(); // since the picture was looked at
  #before = null;

  constructor(show) {
    this.#show = show;
  }

  /** A message, perhaps known already, perhaps long before or after its time. */
  add(event) {
    if (!event?.id || !this.#seen.add(event.id)) return;
    this.#waiting.push(event);
    this.#added.add(event.id);
    this.#waiting.sort((a, b) => timeOf(a) - timeOf(b));
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  /** The picture of this media time (milliseconds since 1970) is on screen. */
  advance(mediaTime) {
    const step = this.#before === null ? Infinity : mediaTime - this.#before;
    while (this.#waiting.length && timeOf(this.#waiting[0]) <= mediaTime) {
      const event = this.#waiting.shift();
      this.#show(event, { late: mediaTime - timeOf(event), step, wasKnown: !this.#added.has(event.id) });
    }
    this.#added.clear();
    this.#before = mediaTime;
  }
}

function timeOf(event) {
  return event.data?.media_time_ms ?? 0;
}

/** The panel; `shown(event, look)` hears of each message, `post(line)` sends one and gives its answer. */
export class Talk {
  #timeline;
  #wasClosed = false;

  constructor({ post, shown }) {
    this.#timeline = new MessageTimeline((event, look) => {
      this.#write(event);
      shown(event, look);
    });
    $("talk-toggle").addEventListener("click", () => this.toggle());
    $("talk-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(post);
    });
  }

  add(event) {
    this.#timeline.add(event);
  }

  advance(mediaTime) {
    if (mediaTime !== null) this.#timeline.advance(mediaTime);
  }

  /** Whether viewers may send. */
  allow(may) {
    $("talk-form").hidden = !may;
    if (may) $("talk-toggle").hidden = false;
  }

  toggle() {
    if ($("talk-toggle").hidden) return;
    this.#wasClosed = !$("talk").hidden;
    this.#open($("talk").hidden);
    if (!$("talk").hidden && !$("talk-form").hidden) $("talk-text").focus();
  }

  #open(isOpen) {
    $("talk").hidden = !isOpen;
    $("talk-toggle").setAttribute("aria-expanded", String(isOpen));
  }

  #write(event) {
    $("talk-toggle").hidden = false;
    if (!this.#wasClosed) this.#open(true);
    const log = $("talk-log");
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(lineOf(event));
    while (log.children.length > MAX_SHOWN) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  async #send(post) {
    const text = $("talk-text").value.trim();
    if (!text) return;
    const problem = await post({ text, sender: $("talk-sender").value.trim() });
    $("talk-problem").textContent = problem;
    if (!problem) $("talk-text").value = "";
  }
}

function lineOf({ id, type, data }) {
  const line = document.createElement("p");
  line.className = type;
  line.dataset.id = id;
  if (type === "chat") {
    const who = document.createElement("b");
    who.textContent = data.sender || (data.by === "viewer" ? "Viewer" : "Host");
    line.append(who, ` ${data.text}`);
  } else {
    const code = document.createElement("code");
    code.textContent = JSON.stringify(data.data);
    line.append(code);
  }
  return line;
}
