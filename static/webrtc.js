// A small WebRTC client without dependencies: WHEP to view, WHIP to publish.
//
//   import { view, publish } from "/static/webrtc.js";
//
//   const viewer = await view("/live/foo/whep", { key: "", on: { track, state, failed } });
//   video.srcObject = viewer.stream;
//   await viewer.close();
//
//   const publisher = await publish("/live/foo/whip", mediaStream, { key: "s3cret", on: { state, failed } });
//   await publisher.close();
//
// Options of both:
//   key              sent as a bearer token
//   connectMs        how long until media must flow, else `failed` (3000)
//   relayOnly        true: through a TURN server alone
//   on.state(text)   "connecting" | "connected" | "disconnected" | "closed"
//   on.failed({ kind, status, detail })   it is over: kind is "missing" (an HTTP status says why),
//                    "network" (no way for media through this network, or the connection was lost)
//                    or "unsupported" (no codec in common)
//   on.track(track)  of a viewer: a track has begun
//
// Several sessions over one WebSocket, with what happens to them, and resumed when it was lost:
//
//   const signalling = new Signalling({ on: { event, state } });
//   const viewer = await signalling.view("live/foo", { key: "", on: { track, state, failed } });
//   await signalling.mute(viewer, "audio", true);
//   await signalling.statistics(viewer);
//   signalling.close();
//
//   on.event({ session, kind, detail })   kind is "connected", "closed" or "layers"
//   on.state(text)                        "open" | "lost": it reconnects by itself, media go on
//
// Candidates are gathered when the answer has named the ICE servers, and trickled; a connection that is
// lost is restarted (ICE) once before it counts as failed. Errors of the first request are thrown as
// WebRtcError with the same fields.

const CONNECT_MS = 3000;
const LOST_MS = 1000; // browsers notice a dead path after 5 s or so; a live one is back in this time
const RESTART_MS = 4000; // how long a restart may take
const MAX_VIDEO_BITRATE = 6_000_000; // of a publisher, where the server asks for no less

const RECONNECT_MS = [250, 500, 1000, 2000, 4000]; // then the last one, with jitter
const ANSWER_MS = 15_000;

export class WebRtcError extends Error {
  constructor(kind, status, detail) {
    super(detail);
    this.name = "WebRtcError";
    this.kind = kind;
    this.status = status;
    this.detail = detail;
  }
}

/** Views a path: `stream` fills as tracks come. Throws WebRtcError. */
export async function view(endpoint, options = {}) {
  return openViewer(new Session(new HttpDoor(endpoint, options.key), options), options);
}

async function openViewer(session, options) {
  const stream = new MediaStream();
  for (const kind of ["video", "audio"]) session.peer.addTransceiver(kind, { direction: "recvonly" });
  session.peer.addEventListener("track", ({ track }) => {
    stream.addTrack(track);
    options.on?.track?.(track);
  });
  await session.open(preferStereo);
  return Object.assign(session, { stream });
}

/** Publishes a MediaStream to a path. Throws WebRtcError. */
export async function publish(endpoint, stream, options = {}) {
  return openPublisher(new Session(new HttpDoor(endpoint, options.key), options), stream, options);
}

async function openPublisher(session, stream, options) {
  for (const track of stream.getTracks()) {
    const isVideo = track.kind === "video";
    session.peer.addTransceiver(track, {
      direction: "sendonly",
      streams: [stream],
      sendEncodings: isVideo ? [{ maxBitrate: options.maxBitrate ?? MAX_VIDEO_BITRATE }] : undefined,
    });
  }
  preferH264(session.peer);
  await session.open(preferStereo);
  return session;
}

/** What browsers decode everywhere and what becomes HLS without being encoded again comes first. */
function preferH264(peer) {
  const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs;
  if (!codecs) return;
  const first = codecs.filter((codec) => codec.mimeType === "video/H264");
  const ordered = [...first, ...codecs.filter((codec) => !first.includes(codec))];
  for (const transceiver of peer.getTransceivers()) {
    if (transceiver.sender.track?.kind === "video") transceiver.setCodecPreferences?.(ordered);
  }
}

/** Browsers play and send Opus in mono unless the description says otherwise. */
function preferStereo(sdp) {
  const opus = /^a=rtpmap:(\d+) opus\//im.exec(sdp);
  if (!opus) return sdp;
  return sdp.replace(new RegExp(`^(a=fmtp:${opus[1]} )(?!.*stereo=)`, "m"), "$1stereo=1;sprop-stereo=1;");
}

