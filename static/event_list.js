// The feed: events as they happen, newest first, and now and then a word for who listens to it.
import { escapePath } from "./addresses.js";
import { countLabel } from "./labels.js";
import { eventWords } from "./words.js";

const MOST_SHOWN = 200;
const TELL_EVERY_MS = 8_000; // a screen reader cannot follow what happens in bursts
const NOTABLE = new Set(["warn", "bad"]);

export class EventList {
  #untold = [];
  #timer = 0;
  #matches = () => true;

  /** `say` is given a text for screen readers, at most every few seconds. */
  constructor(list, say) {
    this.list = list;
    this.say = say;
  }

  /** Shows an event; `isOld`: it happened before the page was opened. */
  push(event, { isOld = false } = {}) {
    const item = eventItem(event);
    item.hidden = !this.#matches(item.dataset);
    this.list.prepend(item);
    while (this.list.children.length > MOST_SHOWN) this.list.lastElementChild.remove();
    if (!isOld && !item.hidden) this.#tell(item);
  }

  /** What was not said yet is not said any more, either. */
  clear() {
    this.list.replaceChildren();
    this.#untold = [];
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** `path`: a part of the name; `notable`: warnings alone. */
  filter({ path, notable }) {
    this.#matches = (data) => (!path || data.path.includes(path)) && (!notable || NOTABLE.has(data.tone));
    for (const item of this.list.children) item.hidden = !this.#matches(item.dataset);
  }

  #tell(item) {
    this.#untold.push([item.dataset.path, item.querySelector(".event-text").textContent].join(" ").trim());
    this.#timer ||= setTimeout(() => {
      const texts = this.#untold;
      this.#untold = [];
      this.#timer = 0;
      this.say(texts.length === 1 ? texts[0] : `${countLabel(texts.length, "event")}, the latest: ${texts.at(-1)}`);
    }, TELL_EVERY_MS);
  }
}

function eventItem(event) {
  const item = document.getElementById("event").content.firstElementChild.cloneNode(true);
  const { tone, text } = eventWords(event);
  Object.assign(item.dataset, { tone, type: event.type, path: event.path ?? "", id: event.id });
  const at = new Date(event.ts * 1000);
  const time = item.querySelector("time");
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const link = item.querySelector(".event-path");
  link.textContent = event.path ?? "";
  link.hidden = !event.path;
  if (event.path) link.href = `/${escapePath(event.path)}/`;
  item.querySelector(".event-text").textContent = text;
  return item;
}
