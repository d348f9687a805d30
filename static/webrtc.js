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
//   on.state(text)   "connecting" | "connected" | "disconnected" | "closed"
//   on.failed({ kind, status, detail })   it is over: kind is "missing" (an HTTP status says why),
//                    "network" (no way for media through this network, or the connection was lost)
//                    or "unsupported" (no codec in common)
//   on.track(track)  of a viewer: a track has begun
//
// Candidates are gathered while the offer is on its way and trickled by PATCH; a connection that is
// lost is restarted (ICE) once before it counts as failed. Errors of the first request are thrown as
// WebRtcError with the same fields.

const CONNECT_MS = 3000;
const RESTART_MS = 4000; // browsers notice a dead path after 5 s or so; then this long
const MAX_VIDEO_BITRATE = 6_000_000; // of a publisher, where the server asks for no less

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
  const session = new Session(endpoint, options);
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
  const session = new Session(endpoint, options);
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

class Session {
  #candidates = [];
  #etag = "";
  #isClosed = false;
  #restarted = false;
  #timer = 0;

  constructor(endpoint, { key = "", connectMs = CONNECT_MS, on = {} } = {}) {
    this.endpoint = new URL(endpoint, location.href).href;
    this.url = null; // of the session, once it is there
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connectMs = connectMs;
    this.on = on;
    this.headers = key ? { Authorization: `Bearer ${key}` } : {};
    this.peer.addEventListener("icecandidate", ({ candidate }) => this.#candidate(candidate));
    this.peer.addEventListener("connectionstatechange", () => this.#changed());
  }

  async open(amend) {
    const offer = await this.peer.createOffer();
    offer.sdp = amend(offer.sdp);
    const [response] = await Promise.all([this.#post(offer.sdp), this.peer.setLocalDescription(offer)]);
    if (this.#isClosed) return;
    this.url = new URL(response.headers.get("Location"), this.endpoint).href;
    this.#etag = response.headers.get("ETag") ?? "";
    this.peer.setConfiguration({ bundlePolicy: "max-bundle", iceServers: iceServers(response.headers.get("Link")) });
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    this.#timer = setTimeout(() => this.#fail("network", "no connection within the time"), this.connectMs);
    this.#trickle();
  }

  /** Of a viewer: { choices: [{ encodingId, width, height, bitrate }], active, selected }. */
  async layers() {
    if (!this.url || this.#isClosed) return null;
    const response = await fetch(`${this.url}/layer`, { headers: this.headers }).catch(() => null);
    return response?.ok ? response.json() : null;
  }

  /** Of a viewer: which rendition it wants, by encodingId; null leaves it to the server. */
  async chooseLayer(encodingId) {
    if (!this.url || this.#isClosed) return null;
    const headers = { ...this.headers, "Content-Type": "application/json" };
    const body = JSON.stringify(encodingId === null ? {} : { encodingId });
    const response = await fetch(`${this.url}/layer`, { method: "POST", headers, body }).catch(() => null);
    return response?.ok ? response.json() : null;
  }

  /** Ends the session on both sides; may be called at any time. */
  async close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.peer.close();
    this.on.state?.("closed");
    if (this.url) await fetch(this.url, { method: "DELETE", headers: this.headers, keepalive: true }).catch(() => {});
  }

  async #post(sdp) {
    let response;
    try {
      const headers = { ...this.headers, "Content-Type": "application/sdp" };
      response = await fetch(this.endpoint, { method: "POST", headers, body: sdp });
    } catch {
      await this.close();
      throw new WebRtcError("network", 0, "the server cannot be reached");
    }
    if (response.status === 201) return response;
    const detail = await response.json().then((problem) => problem.detail, () => response.statusText);
    await this.close();
    throw new WebRtcError(response.status === 406 ? "unsupported" : "missing", response.status, detail);
  }

  #candidate(candidate) {
    if (!candidate || this.#isClosed) return;
    this.#candidates.push(candidate);
    if (this.url) this.#trickle();
  }

  async #trickle() {
    const candidates = this.#candidates.splice(0);
    if (!candidates.length || this.#isClosed) return;
    await this.#patch(fragment(this.peer.localDescription.sdp, candidates)).catch(() => {});
  }

  async #patch(body) {
    const headers = {
      ...this.headers,
      "Content-Type": "application/trickle-ice-sdpfrag",
      "If-Match": this.#etag || "*",
    };
    return fetch(this.url, { method: "PATCH", headers, body });
  }

  #changed() {
    const state = this.peer.connectionState;
    if (this.#isClosed) return;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#restarted = false;
    }
    if (state === "failed") return this.#restart();
    if (state === "disconnected") this.#timer = setTimeout(() => this.#restart(), RESTART_MS);
    if (state !== "new" && state !== "closed") this.on.state?.(state);
  }

  /** The network has changed: new credentials, then new candidates. */
  async #restart() {
    clearTimeout(this.#timer);
    if (this.#restarted || !this.url || this.#isClosed) return this.#fail("network", "the connection was lost");
    this.#restarted = true;
    this.#timer = setTimeout(() => this.#fail("network", "the connection was lost"), RESTART_MS);
    try {
      this.peer.restartIce();
      await this.peer.setLocalDescription(await this.peer.createOffer({ iceRestart: true }));
      const response = await this.#patch(fragment(this.peer.localDescription.sdp, this.#candidates.splice(0)));
      if (response.status !== 200) return this.#fail("missing", "the session has ended", response.status);
      this.#etag = response.headers.get("ETag") ?? this.#etag;
      const sdp = withCredentials(this.peer.remoteDescription.sdp, await response.text());
      await this.peer.setRemoteDescription({ type: "answer", sdp });
      this.#trickle();
    } catch {
      this.#fail("network", "the connection was lost");
    }
  }

  #fail(kind, detail, status = 0) {
    if (this.#isClosed) return;
    this.close();
    this.on.failed?.({ kind, status, detail });
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
