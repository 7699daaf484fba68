export const TOKEN_HEADER: "X-Edge-Token";
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
    /** @param {PlayEvents} events @param {Player} player @param {BindingOptions} options */
    constructor(events: PlayEvents, player: Player, { mayGetToken, on, ...options }: BindingOptions);
    client: StreamClient;
    /**
     * Starts a stream, and loads its source once it is admitted. A next item keeps the
     * slot. `request.replace` names the streams that the viewer chose to end.
     *
     * @param {import("../streams-client.js").StartRequest} request
     * @param {any} source
     * @returns {Promise<boolean>} False if the stream was denied, failed or was stopped.
     */
    play(request: import("../streams-client.js").StartRequest, source: any): Promise<boolean>;
    /**
     * Returns the headers of a request to a URL: the newest edge token, if any. While the
     * next item starts, the earlier one goes on with its token.
     *
     * @returns {Record<string, string>}
     */
    headers(url?: string): Record<string, string>;
    /** Frees the slot and destroys the player. */
    destroy(): Promise<void>;
    #private;
}
export type BindingOptions = import("../streams-client.js").Options & TokenOptions;
export type TokenOptions = {
    /**
     * Whether requests to a URL carry the
     * edge token. By default all do. Exclude the servers of advertisements.
     */
    mayGetToken?: (url: string) => boolean;
};
export type Player = {
    load: (source: any) => any;
    unload: () => any;
    destroy: () => any;
};
export type PlayEvents = Pick<EventTarget, "addEventListener" | "removeEventListener">;
import { StreamClient } from "../streams-client.js";
