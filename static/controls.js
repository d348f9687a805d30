// Everything on the page that is not the picture: buttons, menu, keys, messages.
import { engineLabel } from "./engine.js";
import { bitrateLabel } from "./labels.js";

const IDLE_MS = 3000;
const VOLUME_STEP = 0.1;

const $ = (id) => document.getElementById(id);

export class Controls {
  #video;
  #do;
  #idleTimer = 0;
  #levelsKey = "";
  #engine = null;
  #engines = [];
  #lowLatency = { offered: false, on: false };

  constructor(video, actions) {
    this.#video = video;
    this.#do = actions;
    this.player = $("player");
    this.#wireButtons();
    this.#wireMenu();
    this.#wireActivity();
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#restoreVolume();
  }

  setTitle(text) {
    $("title").textContent = text;
  }

  /** `name` plays, out of `engines`. */
  setEngine(name, engines) {
    this.#engine = name;
    this.#engines = engines;
    $("engine").textContent = engineLabel(name, ["native"]);
  }

  /** Shows the page's state and, if there is one, a message over the picture. */
  show(state, title, detail) {
    this.player.dataset.state = state;
    const message = $("message");
    message.hidden = state === "playing" || state === "paused";
    message.classList.toggle("final", state === "failed" || state === "ended");
    message.classList.toggle("brief", state === "stalled");
    // Screen readers announce changes: touch the text only when it differs.
    if ($("message-title").textContent !== title) $("message-title").textContent = title;
    if ($("message-detail").textContent !== detail) $("message-detail").textContent = detail;
    if (state === "stalled" && title) message.classList.remove("brief");
    if (state === "playing" && !this.#video.paused) this.#hideStart();
    this.#wake();
  }

  setLevels(levels, selected, active) {
    $("quality").hidden = levels.length === 0;
    const name = active?.label ?? "…";
    $("quality-label").textContent = selected === null ? `Auto · ${name}` : name;
    const key = JSON.stringify([levels, selected, active?.id, this.#engine, this.#lowLatency]);
    if (key === this.#levelsKey) return;
    this.#levelsKey = key;
    this.#renderMenu(levels, selected, active);
  }

  /** Whether what plays has no picture. */
  setSoundAlone(isAlone) {
    $("sound-alone").hidden = !isAlone;
  }

  /** Whether the stream offers low latency, and whether it is played so. */
  setLowLatency(lowLatency) {
    this.#lowLatency = lowLatency;
  }

  setLatency(latency, behind) {
    $("latency").hidden = latency === null;
    $("latency-seconds").textContent = latency === null ? "" : `${latency.toFixed(1)} s`;
    this.player.dataset.live = behind ? "behind" : "edge";
    $("live-label").textContent = behind ? "Go live" : "Live";
  }

  /** The browser lets nothing play before a touch. */
  offerStart() {
    this.#showStart("Play", false);
  }

  /** It plays, but only without sound. */
  offerSound() {
    this.#showStart("Tap for sound", true);
  }

  // -- inside --------------------------------------------------------------------------------

  #showStart(label, sound) {
    const start = $("start");
    $("start-label").textContent = label;
    start.querySelector("use").setAttribute("href", sound ? "#i-sound" : "#i-play");
    start.classList.toggle("sound", sound);
    start.hidden = false;
  }

  #hideStart() {
    if (!$("start").classList.contains("sound")) $("start").hidden = true;
  }

  #wireButtons() {
    const video = this.#video;
    $("play").addEventListener("click", () => this.#togglePlay());
    $("mute").addEventListener("click", () => this.#toggleMute());
    $("live").addEventListener("click", () => this.#do.jumpToLive());
    $("full").addEventListener("click", () => this.#toggleFull());
    $("volume").addEventListener("input", (event) => this.#setVolume(event.target.value / 100));
    $("start").addEventListener("click", () => {
      video.muted = false;
      $("start").hidden = true;
      $("start").classList.remove("sound");
      this.#do.play();
    });
    video.addEventListener("click", () => {
      // A first touch on a hidden bar only brings the bar.
      if (matchMedia("(pointer: coarse)").matches) this.#wake();
      else this.#togglePlay();
    });
    video.addEventListener("dblclick", () => this.#toggleFull());
    for (const event of ["play", "pause"]) video.addEventListener(event, () => this.#drawPlay());
    video.addEventListener("volumechange", () => this.#drawVolume());
    document.addEventListener("fullscreenchange", () => this.#drawFull());
    if (!document.fullscreenEnabled && !video.webkitEnterFullscreen) $("full").hidden = true;
  }

  #togglePlay() {
    if (this.#video.paused) {
      this.#do.jumpToLive(); // live television has no pause to come back to
      this.#do.play();
    } else this.#video.pause();
  }

  #toggleMute() {
    this.#video.muted = !this.#video.muted;
    if (!this.#video.muted && this.#video.volume === 0) this.#video.volume = 0.5;
    $("start").hidden = $("start").hidden || $("start").classList.contains("sound");
  }

  #setVolume(volume) {
    this.#video.volume = Math.min(1, Math.max(0, volume));
    this.#video.muted = this.#video.volume === 0;
  }

  #restoreVolume() {
    try {
      const saved = JSON.parse(localStorage.getItem("headwater.volume"));
      if (typeof saved === "number") this.#video.volume = Math.min(1, Math.max(0, saved));
    } catch {
      // private windows may have no storage
    }
    this.#drawVolume();
  }

  #toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.player.requestFullscreen) this.player.requestFullscreen().catch(() => {});
    else this.#video.webkitEnterFullscreen?.(); // iPhones
  }

  #drawPlay() {
    draw($("play"), this.#video.paused ? "play" : "pause", this.#video.paused ? "Play" : "Pause", "space");
  }

  #drawVolume() {
    const silent = this.#video.muted || this.#video.volume === 0;
    draw($("mute"), silent ? "mute" : "sound", silent ? "Unmute" : "Mute", "M");
    $("volume").value = String(silent ? 0 : Math.round(this.#video.volume * 100));
    try {
      localStorage.setItem("headwater.volume", JSON.stringify(this.#video.volume));
    } catch {
      // as above
    }
  }

  #drawFull() {
    const full = Boolean(document.fullscreenElement);
    draw($("full"), full ? "window" : "full", full ? "Leave full screen" : "Full screen", "F");
  }

  // -- quality menu --------------------------------------------------------------------------

  #wireMenu() {
    $("quality").addEventListener("click", () => this.#openMenu($("quality-menu").hidden));
    document.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".menu-anchor")) this.#openMenu(false);
    });
  }

  #openMenu(open) {
    const menu = $("quality-menu");
    if (menu.hidden === !open) return;
    menu.hidden = !open;
    $("quality").setAttribute("aria-expanded", String(open));
    if (open) (menu.querySelector("[aria-checked=true]") ?? menu.firstElementChild)?.focus();
    else if (menu.contains(document.activeElement) || document.activeElement === document.body) $("quality").focus();
  }

  #renderMenu(levels, selected, active) {
    const focused = $("quality-menu").contains(document.activeElement)
      ? document.activeElement.dataset.id
      : null;
    const choose = (id) => () => this.#do.select(id);
    const items = [this.#menuItem("auto", "Auto", "", selected === null, false, choose(null))];
    for (const one of levels) {
      const rate = bitrateLabel(one.bitrate);
      items.push(
        this.#menuItem(String(one.id), one.label, rate, selected === one.id, active?.id === one.id, choose(one.id)),
      );
    }
    items.push(...this.#lowLatencyItems(), ...this.#engineItems());
    $("quality-menu").replaceChildren(...items);
    if (focused !== null) items.find((item) => item.dataset.id === focused)?.focus();
  }

  #lowLatencyItems() {
    const { offered, on } = this.#lowLatency;
    if (!offered) return [];
    const item = (key, label, note, checked) =>
      this.#menuItem(key, label, note, checked, false, () => checked || this.#do.useLowLatency(key === "latency-low"));
    return [
      this.#menuLine("Distance from the camera"),
      item("latency-low", "Low latency", "", on),
      item("latency-normal", "Normal", "steadier", !on),
    ];
  }

  #engineItems() {
    if (this.#engines.length < 2) return [];
    const item = (name) => {
      const change = () => name !== this.#engine && this.#do.useEngine(name);
      const label = engineLabel(name, this.#engines);
      return this.#menuItem(`engine-${name}`, label, "", name === this.#engine, false, change);
    };
    return [this.#menuLine("Streaming protocol"), ...this.#engines.map(item)];
  }

  #menuLine(text) {
    const line = $("quality-line").content.firstElementChild.cloneNode(true);
    line.textContent = text;
    return line;
  }

  #menuItem(key, label, note, checked, playing, choose) {
    const item = $("quality-item").content.firstElementChild.cloneNode(true);
    item.dataset.id = key;
    item.setAttribute("aria-checked", String(checked));
    item.classList.toggle("playing", playing);
    item.querySelector("span").textContent = label;
    item.querySelector("small").textContent = note;
    item.addEventListener("click", () => {
      choose();
      this.#openMenu(false);
      $("quality").focus();
    });
    return item;
  }

  // -- keys and idling -----------------------------------------------------------------------

  #key(event) {
    this.#wake();
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("[type=text]")) return;
    if (this.#arrow(event)) {
      event.preventDefault();
      return;
    }
    const onButton = event.target.closest("button, input");
    const action = {
      " ": onButton ? null : () => this.#togglePlay(),
      k: () => this.#togglePlay(),
      MediaPlayPause: () => this.#togglePlay(),
      m: () => this.#toggleMute(),
      f: () => this.#toggleFull(),
      l: () => this.#do.jumpToLive(),
      c: () => this.#do.toggleTalk(),
      q: () => this.#openMenu($("quality-menu").hidden),
      Escape: () => this.#openMenu(false),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Arrow keys, also of a TV's remote control: along the bar, through the menu, else volume. */
  #arrow(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return false;
    const along = event.key === "ArrowLeft" || event.key === "ArrowRight";
    if (!$("quality-menu").hidden) {
      if (!along) moveFocus([...$("quality-menu").querySelectorAll("button")], step);
      return true;
    }
    if (event.target === $("volume") && !along) return false;
    if (along) {
      const stops = [...$("controls").querySelectorAll(".control, .live, .volume")];
      if (!stops.includes(document.activeElement) && !$("start").hidden) $("start").focus();
      else moveFocus(stops.filter((one) => one.offsetParent), step);
      return true;
    }
    this.#setVolume(this.#video.volume - step * VOLUME_STEP);
    return true;
  }

  #wireActivity() {
    for (const event of ["pointermove", "pointerdown", "focusin"]) {
      this.player.addEventListener(event, () => this.#wake());
    }
    this.player.addEventListener("pointerleave", () => this.#sleep());
  }

  #wake() {
    this.player.classList.remove("idle");
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#sleep(), IDLE_MS);
  }

  #sleep() {
    const busy = this.#video.paused || !$("quality-menu").hidden;
    if (this.player.dataset.state === "playing" && !busy) this.player.classList.add("idle");
  }
}

function draw(button, icon, label, key) {
  button.querySelector("use").setAttribute("href", `#i-${icon}`);
  button.setAttribute("aria-label", label);
  button.title = `${label} (${key})`;
}

function moveFocus(stops, step) {
  if (!stops.length) return;
  const at = stops.indexOf(document.activeElement);
  stops[at < 0 ? 0 : (at + step + stops.length) % stops.length].focus();
}
