/**
 * Binds a player of video.js (8 or later).
 *
 *   const player = bindVideojs(videojs(video), { url, headers, on: { denied, ended } });
 *   const source = { src: "https://…/film.m3u8", type: "application/x-mpegURL" };
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, source);
 *
 * For licences it needs `videojs-contrib-eme`, and `keySystems` in the source.
 *
 * @param {any} videojs The player.
 * @param {import("./binding.js").BindingOptions} options
 * @returns {Binding & { videojs: any }}
 */
export function bindVideojs(videojs: any, options: import("./binding.js").BindingOptions): Binding & {
    videojs: any;
};
import { Binding } from "./binding.js";
