import { StreamClient } from "../streams-client.js";

export const TOKEN_HEADER = "X-Edge-Token";

/**
 * @typedef {import("../streams-client.js").Options & TokenOptions} BindingOptions
 * @typedef {object} TokenOptions
 * @property {(url: string) => boolean} [mayGetToken] Whether requests to a URL carry the
 *   edge token. By default all do. Exclude the servers of advertisements.
 * @typedef {{ load: (source: any) => any, unload: () => any, destroy: () => any }} Player
 * @typedef {Pick<EventTarget, "addEventListener" | "removeEventListener">} PlayEvents
 */

/** A player that loads nothing before its stream is admitted, nor after its end. */
export class Binding {
  #events;
  #player;
  #mayGetToken;
  #token;
  #isPaused = false;
  #pause = () => this.#setPaused(true);
  #play = () => this.#setPaused(false);

  /** @param {PlayEvents} events @param {Player} player @param {BindingOptions} options */
  constructor(events, player, { mayGetToken = () => true, on = {}, ...options }) {
    const listeners = { ...on };
    for (const event of ["ended", "denied", "failed"]) {
      listeners[event] = (...facts) => {
        this.#token = undefined;
        player.unload();
        return on[event] && on[event](...facts);
      };
    }
    this.#events = events;
    this.#player = player;
    this.#mayGetToken = mayGetToken;
    this.client = new StreamClient({ ...options, on: listeners });
    events.addEventListener("pause", this.#pause);
    events.addEventListener("play", this.#play);
  }

  /**
   * Starts a stream, and loads its source once it is admitted. A next item keeps the
   * slot. `request.replace` names the streams that the viewer chose to end.
   *
   * @param {import("../streams-client.js").StartRequest} request
   * @param {any} source
   * @returns {Promise<boolean>} False if the stream was denied, failed or was stopped.
   */
  async play(request, source) {
    const isAdmitted = await this.client.start(request);
    this.#isPaused = false;
    if (isAdmitted) await this.#player.load(source);
    return isAdmitted;
  }

  /**
   * Returns the headers of a request to a URL: the newest edge token, if any. While the
   * next item starts, the earlier one goes on with its token.
   *
   * @returns {Record<string, string>}
   */
  headers(url = "") {
    this.#token = this.client.stream?.edgeToken ?? this.#token;
    return this.#token && this.#mayGetToken(url) ? { [TOKEN_HEADER]: this.#token } : {};
  }

  #setPaused(isPaused) {
    if (isPaused) this.client.pause();
    else if (this.#isPaused) this.client.resume();
    this.#isPaused = isPaused;
  }

  /** Frees the slot and destroys the player. */
  async destroy() {
    this.#events.removeEventListener("pause", this.#pause);
    this.#events.removeEventListener("play", this.#play);
    await Promise.all([this.client.close(), this.#player.destroy()]);
  }
}
