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
//   on.message(event)  of a viewer: metadata or chat of the path, or { type: "error", status, detail } about a
//                    line of one's own; viewer.say(text, sender) sends one (docs/metadata.md)
//   codecs           of a viewer: those of the picture that it offers ["video/AV1"], for who would rather have
//                    them; a path without them makes an offer of its own, which is answered
//   sync             of a viewer: "auto" (the default; with keepTogether, which see), "lips" leaves it to the
//                    browser to keep picture and sound together, whatever latency that takes, "latency" has them
//                    apart by as much as nobody notices
//   maxBitrate       of a publisher: bits per second of the picture, of its largest layer (6,000,000)
//   rank             of a publisher through a Signalling: "backup" or "primary"; by WHIP "?role=backup" in its URL
//   simulcast        of a publisher: true sends the picture in two or three sizes
//
// Several sessions over one WebSocket, with what happens to them, and resumed when it was lost:
//
//   const signalling = new Signalling({ on: { event, state } });
//   const viewer = await signalling.view("live/foo", { key: "", on: { track, state, failed } });
//   await signalling.mute(viewer, "audio", true);
//   await signalling.statistics(viewer);
//   signalling.close();
//
//   on.event({ session, kind, detail })   kind is "connected", "closed", "layers", "active", "inactive"
//                                         or "viewercount"
//   on.state(text)                        "open" | "lost": it reconnects by itself, media go on
//
// Candidates are gathered at once and trickled; where there is no direct way within a second, again with
// the ICE servers that the answer has named. A connection that is lost is restarted (ICE) once before it
// counts as failed. Errors of the first request are thrown as
// WebRtcError with the same fields.

import { iceServers } from "./sdp_text.js";
import { WebRtcError, openPublisher, openViewer } from "./webrtc_session.js";

export { WebRtcError } from "./webrtc_session.js";
export { Signalling } from "./webrtc_signalling.js";

/** Views a path: `stream` fills as tracks come. Throws WebRtcError. */
export async function view(endpoint, options = {}) {
  return openViewer(new HttpDoor(endpoint, options.key), options);
}

/** Publishes a MediaStream to a path. Throws WebRtcError. */
export async function publish(endpoint, stream, options = {}) {
  return openPublisher(new HttpDoor(endpoint, options.key), stream, options);
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

  /** { sdp, iceServers } for an offer; `isOffer` where the server has none of its codecs and offers its own. */
  async offer(sdp) {
    let response;
    try {
      response = await this.#fetch(this.endpoint, "POST", "application/sdp", sdp);
    } catch {
      throw new WebRtcError("network", 0, "the server cannot be reached");
    }
    const isOffer = response.status === 406 && response.headers.has("Location");
    if (response.status !== 201 && !isOffer) {
      const detail = await response.json().then(
        (problem) => problem.detail,
        () => response.statusText,
      );
      throw new WebRtcError(response.status === 406 ? "unsupported" : "missing", response.status, detail);
    }
    this.url = new URL(response.headers.get("Location"), this.endpoint).href;
    this.#etag = response.headers.get("ETag") ?? "";
    return { sdp: await response.text(), iceServers: iceServers(response.headers.get("Link")), isOffer };
  }

  /** To the server's offer. */
  async answer(sdp) {
    const response = await this.#fetch(this.url, "PATCH", "application/sdp", sdp);
    if (!response.ok) throw new WebRtcError(response.status === 406 ? "unsupported" : "missing", response.status, "the answer was refused");
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
