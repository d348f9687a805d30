// The list of live paths, and how to push when there is none.
import { bitrateLabel } from "./engine.js";

const POLL_MS = 2000;
const $ = (id) => document.getElementById(id);

const STATES = { live: "Live", starting: "Starting", away: "Away", idle: "On demand", ended: "Ended" };

function facts(path) {
  const videos = path.renditions.filter((one) => (one.kind ?? "video") === "video");
  const best = videos.reduce((a, b) => ((b.height ?? 0) > (a.height ?? 0) ? b : a), {});
  return [
    best.height ? `${best.width}×${best.height}` : "",
    videos.length > 1 ? `${videos.length} qualities` : "",
    bitrateLabel(path.ingest_bps),
    `${path.viewers} ${path.viewers === 1 ? "viewer" : "viewers"}`,
  ]
    .map((fact) => fact.replaceAll(" ", "\u00a0"))
    .concat(path.state === "live" ? "" : path.reason)
    .filter(Boolean)
    .join(" · ");
}

function card(path, old) {
  const item = old ?? $("path-card").content.firstElementChild.cloneNode(true);
  const name = item.querySelector(".name");
  item.dataset.path = path.path;
  name.textContent = path.path;
  name.href = encodeURI(path.urls.page);
  const state = item.querySelector(".state");
  state.textContent = path.state === "idle" && !path.reason ? "Off air" : STATES[path.state] ?? path.state;
  state.className = `state ${path.state}`;
  item.querySelector(".facts").textContent = facts(path);
  item.querySelector(".hls").href = encodeURI(path.urls.hls);
  item.querySelector(".dash").href = encodeURI(path.urls.dash);
  item.querySelector(".webrtc").href = `${encodeURI(path.urls.page)}?engine=webrtc`;
  item.querySelector(".webrtc").hidden = !path.urls.whep;
  return item;
}

function showPaths(paths) {
  const list = $("paths");
  const old = new Map([...list.children].map((item) => [item.dataset.path, item]));
  const items = paths.map((path) => card(path, old.get(path.path)));
  // Replace only when the set changed: a rebuilt list would take the keyboard's focus away.
  if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
    list.replaceChildren(...items);
  }
  const live = paths.filter((path) => path.state === "live").length;
  $("summary").textContent = paths.length ? `${live} live` : "";
  $("push-title").textContent = live ? "Push another stream" : "Nothing is live yet";
}

function showPush(server) {
  $("name").textContent = server.name === "headwater" ? "Headwater" : server.name;
  document.title = $("name").textContent;
  for (const one of document.querySelectorAll("#push .webrtc")) one.hidden = !server.webrtc;
  if (!server.rtmp_listen) return;
  const [, host, port] = server.rtmp_listen.match(/^(.*):(\d+)$/);
  const loopback = /^(127\.|localhost$|\[::1\]$)/.test(host);
  const where = `${location.hostname}${port === "1935" ? "" : `:${port}`}`;
  $("obs-server").textContent = `rtmp://${where}/live`;
  $("ffmpeg").textContent =
    `ffmpeg -re -i video.mp4 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -c:a aac -f flv rtmp://${where}/live/mystream`;
  $("watch").textContent = new URL("/live/mystream/", location.href).href;
  $("loopback").hidden = !loopback;
  $("push").hidden = false;
}

async function refresh() {
  try {
    const [paths, server] = await Promise.all(
      ["/api/v1/paths", "/api/v1/server"].map(async (url) => (await fetch(url)).json()),
    );
    showPaths(paths.paths);
    showPush(server);
    $("trouble").hidden = true;
  } catch {
    $("trouble").hidden = false;
  }
  setTimeout(refresh, POLL_MS);
}

refresh();
