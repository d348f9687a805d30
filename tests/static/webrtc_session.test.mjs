// Who gets no connection is told so in time, whatever is tried meanwhile.
import assert from "node:assert/strict";
import test from "node:test";

import { WebRtcError, openViewer } from "../../static/webrtc_session.js";

const SDP = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n";

/** A connection that never comes about, or as the test says. */
class Peer extends EventTarget {
  static last = null;
  connectionState = "new";

  constructor() {
    super();
    Peer.last = this;
    this.transport = Object.assign(new EventTarget(), { state: "new" });
  }

  addTransceiver() {}
  setConfiguration() {}
  getTransceivers() {
    return [{ sender: { transport: this.transport }, receiver: { transport: this.transport } }];
  }
  getReceivers() {
    return [];
  }
  async getStats() {
    return new Map();
  }
  close() {}
  async createOffer() {
    return { type: "offer", sdp: SDP };
  }
  async setLocalDescription(description) {
    this.localDescription = description;
  }
  async setRemoteDescription(description) {
    this.remoteDescription = description;
  }

  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }
}

function door(iceServers, more = {}) {
  return { isOpen: true, offer: async () => ({ sdp: SDP, iceServers }), patch: async () => SDP, close: async () => {}, ...more };
}

/** A viewer's session and the moments, in ms from its beginning, at which it failed. */
async function opened(t, iceServers, more) {
  globalThis.RTCPeerConnection = Peer;
  globalThis.MediaStream = class {};
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = 0;
  const failures = [];
  const on = { failed: ({ status }) => failures.push(...(status ? [now, status] : [now])) };
  await openViewer(door(iceServers, more), { on });
  const pass = async (ms) => {
    for (const end = now + ms; now < end; ) {
      now += 100;
      t.mock.timers.tick(100);
      for (let i = 0; i < 20; i += 1) await null;
    }
  };
  return { failures, pass };
}

for (const [name, servers] of [["without", []], ["with", [{ urls: "turn:turn.example.org" }]]]) {
  test(`${name} ICE servers no connection is a failure after three seconds`, async (t) => {
    const { failures, pass } = await opened(t, servers);
    await pass(8000);
    assert.deepEqual(failures, [3000]);
  });
}

test("a connection that is lost again while it is restarted has four seconds all the same", async (t) => {
  const { failures, pass } = await opened(t, []);
  Peer.last.become("connected");
  await pass(5000);
  Peer.last.become("disconnected");
  await pass(1500);
  Peer.last.become("connecting");
  Peer.last.become("disconnected");
  await pass(2000);
  Peer.last.become("connected");
  await pass(8000);
  assert.deepEqual(failures, []);
});

test("that the server has ended the session is known at once, not when its checks stay away", async (t) => {
  const patch = async () => {
    throw new WebRtcError("missing", 404, "there is no such session");
  };
  const { failures, pass } = await opened(t, [], { patch });
  Peer.last.transport.state = "connected";
  Peer.last.become("connected");
  await pass(5000);
  Peer.last.transport.state = "closed";
  Peer.last.transport.dispatchEvent(new Event("statechange"));
  await pass(200);
  assert.deepEqual(failures, [5100, 404]);
});
