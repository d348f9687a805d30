// How to publish, spelled out for the path that somebody names.
import { showAddresses } from "./address_list.js";
import { escapePath, ffmpegCommand, publishAddresses, rtmpOf } from "./addresses.js";

const $ = (id) => document.getElementById(id);
const OBS = new Set(["obs-server", "obs-key"]);

export class PublishPanel {
  #server = null;

  constructor() {
    $("push-path").addEventListener("input", () => this.#show());
  }

  /** What the API says of the server. */
  setServer(server) {
    this.#server = server;
    this.#show();
  }

  #show() {
    const path = $("push-path").value.trim().replace(/^\/+|\/+$/g, "") || "live/mystream";
    const rtmp = rtmpOf(path, this.#server, location.hostname);
    const ways = publishAddresses(path, this.#server, location.origin, location.hostname);
    const command = rtmp && { id: "ffmpeg", label: "ffmpeg", value: ffmpegCommand(rtmp.url) };
    showAddresses($("obs"), ways.filter((one) => OBS.has(one.id)));
    showAddresses($("other"), [command, ...ways.filter((one) => !OBS.has(one.id))].filter(Boolean));
    showAddresses($("watch"), [{ id: "page", label: "Player page", value: location.origin + escapePath(`/${path}/`) }]);
    $("obs").parentElement.hidden = !rtmp;
    $("loopback").hidden = !rtmp?.isLoopback;
    $("push").hidden = !ways.length;
  }
}