/** WHEP or WHIP over HTTP (RFC 9725). */
class HttpDoor {
  #etag = "";

  constructor(endpoint, key = "") {
    this.endpoint = new URL(endpoint, location.href).href;
    this.url = null; // of the session, once it is there
    this.headers = key ? { Authorization: `Bearer ${key}` } : {};
  }

  get isOpen() {
    return this.url !== null;
  }

  /** { sdp, iceServers } for an offer. */
  async offer(sdp) {
    let response;
    try {
      response = await this.#fetch(this.endpoint, "POST", "application/sdp", sdp);
    } catch {
      throw new WebRtcError("network", 0, "the server cannot be reached");
    }
    if (response.status !== 201) {
      const detail = await response.json().then((problem) => problem.detail, () => response.statusText);
      throw new WebRtcError(response.status === 406 ? "unsupported" : "missing", response.status, detail);
    }
    this.url = new URL(response.headers.get("Location"), this.endpoint).href;
    this.#etag = response.headers.get("ETag") ?? "";
    return { sdp: await response.text(), iceServers: iceServers(response.headers.get("Link")) };
  }

  /** Sends a fragment; the server's own after a restart, else null. */
  async patch(body) {
    const match = { "If-Match": this.#etag || "*" };
    const response = await this.#fetch(this.url, "PATCH", "application/trickle-ice-sdpfrag", body, match);
    if (!response.ok) throw new WebRtcError("missing", response.status, "the session has ended");
    this.#etag = response.headers.get("ETag") ?? this.#etag;
    return response.status === 200 ? response.text() : null;
  }

  async layers() {
    const response = await fetch(`${this.url}/layer`, { headers: this.headers });
    return response.ok ? response.json() : null;
  }

  async chooseLayer(encodingId) {
    const body = JSON.stringify(encodingId === null ? {} : { encodingId });
    const response = await this.#fetch(`${this.url}/layer`, "POST", "application/json", body);
    return response.ok ? response.json() : null;
  }

  async close() {
    if (this.url) await fetch(this.url, { method: "DELETE", headers: this.headers, keepalive: true });
  }

  #fetch(url, method, type, body, more = {}) {
    return fetch(url, { method, headers: { ...this.headers, ...more, "Content-Type": type }, body });
  }
}

class Session {
  #door;
  #candidates = [];
  #isClosed = false;
  #restarted = false;
  #timer = 0;

