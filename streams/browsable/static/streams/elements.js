/** Elements of the pages. */

export const $ = (id) => document.getElementById(id);

/** The name of a stream for a person. */
export function nameOf(stream) {
  return `${stream.title ?? stream.streamId} on ${stream.deviceName ?? stream.id}`;
}

/**
 * Make an element. Text is only ever text: nothing that a user named can become markup.
 */
export function element(tag, { on = {}, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const [event, listener] of Object.entries(on)) {
    node.addEventListener(event, listener);
  }
  node.append(...children);
  return node;
}

export function button(text, act, properties = {}) {
  const on = { click: act };
  return element("button", { type: "button", textContent: text, on, ...properties });
}

export function quietText(textContent) {
  return element("p", { className: "quiet", textContent });
}

/**
 * Run a change of the page. If it removes or disables the element with the focus, move
 * the focus to the first of the candidates that can have it.
 */
export function keepFocus(change, candidates) {
  const before = document.activeElement;
  change();

  const isLost = !before?.isConnected || before.disabled;
  if (!isLost) return;

  const next = candidates().find((node) => node?.isConnected && !node.disabled);
  next?.focus();
}

/** Ask before a call that ends streams. Return whether the person confirmed. */
export function confirmed(question, lines = []) {
  const dialog = $("confirmation");
  $("confirmation-title").textContent = question;
  const items = lines.map((textContent) => element("li", { textContent }));
  $("confirmation-lines")?.replaceChildren(...items);

  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const close = () => resolve(dialog.returnValue === "confirmed");
    dialog.addEventListener("close", close, { once: true });
  });
}

/** A time as people say it: 42 s, 3 min. */
export function inWords(seconds) {
  const isShort = seconds < 120;
  return isShort ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
