// Who publishes to a path and who views it by WebRTC, one by one, each to be ended by who may.
import { mayControl } from "./api_client.js";
import { bitrateLabel, bytesLabel, durationLabel, latencyLabel, protocolLabel } from "./labels.js";
import { Reading } from "./reading.js";

const READ_MS = 2_000;
const $ = (id) => document.getElementById(id);

export class SessionList {
  #rows = new Map();
  #asked = null; // the session that the dialog is about
  #reading = new Reading({
    ask: (signal) => this.#ask(signal),
    show: (told) => this.#show(told),
    fail: (error) => this.#tell(error.message),
    pauseMs: () => (document.hidden ? 5 * READ_MS : READ_MS),
  });

  /** `api` has the token of who signed in on the dashboard; `say` is for screen readers. */
  constructor(path, api, clock, say) {
    this.path = path;
    this.api = api;
    this.clock = clock;
    this.say = say;
    $("end-now").addEventListener("click", () => this.#end());
  }

  start() {
    return this.#reading.restart();
  }

  async #ask(signal) {
    const caller = await this.api.caller(signal);
    return { caller, told: caller.scope ? await this.api.sessions(this.path, signal) : null };
  }

  #show({ caller, told }) {
    this.caller = caller;
    if (!told) return this.#tell("Who is connected is told to those who sign in.");
    const { sessions } = told;
    const rows = sessions.map((one) => this.#row(one));
    const body = $("session-rows");
    // Replace only when the set changed: a rebuilt list would take the keyboard's focus away.
    if (rows.length !== body.children.length || rows.some((one, i) => one !== body.children[i])) body.replaceChildren(...rows);
    const names = new Set(sessions.map((one) => one.session));
    for (const name of this.#rows.keys()) if (!names.has(name)) this.#rows.delete(name);
    $("session-table").hidden = !sessions.length;
    this.#tell([sessions.length ? "" : "Nobody publishes, and nobody views by WebRTC.", overHttp(told.http_viewers?.[this.path])].filter(Boolean).join(" "));
  }

  #row(session) {
    let row = this.#rows.get(session.session);
    if (!row) {
      row = $("session").content.firstElementChild.cloneNode(true);
      row.dataset.session = session.session;
      row.querySelector(".end").addEventListener("click", () => this.#confirm(row.record));
      row.querySelector(".end").setAttribute("aria-label", `End ${words(session)} from ${session.remote}`);
      this.#rows.set(session.session, row);
    }
    row.record = session;
    const cells = {
      what: words(session),
      from: session.remote || "–",
      since: durationLabel(this.clock.now() / 1000 - session.since_utc),
      received: session.role === "publisher" ? bytesLabel(session.received_bytes) : "–",
      media: mediaWords(session.webrtc),
    };
    for (const [name, text] of Object.entries(cells)) row.querySelector(`.${name}`).textContent = text;
    row.querySelector(".end").hidden = !mayControl(this.caller);
    return row;
  }

  #confirm(session) {
    this.#asked = session;
    $("end-what").textContent = `${words(session)} from ${session.remote || "somewhere"}`;
    $("end-problem").hidden = true;
    $("end-dialog").showModal();
  }

  async #end() {
    const session = this.#asked;
    try {
      await this.api.endSession(this.path, session.session);
      $("end-dialog").close();
      this.say(`Ended: ${words(session)}.`);
      await this.#reading.restart();
    } catch (error) {
      $("end-problem").textContent = error.message;
      $("end-problem").hidden = false;
    }
  }

  #tell(text) {
    if ($("session-note").textContent !== text) $("session-note").textContent = text;
    $("session-note").hidden = !text;
  }
}

/** "RTMP publisher (backup, off air)", "WebRTC viewer". */
export function words({ protocol, role, rank, is_on_air: isOnAir }) {
  if (role === "viewer") return "WebRTC viewer";
  const more = [rank === "primary" ? "" : rank, isOnAir ? "" : "off air"].filter(Boolean).join(", ");
  const what = protocol === "pull" ? "Pulled source" : `${protocolLabel(protocol)} publisher`;
  return more ? `${what} (${more})` : what;
}

/** How well media get through by WebRTC: "2.5 Mbit/s, 0.4 % lost, 23 ms". */
export function mediaWords(webrtc) {
  if (!webrtc) return "–";
  const loss = Math.max(0, ...webrtc.streams.map((stream) => stream.loss));
  const lost = loss ? `${(100 * loss).toFixed(1)} % lost` : "";
  const roundTrip = webrtc.rtt_s ? latencyLabel(webrtc.rtt_s) : "";
  return [bitrateLabel(webrtc.bitrate), lost, roundTrip].filter(Boolean).join(", ") || "–";
}

/** Viewers over HTTP are counted by address, and have no sessions that could be ended. */
export function overHttp(counts = {}) {
  const parts = Object.entries(counts).filter(([, count]) => count).map(([protocol, count]) => `${protocolLabel(protocol)} ${count}`);
  return parts.length ? `Over HTTP: ${parts.join(", ")}; these have no sessions that could be ended.` : "";
}
