// One path on the dashboard: what it shows, how it fares, what can be done with it.
import { showAddresses } from "./address_list.js";
import { escapePath, playAddresses, publishAddresses } from "./addresses.js";
import { mainVideo } from "./history.js";
import { bitrateLabel, bytesLabel, codecLabel, durationLabel, latencyLabel, protocolLabel } from "./labels.js";
import { Sparkline } from "./sparkline.js";
import { findPicture, forgetPicture } from "./thumbnail.js";
import { stateOf } from "./words.js";

const THUMBNAIL_MS = 10_000;
const BROKEN_MS = 30_000; // before a picture is asked for again where there was none
const ON_AIR = new Set(["live", "degraded", "slate", "starting", "stalled", "reconnecting"]);

export class PathCard {
  #shotAt = -Infinity;
  #isVisible = false;
  #shotBy = "";
  #shots = 0;

  /** `api` knows who signed in. */
  constructor(path, api, onKick) {
    this.path = path;
    this.api = api;
    this.record = null;
    this.element = document.getElementById("path-card").content.firstElementChild.cloneNode(true);
    this.element.dataset.path = path;
    const name = this.#find(".name");
    name.id = `path-${path}`;
    name.textContent = path;
    this.#find(".card").setAttribute("aria-labelledby", name.id);
    this.#link(".compare", `/${path}/compare`, `Compare players of ${path}`);
    const kick = this.#find(".kick");
    kick.setAttribute("aria-label", `Kick the publisher of ${path}`);
    kick.addEventListener("click", () => onKick(this));
    this.charts = ["bitrate", "fps"].map((what) => {
      const chart = new Sparkline();
      this.#find(`.${what} .chart`).append(chart.element);
      return chart;
    });
  }

  /** Pictures are asked for while the card is on screen alone. */
  set isVisible(isVisible) {
    this.#isVisible = isVisible;
    this.#showThumbnail();
  }

  /** `seen` is what History knows of the path. */
  show(record, { server, seen, nowMs }) {
    this.record = record;
    const state = stateOf(record);
    this.element.dataset.state = state.name;
    this.#find(".state").dataset.tone = state.tone;
    this.#text(".state-label", state.label);
    this.#text(".since", durationLabel(nowMs / 1000 - record.since_utc));
    this.#link(".name", record.urls.page);
    this.#link(".watch", record.urls.page, `Watch ${this.path}`);
    this.#text(".facts", facts(record));
    this.#text(".reason", record.reason);
    this.#find(".reason").hidden = !record.reason;
    this.#find(".kick").hidden = !record.publisher || record.publisher === "slate";
    this.#showFigures(record, seen);
    this.#showAdvice(record.advice);
    showAddresses(this.#find(".publish"), publishAddresses(this.path, server, location.origin, location.hostname));
    showAddresses(this.#find(".play"), playAddresses(record, location.origin));
    this.#showRenditions(record);
    this.#showThumbnail();
  }

  #showFigures(record, { bitrate, fps, cores }) {
    const [rate, pictures] = [bitrateLabel(record.ingest_bps) || "–", fpsLabel(fps.at(-1))];
    this.#text(".bitrate b", rate);
    this.#text(".fps b", pictures);
    this.charts[0].draw(bitrate, `Bitrate of the last two minutes, now ${rate}`);
    this.charts[1].draw(fps, `Frame rate of the last two minutes, now ${pictures}`);
    this.#text(".latency", latencyLabel(mainVideo(record)?.latency_s));
    this.#text(".viewers", viewersLabel(record));
    this.#text(".worker", workerLabel(record, cores));
  }

  #showAdvice(advice) {
    const list = this.#find(".advice");
    const key = JSON.stringify(advice);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.hidden = !advice.length;
    list.replaceChildren(...advice.map(adviceItem));
  }

