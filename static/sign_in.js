// Signing in with a token of the API, which then stays in this tab.
import { mayControl } from "./api_client.js";

const NOBODY = { scope: null, name: "" };
const $ = (id) => document.getElementById(id);

/** Where the button that was pressed has gone, the keyboard goes on at the one in its place. */
function keepFocus() {
  const focused = document.activeElement;
  if (focused === document.body || !focused.checkVisibility()) $($("sign-in").hidden ? "sign-out" : "sign-in").focus();
}

export class SignIn {
  #waiting = null;
  #known = ""; // of whom `onChange` was told last

  /** `onChange()` is called whenever somebody else is calling. */
  constructor(api, onChange) {
    this.api = api;
    this.onChange = onChange;
    this.caller = NOBODY;
    $("sign-in").addEventListener("click", () => this.ask());
    $("sign-out").addEventListener("click", () => this.signOut());
    $("sign-cancel").addEventListener("click", () => $("sign-dialog").close());
    $("sign-dialog").addEventListener("close", () => this.#done(false));
    $("sign-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try($("sign-token").value.trim());
    });
  }

  /** Who calls by now. */
  async refresh() {
    const token = this.api.token;
    const caller = await this.api.caller();
    if (token === this.api.token) this.#take(caller);
  }

  /** Asks for a token; true once there is one that is good. */
  ask(why = "With a token of the API you can do here what it allows.") {
    $("sign-why").textContent = why;
    $("sign-problem").hidden = true;
    $("sign-token").value = "";
    if (!$("sign-dialog").open) $("sign-dialog").showModal();
    $("sign-token").focus();
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** At once, however long the server takes to say who is here without the token. */
  async signOut() {
    this.api.token = "";
    this.#take(NOBODY);
    keepFocus();
    await this.refresh().catch(() => {});
  }

  async #try(token) {
    const before = this.api.token;
    this.api.token = token;
    try {
      const caller = token ? await this.api.caller() : NOBODY;
      if (!caller.scope) throw new Error("That is no token of this server.");
      this.#take(caller);
      this.#done(true);
      $("sign-dialog").close();
      keepFocus();
    } catch (error) {
      this.api.token = before;
      $("sign-problem").textContent = error.message;
      $("sign-problem").hidden = false;
      $("sign-token").select();
    }
  }

  #take(caller) {
    this.caller = caller;
    $("sign-in").hidden = Boolean(caller.scope);
    $("sign-out").hidden = !this.api.token;
    $("caller").textContent = caller.scope ? `${caller.name} · ${caller.scope}` : "";
    document.body.classList.toggle("may-control", mayControl(caller));
    const known = JSON.stringify([caller.scope, caller.name, this.api.token]);
    if (known === this.#known) return;
    this.#known = known;
    this.onChange();
  }

  #done(isSignedIn) {
    this.#waiting?.(isSignedIn);
    this.#waiting = null;
  }
}
