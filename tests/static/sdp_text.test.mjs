import assert from "node:assert/strict";
import { test } from "node:test";

import { apartStreams, fragment, iceServers, isTaken, preferStereo, withCredentials } from "../../static/sdp_text.js";

const lines = (...all) => all.map((one) => `${one}\r\n`).join("");
const AUDIO = lines("m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10");

test("Opus is asked for in stereo, once", () => {
  const amended = preferStereo(AUDIO);
  assert.match(amended, /a=fmtp:111 stereo=1;sprop-stereo=1;minptime=10/);
  assert.equal(preferStereo(amended), amended);
  assert.equal(preferStereo(lines("m=video 9 X 96")), lines("m=video 9 X 96"));
});

test("sound and picture become streams of their own", () => {
  const sdp = lines("m=audio 9 X 111", "a=msid:abc audio", "m=video 9 X 96", "a=msid:abc video");
  const apart = lines("m=audio 9 X 111", "a=msid:abc audio", "m=video 9 X 96", "a=msid:abc-picture video");
  assert.equal(apartStreams(sdp), apart);
});

test("a fragment has credentials, the first section and candidates", () => {
  const sdp = lines("v=0", "m=video 9 X 96", "a=ice-ufrag:u", "a=ice-pwd:p", "a=mid:0", "m=audio 9 X 111", "a=mid:1");
  assert.equal(
    fragment(sdp, [{ candidate: "candidate:1 1 udp 1 192.0.2.1 5 typ host" }]),
    lines("a=ice-ufrag:u", "a=ice-pwd:p", "m=video 9 X 96", "a=mid:0", "a=candidate:1 1 udp 1 192.0.2.1 5 typ host"),
  );
});

test("a restart's answer has the new credentials everywhere and the candidates in the first section", () => {
  const section = (mid) => lines("m=x", "a=ice-ufrag:old", "a=ice-pwd:old", "a=candidate:old", `a=mid:${mid}`);
  const theirs = lines("a=ice-ufrag:new", "a=ice-pwd:new2", "m=x", "a=mid:0", "a=candidate:1");
  const section2 = (mid, ...more) => lines("m=x", "a=ice-ufrag:new", "a=ice-pwd:new2", `a=mid:${mid}`, ...more);
  assert.equal(withCredentials(section(0) + section(1), theirs), section2(0, "a=candidate:1") + section2(1));
});

test("a restart's answer to who had the choice of the DTLS role has it made", () => {
  const theirs = lines("a=ice-ufrag:new", "a=ice-pwd:new2", "m=x", "a=mid:0");
  const offered = lines("m=x", "a=ice-ufrag:old", "a=ice-pwd:old", "a=setup:actpass", "a=mid:0");
  assert.match(withCredentials(offered, theirs), /a=setup:passive/);
});

test("an answer without a picture takes nothing where one was offered", () => {
  assert.equal(isTaken(lines("m=video 9 X 96", "m=audio 0 X 111")), true);
  assert.equal(isTaken(lines("m=video 0 X 0", "m=audio 9 X 111")), false);
  assert.equal(isTaken(lines("m=audio 9 X 111")), true);
  assert.equal(isTaken(lines("m=audio 0 X 111")), false);
});

test("ICE servers are read from a Link header, other links are not", () => {
  const link =
    '<stun:s:1>; rel="ice-server", <turn:t:2?transport=udp>; rel="ice-server"; username="u"; credential="c,;"; ' +
    'credential-type="password", </live/whep/1/layer>; rel="urn:ietf:params:whep:ext:core:layer"';
  assert.deepEqual(iceServers(link), [
    { urls: "stun:s:1" },
    { urls: "turn:t:2?transport=udp", username: "u", credential: "c,;" },
  ]);
  assert.deepEqual(iceServers(null), []);
});
