// Pieces of SDP and of Link headers, as text; knows no browser.

/** Browsers play and send Opus in mono unless the description says otherwise. */
export function preferStereo(sdp) {
  const opus = /^a=rtpmap:(\d+) opus\//im.exec(sdp);
  if (!opus) return sdp;
  return sdp.replace(new RegExp(`^(a=fmtp:${opus[1]} )(?!.*stereo=)`, "m"), "$1stereo=1;sprop-stereo=1;");
}

/** Sound and picture as streams of their own: a browser keeps those together that are of one, and has the
 * picture wait for the sound however long that takes (lip_sync.js does it within bounds). */
export function apartStreams(sdp) {
  return sdp.replace(/^a=msid:(\S+) video/gm, "a=msid:$1-picture video");
}

/** Whether an answer takes the picture that was offered, or the sound where there is no picture. */
export function isTaken(sdp) {
  const media = [...sdp.matchAll(/^m=(video|audio) (\d+)/gm)];
  const pictures = media.filter(([, kind]) => kind === "video");
  return (pictures.length ? pictures : media).some(([, , port]) => port !== "0");
}

/** The part of a description that RFC 9725 4.3 wants, with these candidates. */
export function fragment(sdp, candidates) {
  const line = (name) => new RegExp(`^a=${name}:.*$`, "m").exec(sdp)?.[0] ?? "";
  const media = /^m=.*$/m.exec(sdp)[0];
  const lines = candidates.map((candidate) => `a=${candidate.candidate}`);
  return [line("ice-ufrag"), line("ice-pwd"), media, line("mid"), ...lines, ""].join("\r\n");
}

/** `sdp` with the credentials and candidates of a fragment in the place of its own, as an answer: where it was an
 * offer, who had the choice has become the server of DTLS. */
export function withCredentials(sdp, text) {
  const ufrag = /^a=ice-ufrag:.*$/m.exec(text)[0].trim();
  const pwd = /^a=ice-pwd:.*$/m.exec(text)[0].trim();
  const candidates = text.match(/^a=candidate:.*$/gm) ?? [];
  let placed = false;
  return sdp
    .replace(/^a=ice-ufrag:.*$/gm, ufrag)
    .replace(/^a=ice-pwd:.*$/gm, pwd)
    .replace(/^a=candidate:.*\r\n/gm, "")
    .replace(/^a=setup:actpass/gm, "a=setup:passive")
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
