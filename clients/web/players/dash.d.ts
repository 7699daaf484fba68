/**
 * Binds dash.js (5 or later) to a video element.
 *
 *   const player = bindDash(dashjs, video, { url, headers, on: { denied, ended } });
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, "https://…/film.mpd");
 *
 * @param {any} dashjs The package `dashjs`.
 * @param {HTMLMediaElement} video
 * @param {import("./binding.js").BindingOptions} options
 * @param {object} [settings] The settings of dash.js.
 * @returns {Binding & { dash: any }}
 */
export function bindDash(dashjs: any, video: HTMLMediaElement, options: import("./binding.js").BindingOptions, settings?: object): Binding & {
    dash: any;
};
import { Binding } from "./binding.js";