  constructor(door, { connectMs = CONNECT_MS, relayOnly = false, on = {} } = {}) {
    this.#door = door;
    this.settings = { bundlePolicy: "max-bundle", iceTransportPolicy: relayOnly ? "relay" : "all" };
    this.peer = new RTCPeerConnection(this.settings);
    this.connectMs = connectMs;
    this.on = on;
    this.peer.addEventListener("icecandidate", ({ candidate }) => this.#candidate(candidate));
    this.peer.addEventListener("connectionstatechange", () => this.#changed());
  }

  async open(amend) {
    const offer = await this.peer.createOffer();
    offer.sdp = amend(offer.sdp);
    let answer;
    try {
      answer = await this.#door.offer(offer.sdp);
    } catch (error) {
      await this.close();
      throw error;
    }
    if (this.#isClosed) return this.#door.close().catch(() => {});
    // In this order: gathering begins with the local description, and with the servers known then.
    if (answer.iceServers.length) this.peer.setConfiguration({ ...this.settings, iceServers: answer.iceServers });
    await this.peer.setLocalDescription(offer);
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.#timer = setTimeout(() => this.#fail("network", "no connection within the time"), this.connectMs);
    this.#trickle();
  }

  /** Of a viewer: { choices: [{ encodingId, width, height, bitrate }], active, selected }. */
  async layers() {
    return this.#door.isOpen && !this.#isClosed ? this.#door.layers().catch(() => null) : null;
  }

  /** Of a viewer: which rendition it wants, by encodingId; null leaves it to the server. */
  async chooseLayer(encodingId) {
    return this.#door.isOpen && !this.#isClosed ? this.#door.chooseLayer(encodingId).catch(() => null) : null;
  }

  /** Ends the session on both sides; may be called at any time. */
  async close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.peer.close();
    this.on.state?.("closed");
    if (this.#door.isOpen) await this.#door.close().catch(() => {});
  }

  #candidate(candidate) {
    if (!candidate || this.#isClosed) return;
    this.#candidates.push(candidate);
    if (this.#door.isOpen) this.#trickle();
  }

  async #trickle() {
    const candidates = this.#candidates.splice(0);
    if (!candidates.length || this.#isClosed) return;
    await this.#door.patch(fragment(this.peer.localDescription.sdp, candidates)).catch(() => {});
  }

  #changed() {
    const state = this.peer.connectionState;
    if (this.#isClosed) return;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#restarted = false;
    }
    if (state === "failed") return this.#restart();
    if (state === "disconnected") this.#timer = setTimeout(() => this.#restart(), LOST_MS);
    if (state !== "new" && state !== "closed") this.on.state?.(state);
  }

  /** The network has changed: new credentials, then new candidates. */
  async #restart() {
    clearTimeout(this.#timer);
    if (this.#restarted || !this.#door.isOpen || this.#isClosed) return this.#fail("network", "the connection was lost");
    this.#restarted = true;
    this.#timer = setTimeout(() => this.#fail("network", "the connection was lost"), RESTART_MS);
    try {
      await this.peer.setLocalDescription(await this.peer.createOffer({ iceRestart: true }));
      const theirs = await this.#door.patch(fragment(this.peer.localDescription.sdp, this.#candidates.splice(0)));
      const sdp = withCredentials(this.peer.remoteDescription.sdp, theirs);
      await this.peer.setRemoteDescription({ type: "answer", sdp });
      this.#trickle();
    } catch (error) {
      this.#fail(error.kind ?? "network", "the connection was lost", error.status);
    }
  }

  #fail(kind, detail, status = 0) {
    if (this.#isClosed) return;
    this.close();
    this.on.failed?.({ kind, status, detail });
  }
}

/** One WebSocket for several sessions; see the head of this file. */
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
    const door = new SocketDoor(this, path, "view", options.key);
    return Object.assign(await openViewer(new Session(door, options), options), { id: door.session });
  }

  async publish(path, stream, options = {}) {
    const door = new SocketDoor(this, path, "publish", options.key);
    return Object.assign(await openPublisher(new Session(door, options), stream, options), { id: door.session });
  }

  /** Stops picture or sound of a viewer at the server, or goes on with it. */
  mute({ id }, kind, muted = true) {
    return this.ask({ type: "mute", session: id, kind, muted });
  }

  /** What the server knows of a viewer: loss, round trip, bit rates. */
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
  constructor(signalling, path, role, key = "") {
    Object.assign(this, { signalling, path, role, key, session: null });
  }

  get isOpen() {
    return this.session !== null;
  }

  async offer(sdp) {
    const { path, role, key } = this;
    const answer = await this.signalling.ask({ type: "join", path, role, key, sdp });
    this.session = answer.session;
    this.signalling.remember(this);
    return { sdp: answer.sdp, iceServers: iceServers(answer.iceServers) };
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

/** The part of a description that RFC 9725 4.3 wants, with these candidates. */
function fragment(sdp, candidates) {
  const line = (name) => new RegExp(`^a=${name}:.*$`, "m").exec(sdp)?.[0] ?? "";
  const media = /^m=.*$/m.exec(sdp)[0];
  const lines = candidates.map((candidate) => `a=${candidate.candidate}`);
  return [line("ice-ufrag"), line("ice-pwd"), media, line("mid"), ...lines, ""].join("\r\n");
}

/** `sdp` with the credentials and candidates of a fragment in the place of its own. */
function withCredentials(sdp, text) {
  const ufrag = /^a=ice-ufrag:.*$/m.exec(text)[0].trim();
  const pwd = /^a=ice-pwd:.*$/m.exec(text)[0].trim();
  const candidates = text.match(/^a=candidate:.*$/gm) ?? [];
  let placed = false;
  return sdp
    .replace(/^a=ice-ufrag:.*$/gm, ufrag)
    .replace(/^a=ice-pwd:.*$/gm, pwd)
    .replace(/^a=candidate:.*\r\n/gm, "")
    .replace(/^a=mid:.*$/gm, (mid) => {
      if (placed) return mid;
      placed = true;
      return [mid.trim(), ...candidates.map((one) => one.trim())].join("\r\n");
    });
}

/** ICE servers from a Link header (RFC 9725 4.6). */
export function iceServers(link) {
  const servers = [];
  for (const [, url, rest] of (link ?? "").matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+="[^"]*")*)/g)) {
    const field = (name) => new RegExp(`${name}="([^"]*)"`).exec(rest)?.[1];
    if (field("rel") !== "ice-server") continue;
    const server = { urls: url };
    if (field("username")) Object.assign(server, { username: field("username"), credential: field("credential") });
    servers.push(server);
  }
  return servers;
}
