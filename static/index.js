// The dashboard: what is live and how it fares, what happens, and what can be done about it.
import { ApiClient } from "./api_client.js";
import { ServerClock } from "./clock.js";
import { offerCopies } from "./copy.js";
import { EventList } from "./event_list.js";
import { compareIds, followEvents } from "./events.js";
import { History } from "./history.js";
import { Kick } from "./kick.js";
import { bitrateLabel, countLabel } from "./labels.js";
import { PathCard } from "./path_card.js";
import { PublishPanel } from "./publish_panel.js";
import { Reading } from "./reading.js";
import { SignIn } from "./sign_in.js";
import { stateOf } from "./words.js";

const POLL_MS = 2_000;
const MOST_CARDS = 200; // more are to be found by the filter
const EARLIER_EVENTS = 200;
const FOLLOW_AGAIN_MS = 5_000;
const SHOWN_TYPES = "path.* publisher.* track.* rendition.* session.* worker.* ingest.* disk.* config.* server.* source.* webhook.* metadata chat".split(" ");

const $ = (id) => document.getElementById(id);
const cards = new Map();
const history = new History();
const api = new ApiClient();
const clock = new ServerClock();
const panel = new PublishPanel();
const feed = new EventList($("events"), say);
const signIn = new SignIn(api, () => begin());
const kick = new Kick(api, signIn, say);
const visible = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const card = cards.get(target.dataset.path);
    if (card) card.isVisible = isIntersecting;
  }
});

let server = { name: "headwater", rtmp_listen: "", webrtc: false };
let records = [];
let following = new AbortController();
const reading = new Reading({
  ask: (signal) => Promise.all([api.paths(signal), api.server(signal)]),
  show: showAll,
  fail: (error) => showTrouble(error.status === 401 || error.status === 403 ? "This server tells only those who sign in." : "The server does not answer; trying again…"),
  pauseMs: () => (document.hidden ? 5 * POLL_MS : POLL_MS),
});

/** For screen readers; what is said replaces what was. */
function say(text) {
  $("told").textContent = text;
}

// -- paths ---------------------------------------------------------------------------------------

function matches(record) {
  const text = $("filter").value.trim().toLowerCase();
  if (text && !record.path.toLowerCase().includes(text)) return false;
  const tone = stateOf(record).tone;
  if ($("which").value === "live") return record.state === "live";
  if ($("which").value === "trouble") return tone === "warn" || tone === "bad" || record.advice.length > 0;
  return true;
}

/** Live ones first, each kind by name, so that a card stays where it is. */
function order(a, b) {
  return (b.state === "live") - (a.state === "live") || a.path.localeCompare(b.path);
}

function showPaths() {
  const found = records.filter(matches).sort(order);
  const shown = found.slice(0, MOST_CARDS);
  const elements = shown.map((record) => cardOf(record).element);
  const list = $("paths");
  // Replace only when the set changed: a rebuilt list would take the keyboard's focus away.
  if (elements.length !== list.children.length || elements.some((one, i) => one !== list.children[i])) {
    list.replaceChildren(...elements);
  }
  forget(new Set(shown.map((record) => record.path)));
  $("none").hidden = found.length > 0 && found.length === shown.length;
  $("none").textContent = !records.length
    ? "Nothing is live yet. Publish a stream, and it appears here by itself."
    : found.length
      ? `The first ${MOST_CARDS} of ${found.length} paths: filter by name to find the others.`
      : "No path is like this.";
}

function cardOf(record) {
  let card = cards.get(record.path);
  if (!card) {
    card = new PathCard(record.path, api, (one) => kick.ask(one));
    cards.set(record.path, card);
    visible.observe(card.element);
  }
  card.show(record, { server, seen: history.of(record.path), nowMs: clock.now() });
  return card;
}

function forget(kept) {
  for (const [path, card] of cards) {
    if (kept.has(path)) continue;
    visible.unobserve(card.element);
    card.close();
    cards.delete(path);
  }
}

function showTotals() {
  const live = records.filter((one) => one.state === "live").length;
  $("total-live").textContent = `${live}`;
  $("total-viewers").textContent = `${records.reduce((sum, one) => sum + one.viewers, 0)}`;
  $("total-ingest").textContent = bitrateLabel(records.reduce((sum, one) => sum + one.ingest_bps, 0)) || "0";
  document.title = `${countLabel(live, "live path", "live paths")} – ${$("name").textContent}`;
}

function showServer() {
  $("name").textContent = server.name === "headwater" ? "Headwater" : server.name;
  panel.setServer(server);
}

function showTrouble(text) {
  $("trouble").hidden = !text;
  if (text && $("trouble").textContent !== text) $("trouble").textContent = text;
}

function showAll(told) {
  [records, server] = told;
  history.push(records, performance.now());
  showServer();
  showPaths();
  showTotals();
  showTrouble("");
}

// -- events --------------------------------------------------------------------------------------

/** From some time before now, so that the feed is not empty. */
async function startOfFeed(signal) {
  const [newest] = await api.call("GET", "/events?wait=0", { headers: { Accept: "application/json" }, signal });
  const [epoch, number] = newest.id.split("-").map(Number);
  return { after: `${epoch}-${Math.max(0, number - EARLIER_EVENTS)}`, newest: newest.id };
}

/** Follows the events as who is signed in now; what was followed before is left. */
async function follow() {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  feed.clear();
  while (!signal.aborted) {
    try {
      const begun = await startOfFeed(signal);
      if (!signal.aborted) followFrom(begun, signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      $("feed-state").textContent = error.status === 401 ? "For those who sign in" : "Not available";
      if (error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_AGAIN_MS));
  }
}

function followFrom({ after, newest }, signal) {
  const log = followEvents({
    after,
    type: SHOWN_TYPES,
    headers: api.headers,
    ...(api.token && { ways: ["stream", "poll"] }), // a WebSocket sends no headers
    onEvent: (event) => happened(event, newest),
    onReset: () => reading.soon(),
    onState: ({ connected }) => {
      if (signal.aborted) return;
      $("feed-state").textContent = connected ? "Live" : "Reconnecting…";
      $("feed-state").dataset.connected = connected;
    },
  });
  signal.addEventListener("abort", () => log.close());
}

function happened(event, newest) {
  feed.push(event, { isOld: compareIds(event.id, newest) <= 0 });
  reading.soon();
}

function filter() {
  showPaths();
  feed.filter({ path: $("filter").value.trim(), notable: $("feed-which").value === "notable" });
}

/** Somebody else is here now, and what was shown before may not be for them. */
function begin() {
  if (!api.token) showNothing();
  reading.restart();
  follow();
}

function showNothing() {
  records = [];
  history.push([], performance.now());
  showPaths();
  $("none").hidden = true; // there may be something: the next answer tells
  for (const id of ["total-live", "total-viewers", "total-ingest"]) $(id).textContent = "–";
  document.title = $("name").textContent;
  say("");
}

for (const id of ["filter", "which", "feed-which"]) $(id).addEventListener("input", filter);
document.addEventListener("visibilitychange", () => document.hidden || reading.soon());
offerCopies(document, say);
clock.synchronise();
signIn.refresh().catch(() => begin());