  #showRenditions({ renditions }) {
    this.#find(".renditions tbody").replaceChildren(
      ...renditions.map((one) => row(one.name, formatLabel(one), bitrateLabel(one.measured_bps) || "–", latencyLabel(one.latency_s))),
    );
    this.#find(".renditions").hidden = !renditions.length;
  }

  #showThumbnail() {
    const url = this.record?.urls.thumbnail;
    const now = performance.now();
    if (this.api.token !== this.#shotBy) this.#shotAt = -Infinity; // another may see more, or less
    this.#shotBy = this.api.token;
    if (!url || !this.#isVisible || !ON_AIR.has(this.element.dataset.state) || now - this.#shotAt < THUMBNAIL_MS) return;
    this.#shotAt = now;
    this.#load(`${escapePath(url)}?at=${Math.floor(Date.now() / THUMBNAIL_MS)}`);
  }

  async #load(url) {
    const shot = ++this.#shots;
    const next = new Image();
    next.src = await findPicture(url, this.api.headers);
    const hasPicture = await next.decode().then(() => true, () => false);
    if (shot !== this.#shots) return forgetPicture(next.src); // a later one was asked for
    const [image, instead] = [this.#find(".thumbnail"), this.#find(".no-thumbnail")];
    if (!hasPicture) this.#shotAt = performance.now() + BROKEN_MS - THUMBNAIL_MS;
    forgetPicture(hasPicture ? image.src : next.src);
    if (hasPicture) image.src = next.src;
    image.hidden = !hasPicture;
    instead.hidden = hasPicture;
  }

  /** It is not on the page any more. */
  close() {
    this.#shots += 1;
    forgetPicture(this.#find(".thumbnail").src);
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #text(selector, text) {
    const element = this.#find(selector);
    if (element.textContent !== text) element.textContent = text;
  }

  #link(selector, path, label) {
    const link = this.#find(selector);
    link.href = escapePath(path);
    if (label) link.setAttribute("aria-label", label);
  }
}

function facts(record) {
  const sent = record.tracks.length ? record.tracks : record.renditions.filter((one) => one.copied);
  const video = sent.find((one) => (one.kind ?? "video") === "video");
  return [
    video?.height ? `${video.width}×${video.height}` : "",
    [...new Set(sent.map((one) => codecLabel(one.codec)))].join(" + "),
    record.publisher ? protocolLabel(record.publisher) : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

function fpsLabel(fps) {
  return fps ? `${fps.toFixed(fps % 1 ? 1 : 0)} fps` : "–";
}

function viewersLabel({ viewers, viewers_by: by }) {
  const parts = Object.entries(by).filter(([, count]) => count);
  const text = parts.map(([protocol, count]) => `${protocolLabel(protocol)} ${count}`).join(", ");
  return text ? `${viewers} (${text})` : `${viewers}`;
}

function workerLabel({ worker }, cores) {
  if (!worker) return "none";
  return [cores === null ? "" : `${cores.toFixed(2)} cores`, bytesLabel(worker.rss_bytes)].filter(Boolean).join(", ");
}

function formatLabel(one) {
  const size = one.height ? `${one.width}×${one.height}` : one.channels === 1 ? "mono" : one.channels ? "stereo" : "";
  return [codecLabel(one.codec), size, one.measured_fps ? fpsLabel(one.measured_fps) : "", one.copied ? "as sent" : "encoded"].filter(Boolean).join(" ");
}

function row(...cells) {
  const line = document.createElement("tr");
  cells.forEach((text, i) => {
    const cell = document.createElement(i ? "td" : "th");
    if (!i) cell.scope = "row";
    cell.textContent = text;
    line.append(cell);
  });
  return line;
}

function adviceItem({ text, to_do: toDo, role }) {
  const item = document.createElement("li");
  const what = document.createElement("p");
  what.textContent = role === "primary" ? text : `${text} (${role})`;
  const todo = document.createElement("p");
  todo.className = "to-do";
  todo.textContent = toDo ?? "";
  item.append(what, todo);
  return item;
}
