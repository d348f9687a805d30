// Closing a publisher, after a question.
import { mayControl } from "./api_client.js";

const $ = (id) => document.getElementById(id);

export class Kick {
  #card = null;

  constructor(api, signIn, say) {
    this.api = api;
    this.signIn = signIn;
    this.say = say;
    $("kick-now").addEventListener("click", () => this.#kick());
  }

  /** Asks about the publisher of a card, and first for a token where one is needed. */
  async ask(card) {
    if (!mayControl(this.signIn.caller)) {
      const why = "Closing a publisher needs a token with the scope control.";
      if (!(await this.signIn.ask(why)) || !mayControl(this.signIn.caller)) return;
    }
    this.#card = card;
    this.version = card.record.details?.state_version;
    $("kick-path").textContent = card.path;
    $("kick-problem").hidden = true;
    $("kick-dialog").showModal();
  }

  async #kick() {
    try {
      await this.api.kick(this.#card.path, this.version);
      $("kick-dialog").close();
      this.say(`The publisher of ${this.#card.path} was closed.`);
    } catch (error) {
      this.version = this.#card.record?.details?.state_version; // who presses again means it as it is now
      $("kick-problem").textContent = error.message;
      $("kick-problem").hidden = false;
    }
  }
}
