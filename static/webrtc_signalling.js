// Several WebRTC sessions over one WebSocket (docs/webrtc.md); the head of webrtc.js says how it is used.
import { iceServers } from "./sdp_text.js";
import { WebRtcError, openPublisher, openViewer } from "./webrtc_session.js";

const RECONNECT_MS = [250, 500, 1000, 2000, 4000]; // then the last one, with jitter
const ANSWER_MS = 15_000;

export class Signalling {
  #socket = null;
  #opened = null; // a promise of it
  #waiting = new Map(); // id: { resolve, reject }
  #doors = new Map(); // session: door
  #nextId = 0;
  #attempt = 0;
  #isClosed = false;

  constructor({ url = "/api/v1/signalling", on = {} } = {}) {
    this.url = new URL(url, location.href.replace(/^http/, "ws")).href;
    this.on = on;
  }

  async view(path, options = {}) {
    const door = new SocketDoor(this, path, "view", options);
    return Object.assign(await openViewer(door, options), { id: door.session });
  }

  async publish(path, stream, options = {}) {
    const door = new SocketDoor(this, path, "publish", options);
    return Object.assign(await openPublisher(door, stream, options), { id: door.session });
  }

  /** Stops picture or sound of a viewer at the server, or goes on with it. */
  mute({ id }, kind, muted = true) {
    return this.ask({ type: "mute", session: id, kind, muted });
  }

  /** What the server knows: of a viewer loss, round trip, bit rates; of a publisher what has come. */
  async statistics({ id }) {
    return (await this.ask({ type: "stats", session: id })).result;
  }

  close() {
    this.#isClosed = true;
    this.#socket?.close(1000);
    this.#lose(new WebRtcError("network", 0, "closed"));
  }

  /** The answer to one message. */
  async ask(message) {
    await this.#open();
    const id = (this.#nextId += 1);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id, null), ANSWER_MS);
      this.#waiting.set(id, { resolve, reject, late });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  remember(door) {
    this.#doors.set(door.session, door);
  }

  forget(door) {
    this.#doors.delete(door.session);
  }

  #open() {
    if (this.#isClosed) return Promise.reject(new WebRtcError("network", 0, "closed"));
    this.#opened ??= new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url);
      socket.onopen = () => {
        this.#socket = socket;
        this.#attempt = 0;
        this.on.state?.("open");
        this.#resume();
        resolve();
      };
      socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
      socket.onclose = () => {
        reject(new WebRtcError("network", 0, "the server cannot be reached"));
        this.#closed();
      };
    });
    return this.#opened;
  }

  #closed() {
    this.#opened = this.#socket = null;
    if (this.#isClosed) return;
    this.#lose(new WebRtcError("network", 0, "the connection was lost"));
    this.on.state?.("lost");
    if (!this.#doors.size) return;
    const wait = RECONNECT_MS[Math.min(this.#attempt, RECONNECT_MS.length - 1)];
    this.#attempt += 1;
    setTimeout(() => this.#open().catch(() => {}), wait * (0.8 + 0.4 * Math.random()));
  }

  /** Media have gone on meanwhile; sessions that have not are told to have closed. */
  async #resume() {
    const doors = [...this.#doors.values()];
    if (!doors.length) return;
    const sessions = doors.map(({ session, path }) => ({ session, path }));
    const answer = await this.ask({ type: "resume", sessions }).catch(() => null);
    for (const door of doors) {
      if (answer && !answer.sessions.includes(door.session)) {
        this.forget(door);
        this.on.event?.({ session: door.session, kind: "closed", detail: "it ended meanwhile" });
      }
    }
  }

  #lose(error) {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, null, error);
  }

  #take(message) {
    if (message.type === "event") {
      if (message.kind === "closed") this.#doors.delete(message.session);
      return this.on.event?.(message);
    }
    this.#settle(message.id, message);
  }

  #settle(id, message, error = new WebRtcError("network", 0, "no answer came in time")) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.late);
    if (!message) waiting.reject(error);
    else if (message.type !== "error") waiting.resolve(message);
    else waiting.reject(new WebRtcError(message.status === 406 ? "unsupported" : "missing", message.status, message.detail));
  }
}

/** A session's way to the server through a Signalling. */
class SocketDoor {
  constructor(signalling, path, role, { key = "", rank = "" } = {}) {
    Object.assign(this, { signalling, path, role, key, rank, session: null });
  }

  get isOpen() {
    return this.session !== null;
  }

  async offer(sdp) {
    const { path, role, key, rank } = this;
    const answer = await this.signalling.ask({ type: "join", path, role, key, rank, sdp });
    this.session = answer.session;
    const isOffer = answer.type === "offer";
    if (!isOffer) this.signalling.remember(this);
    return { sdp: answer.sdp, iceServers: iceServers(answer.iceServers), isOffer };
  }

  /** To the server's offer. */
  async answer(sdp) {
    await this.signalling.ask({ type: "answer", session: this.session, sdp });
    this.signalling.remember(this);
  }

  async patch(text) {
    const answer = await this.signalling.ask({ type: "trickle", session: this.session, fragment: text });
    return answer.fragment ?? null;
  }

  async layers() {
    return null; // events tell
  }

  async chooseLayer(encodingId) {
    return (await this.signalling.ask({ type: "layer", session: this.session, encodingId })).result;
  }

  async close() {
    this.signalling.forget(this);
    await this.signalling.ask({ type: "leave", session: this.session });
  }
}
