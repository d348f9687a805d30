// Where to publish to a path and where to play it from, as people type it. Knows no browser.

const LOOPBACK = /^(127\.|localhost$|\[::1\]$)/;

/** What OBS and others call server and stream key, or null where RTMP is off.
 *  `hostname` is the server's as the page was reached. */
export function rtmpOf(path, server, hostname) {
  if (!server.rtmp_listen) return null;
  const [, host, port] = server.rtmp_listen.match(/^(.*):(\d+)$/);
  const authority = `${hostname}${port === "1935" ? "" : `:${port}`}`;
  const at = path.lastIndexOf("/");
  const [app, key] = at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
  const url = `rtmp://${authority}${app ? `/${app}` : ""}`;
  return { server: url, key, url: `${url}/${key}`, isLoopback: LOOPBACK.test(host) };
}

/** [{ id, label, value }]: how to publish to a path. `origin` is such as "https://host". */
export function publishAddresses(path, server, origin, hostname) {
  const rtmp = rtmpOf(path, server, hostname);
  return [
    rtmp && { id: "obs-server", label: "OBS: server", value: rtmp.server },
    rtmp && { id: "obs-key", label: "OBS: stream key", value: rtmp.key },
    rtmp && { id: "rtmp", label: "RTMP", value: rtmp.url },
    server.webrtc && { id: "whip", label: "WHIP", value: origin + escapePath(`/${path}/whip`) },
    server.webrtc && { id: "browser", label: "From a browser", value: origin + escapePath(`/${path}/publish`) },
  ].filter(Boolean);
}

/** The same for playing it. */
export function playAddresses(record, origin) {
  const { page, hls, dash, whep } = record.urls;
  return [
    { id: "page", label: "Player page", value: origin + escapePath(page) },
    { id: "hls", label: "HLS and LL-HLS", value: origin + escapePath(hls) },
    { id: "dash", label: "DASH", value: origin + escapePath(dash) },
    { id: "ll-dash", label: "LL-DASH", value: origin + escapePath(`${page}low-latency.mpd`) },
    whep && { id: "whep", label: "WebRTC (WHEP)", value: origin + escapePath(whep) },
  ].filter(Boolean);
}

/** A ready command that publishes a file. */
export function ffmpegCommand(rtmpUrl) {
  return `ffmpeg -re -i video.mp4 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -c:a aac -f flv ${rtmpUrl}`;
}

/** A path as it stands in URLs. */
export function escapePath(path) {
  return encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23");
}
