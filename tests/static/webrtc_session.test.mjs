// Who gets no connection is told so in time, whatever is tried meanwhile.
import assert from "node:assert/strict";
import test from "node:test";

import { openViewer } from "../../static/webrtc_session.js";

const SDP = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n";

/** A connection that never comes about, or as the test says. */
class Peer extends EventTarget {
  static last = null;
  connectionState = "new";

  constructor() {
    super();
    Peer.last = this;
  }

  addTransceiver() {}
  setConfiguration() {}
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

function door(iceServers) {
  return { isOpen: true, offer: async () => ({ sdp: SDP, iceServers }), patch: async () => SDP, close: async () => {} };
}

/** A viewer's session and the moments, in ms from its beginning, at which it failed. */
async function opened(t, iceServers) {
  globalThis.RTCPeerConnection = Peer;
  globalThis.MediaStream = class {};
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = 0;
  const failures = [];
  const on = { failed: () => failures.push(now) };
  await openViewer(door(iceServers), { on });
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
