// States and events in plain words. Knows no browser; a state or an event that is new here is
// shown by its own name.
import { codecLabel, countLabel, protocolLabel } from "./labels.js";

const STATES = {
  idle: ["Off air", "quiet"],
  authorizing: ["Authorizing", "wait"],
  connecting: ["Connecting", "wait"],
  probing: ["Probing", "wait"],
  starting: ["Starting", "wait"],
  live: ["Live", "live"],
  degraded: ["Degraded", "warn"],
  slate: ["Slate", "warn"],
  stalled: ["Stalled", "warn"],
  reconnecting: ["Reconnecting", "warn"],
  away: ["Away", "warn"],
  ending: ["Ending", "quiet"],
  ended: ["Ended", "quiet"],
  failed: ["Failed", "bad"],
};

const WITH_MEDIA = new Set(["live", "degraded", "stalled", "slate"]);

/** { name, label, tone } of a path's record: its own state where it tells it, else the phase. What
 *  has media but nothing to play yet is starting. */
export function stateOf(record) {
  const own = record.details?.state ?? record.state;
  const name = record.state === "starting" && WITH_MEDIA.has(own) ? "starting" : own;
  if (name === "idle" && record.reason) return { name, label: "On demand", tone: "quiet" };
  const [label, tone] = STATES[name] ?? [sentence(name), "quiet"];
  return { name, label, tone };
}

// Reason codes of docs/events.md; those that only say what the state says already are left out.
const REASONS = {
  "publisher-asks": "",
  "publisher-refused": "the publisher was turned down",
  "source-wanted": "its source is to be pulled",
  "source-dropped": "it has no source any more",
  "source-failing": "its source cannot be opened; it is tried on",
  "publisher-connected": "",
  "tracks-known": "",
  "first-sample": "",
  "encoder-behind": "an encoder cannot keep up",
  "encoder-recovered": "the encoder works again",
  "publisher-silent": "nothing comes from the publisher",
  "publisher-resumed": "the publisher sends again",
  "publisher-left": "the publisher has left",
  "publisher-replaced": "another publisher has its place",
  "publisher-kicked": "an operator closed the publisher",
  "publisher-expelled": "what the publisher sent cannot be packaged",
  "nothing-came": "nothing came that could be begun with",
  "slate-on-air": "",
  "slate-gone": "the slate is over",
  restored: "restored after a restart",
  "nobody-came-back": "no publisher came back",
  drained: "",
};

const LONGEST_QUOTE = 200;

const WORDS = {
  "server.started": ({ version }) => ["good", `The server has started${version ? ` (${version})` : ""}`],
  "path.state": ({ state, was, reason, detail }) => [
    toneOf(state),
    `${STATES[state]?.[0] ?? sentence(state)}${was ? `, was ${(STATES[was]?.[0] ?? was).toLowerCase()}` : ""}${because(whyOf(reason, detail))}`,
  ],
  "path.closed": () => ["quiet", "Closed; its playlists have gone"],
  "publisher.connected": ({ protocol, role }) => [
    "good",
    `${role && role !== "primary" ? `${sentence(role)} publisher` : "Publisher"} connected (${protocolLabel(protocol)})`,
  ],
  "publisher.disconnected": ({ protocol, reason }) => ["quiet", `Publisher left (${protocolLabel(protocol)})${because(reason)}`],
  "publisher.rejected": ({ protocol, reason, withheld }) => [
    "warn",
    `Publisher turned down (${protocolLabel(protocol)})${because(reason)}${withheld ? `; and ${withheld} before it` : ""}`,
  ],
  "track.added": (data) => ["quiet", `Sends ${trackWords(data)}`],
  "track.changed": (data) => ["quiet", `Now sends ${trackWords(data)}`],
  "rendition.added": (data) => ["quiet", `Players can choose ${data.name} (${trackWords(data)})`],
  "rendition.removed": (data) => ["quiet", `${data.name} can no longer be chosen`],
  "viewer.count": ({ viewers }) => ["quiet", countLabel(viewers, "viewer")],
  "session.opened": ({ protocol }) => ["quiet", `${protocolLabel(protocol)} session opened`],
  "session.closed": ({ protocol, reason }) => ["quiet", `${protocolLabel(protocol)} session closed${because(reason)}`],
  "worker.restarted": ({ worker, reason }) => ["warn", `The ${worker} process was replaced${because(reason)}`],
  "ingest.advice": ({ text, to_do }) => ["warn", [text, to_do].filter(Boolean).join(" ")],
  "disk.low": ({ free_bytes }) => ["bad", `The disk is nearly full: ${Math.round(free_bytes / 1e6)} MB left`],
  "config.reloaded": ({ changed = [] }) => ["quiet", `The configuration was read again${because(changed.join(", "))}`],
  metadata: ({ data }) => ["quiet", `Metadata: ${short(JSON.stringify(data))}`],
  chat: ({ sender, text }) => ["quiet", `${sender || "Somebody"} says: ${short(text)}`],
};

/** { tone, text } of an event; tone is "good", "quiet", "live", "wait", "warn" or "bad". */
export function eventWords({ type, data = {} }) {
  const known = WORDS[type];
  if (known) {
    const [tone, text] = known(data);
    return { tone, text };
  }
  const facts = Object.entries(data).map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return { tone: "quiet", text: [type, facts.join(", ")].filter(Boolean).join(": ") };
}

function trackWords({ codec = "", width, height, frame_rate, sample_rate, channels }) {
  return [
    codecLabel(codec),
    width ? `${width}×${height}` : "",
    frame_rate ? `${Math.round(frame_rate * 100) / 100} fps` : "",
    sample_rate ? `${sample_rate / 1000} kHz` : "",
    channels ? (channels === 2 ? "stereo" : channels === 1 ? "mono" : `${channels} channels`) : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function toneOf(state) {
  return STATES[state]?.[1] ?? "quiet";
}

function short(text = "") {
  return text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
}

/** The reason in words and what else is known; that it is about the primary publisher is the rule. */
function whyOf(reason, detail) {
  return [REASONS[reason] ?? reason, detail === "primary" ? "" : detail].filter(Boolean).join("; ");
}

function because(reason) {
  return reason ? `: ${reason}` : "";
}

function sentence(word) {
  return word ? word[0].toUpperCase() + word.slice(1).replaceAll("_", " ") : "";
}
