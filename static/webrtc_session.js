// One WebRTC session, whichever way it reaches the server: a door has
//   isOpen             whether there is a session
//   offer(sdp)         { sdp, iceServers } of the answer, or with isOffer of an offer in its place; throws WebRtcError
//   answer(sdp)        to that offer; throws WebRtcError
//   patch(fragment)    the server's own fragment after a restart, else null
//   layers(), chooseLayer(id), close()
import { correct, expect, hold, median, reachOf } from "./lip_sync.js";
import { LossCushion } from "./loss_cushion.js";
import { apartStreams, fragment, isTaken, preferStereo, withCredentials } from "./sdp_text.js";

const CONNECT_MS = 3000;
const DIRECT_MS = 1000; // without a relay, where there is one
const LEADS = 4; // measured for one correction,
const SLOW_LEADS = 3; // and left out after it: browsers take a second to hold pictures for 100 ms longer
const LOSSES_MS = 500; // between two looks
const LOST_MS = 1000; // browsers notice a dead path after 5 s or so; a live one is back in this time
const RESTART_MS = 4000; // how long a restart may take, of a connection that there was
const RIDS = ["h", "m", "l"];
const THREE_LAYERS_LINES = 720; // a quarter of less is nothing to look at
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

/** A session that views through `door`: its `stream` fills as tracks come. */
export async function openViewer(door, options) {
  const session = new Session(door, options);
  const stream = new MediaStream();
  for (const kind of ["video", "audio"]) {
    const transceiver = session.peer.addTransceiver(kind, { direction: "recvonly" });
    if (kind === "video" && options.codecs) offerAlone(transceiver, options.codecs);
  }
  if (options.on?.message) session.listen(options.on.message);
  session.hearTrack = (track) => {
    stream.addTrack(track);
    options.on?.track?.(track);
  };
  await session.open();
  session.watchLosses();
  return Object.assign(session, { stream });
}

/** A session that publishes `stream` through `door`. */
export async function openPublisher(door, stream, options) {
  const session = new Session(door, options);
  for (const track of stream.getTracks()) {
    const isVideo = track.kind === "video";
    const { sender } = session.peer.addTransceiver(track, {
      direction: "sendonly",
      streams: [stream],
      sendEncodings: isVideo ? encodings(track, options) : undefined,
    });
    if (isVideo && options.simulcast) await keepSizes(sender);
  }
  preferH264(session.peer);
  await session.open();
  return session;
}

/** One encoding, or with `simulcast` several of the same picture, each half as large as the one before. */
function encodings(track, { maxBitrate = MAX_VIDEO_BITRATE, simulcast = false }) {
  if (!simulcast) return [{ maxBitrate }];
  const rids = (track.getSettings().height ?? 0) < THREE_LAYERS_LINES ? RIDS.slice(0, 2) : RIDS;
  return rids.map((rid, n) => ({ rid, scaleResolutionDownBy: 2 ** n, maxBitrate: Math.round(maxBitrate / 3 ** n) }));
}

/** A processor that is short costs pictures: another size of a layer would be another rendition, and a smaller
 * layer is there for who needs it. */
async function keepSizes(sender) {
  const parameters = { ...sender.getParameters(), degradationPreference: "maintain-resolution" };
  await sender.setParameters(parameters).catch(() => {}); // not every browser can be asked
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

/** Of those that the browser has; `rtx` and its like go with each codec. */
function offerAlone(transceiver, mimeTypes) {
  const repairs = ["video/rtx", "video/red", "video/ulpfec"];
  const wanted = [...mimeTypes.map((type) => type.toLowerCase()), ...repairs];
  const codecs = RTCRtpReceiver.getCapabilities("video").codecs.filter(({ mimeType }) => wanted.includes(mimeType.toLowerCase()));
  if (codecs.some(({ mimeType }) => !repairs.includes(mimeType.toLowerCase()))) transceiver.setCodecPreferences(codecs);
}

class Session {
  #door;
  #candidates = [];
  #channel = null;
  #isClosed = false;
  #restarted = false;
  #wasConnected = false;
  #losses = new LossCushion();
  #cushion = 0; // milliseconds
  #watching = 0;
  #leads = []; // since the last correction
  #settling = 0; // of which so many are of before it told
  #expected = null; // of the next one
  #held = { picture: 0, sound: 0 }; // milliseconds
  #sound = null; // "passed" or "made", as the server last said
  #timer = 0;

  constructor(door, { connectMs = CONNECT_MS, relayOnly = false, sync = "auto", on = {} } = {}) {
    this.#door = door;
    this.sync = sync;
    this.settings = { bundlePolicy: "max-bundle", iceTransportPolicy: relayOnly ? "relay" : "all" };
    this.relayOnly = relayOnly;
    this.connectMs = connectMs;
    this.on = on;
    this.hearTrack = null;
    this.#begin(this.settings);
  }

  #begin(settings) {
    const peer = new RTCPeerConnection(settings);
    this.peer = peer;
    this.#candidates = [];
    peer.addEventListener("icecandidate", ({ candidate }) => peer === this.peer && this.#candidate(candidate));
    peer.addEventListener("connectionstatechange", () => peer === this.peer && this.#changed());
    peer.addEventListener("track", ({ track }) => this.hearTrack?.(track));
  }

  async open() {
    const offer = await this.peer.createOffer();
    offer.sdp = preferStereo(offer.sdp);
    // Gathering begins with the local description, with the servers known then, and takes a while.
    if (!this.relayOnly) await this.peer.setLocalDescription(offer);
    let theirs;
    try {
      theirs = await this.#door.offer(offer.sdp);
      if (theirs.isOffer && !this.#isClosed) await this.#answer(theirs);
    } catch (error) {
      if (this.#isClosed) return this.#leave(); // what a closed connection says is nobody's concern
      await this.close();
      throw error;
    }
    if (this.#isClosed) return this.#leave();
    if (!theirs.isOffer) await this.#take(theirs, offer);
    const mayNeedRelay = theirs.iceServers.length > 0 && !this.relayOnly && !theirs.isOffer;
    if (mayNeedRelay) this.#timer = setTimeout(() => this.#restart(), DIRECT_MS);
    else this.#timer = setTimeout(() => this.#fail("network", "no connection within the time"), this.connectMs);
    this.#trickle();
  }

  async #take({ sdp, iceServers }, offer) {
    if (iceServers.length) this.peer.setConfiguration({ ...this.settings, iceServers });
    if (this.relayOnly) await this.peer.setLocalDescription(offer);
    await this.peer.setRemoteDescription({ type: "answer", sdp: this.#streams(sdp) });
  }

  /** The server had none of the codecs that were offered, and offers its own: to a connection that begins anew,
   * as what was offered before would bind the answer. */
  async #answer({ sdp, iceServers }) {
    this.peer.close();
    this.#begin({ ...this.settings, iceServers });
    await this.peer.setRemoteDescription({ type: "offer", sdp: this.#streams(sdp) });
    const answer = await this.peer.createAnswer();
    if (!isTaken(answer.sdp)) throw new WebRtcError("unsupported", 406, "no codec in common");
    answer.sdp = preferStereo(answer.sdp);
    await this.peer.setLocalDescription(answer);
    await this.#door.answer(answer.sdp);
  }

  /** Of a viewer: { choices: [{ encodingId, width, height, bitrate }], active, selected, mediaAheadS, clocks,
   * sound }. */
  async layers() {
    const layers = this.#door.isOpen && !this.#isClosed ? await this.#door.layers().catch(() => null) : null;
    if (layers) this.#sound = layers.sound;
    return layers;
  }

  /** Of a viewer: which rendition it wants, by encodingId; null leaves it to the server. */
  async chooseLayer(encodingId) {
    return this.#door.isOpen && !this.#isClosed ? this.#door.chooseLayer(encodingId).catch(() => null) : null;
  }

  /** Of a viewer, before the offer: hears metadata and chat by a data channel. */
  listen(hear) {
    this.#channel = this.peer.createDataChannel("messages");
    this.#channel.onmessage = ({ data }) => {
      for (const event of [JSON.parse(data)].flat()) hear(event);
    };
  }

  /** Of a viewer: sends a line of chat; false where there is no channel yet. */
  say(text, sender = "") {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify({ type: "chat", text, sender }));
    return true;
  }

  /** A browser keeps together by itself what is of one stream, whatever that takes. */
  #streams(sdp) {
    return this.sync === "lips" ? sdp : apartStreams(sdp);
  }

  /** Of a viewer: keeps picture and sound together as its `sync` says; `lead` is what the picture on screen is
   * ahead of the sound that is heard, milliseconds. To be called about twice a second, and `layers` now and
   * then, which says what sound it is. */
  keepTogether(lead) {
    if (this.sync === "lips") return;
    this.#leads.push(lead);
    if (this.#leads.length < LEADS + this.#settling) return;
    const [before, usual] = [this.#held, median(this.#leads.splice(0).slice(-LEADS))];
    this.#held = correct(before, usual, this.#expected, this.sync === "latency" ? 0 : reachOf(this.#sound));
    this.#expected = expect(usual, before, this.#held);
    this.#settling = this.#held.picture === before.picture && this.#held.sound === before.sound ? 0 : SLOW_LEADS;
    this.#hold();
  }

  /** Of a viewer: looks from now on whether packets get lost, and has pictures wait where they do. */
  watchLosses() {
    this.#watching = setInterval(async () => {
      const reports = [...(await this.peer.getStats().catch(() => new Map())).values()];
      const video = reports.find((one) => one.type === "inbound-rtp" && one.kind === "video");
      const pair = reports.find((one) => one.type === "candidate-pair" && one.nominated && one.currentRoundTripTime);
      if (!video || this.#isClosed) return;
      const cushion = this.#losses.update(video, 1000 * (pair?.currentRoundTripTime ?? 0), performance.now());
      if (cushion === this.#cushion) return;
      this.#cushion = cushion;
      this.#hold();
    }, LOSSES_MS);
  }

  #hold() {
    for (const receiver of this.peer.getReceivers()) {
      const isVideo = receiver.track.kind === "video";
      hold(receiver, isVideo ? Math.max(this.#held.picture, this.#cushion) : this.#held.sound);
    }
  }

  /** Ends the session on both sides; may be called at any time. */
  async close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watching);
    this.peer.close();
    this.on.state?.("closed");
    await this.#leave();
  }

  async #leave() {
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
      if (!this.#wasConnected) this.#watchEnd();
      this.#wasConnected = true;
    }
    if (state === "failed") return this.#restart();
    if (state === "disconnected" && !this.#restarted) this.#timer = setTimeout(() => this.#restart(), LOST_MS);
    if (state !== "new" && state !== "closed") this.on.state?.(state);
  }

  /** Browsers tell at once by the DTLS transport that the server has ended it, and of the connection as a whole
   * when its checks have stayed away for seven seconds. Why, the server says to who asks for a restart. */
  #watchEnd() {
    const transport = this.peer.getTransceivers()[0]?.receiver.transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state === "closed" && !this.#isClosed) this.#restart();
    });
  }

  /** The network has changed: new credentials, then new candidates. */
  async #restart() {
    clearTimeout(this.#timer);
    const reason = this.#wasConnected ? "the connection was lost" : "no connection within the time";
    if (this.#restarted || !this.#door.isOpen || this.#isClosed) return this.#fail("network", reason);
    this.#restarted = true;
    const within = this.#wasConnected ? RESTART_MS : this.connectMs - DIRECT_MS;
    this.#timer = setTimeout(() => this.#fail("network", reason), within);
    try {
      await this.peer.setLocalDescription(await this.peer.createOffer({ iceRestart: true }));
      const theirs = await this.#door.patch(fragment(this.peer.localDescription.sdp, this.#candidates.splice(0)));
      const sdp = withCredentials(this.peer.remoteDescription.sdp, theirs);
      await this.peer.setRemoteDescription({ type: "answer", sdp });
      this.#trickle();
    } catch (error) {
      this.#fail(error.kind ?? "network", reason, error.status);
    }
  }

  #fail(kind, detail, status = 0) {
    if (this.#isClosed) return;
    this.close();
    this.on.failed?.({ kind, status, detail });
  }
}
