// What the panels share beside dom.js: copying, and drawing no more often than one can see.

import { make } from "./dom.js";

/** Set an attribute, if its value is another; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Copy a text to the clipboard. Browsers have `navigator.clipboard` only on this machine and behind TLS: else as in old times. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const focused = document.activeElement;
  const area = make("textarea", { class: "offscreen", "aria-hidden": "true" }, text);
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!done) throw new Error("The browser did not let the text be copied.");
}

/** "1 line", "2 lines". */
export function count(number, one, several = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}

/**
 * Call `draw` when something has changed, where one can see it: at once when `isUrgent()`, else at most about 8 times a second;
 * not at all while `element` is out of sight, and once when it comes into sight again.
 */
export class Drawing {
  #interval = 120;
  #last = 0;
  #timer = null;
  #isSeen = false;
  #isDue = false;

  constructor(element, draw, isUrgent = () => false) {
    this.draw = draw;
    this.isUrgent = isUrgent;
    const seen = (entries) => {
      this.#isSeen = entries.at(-1).isIntersecting;
      if (this.#isDue) this.request();
    };
    new IntersectionObserver(seen).observe(element);
    document.addEventListener("visibilitychange", () => this.#isDue && this.request());
  }

  request() {
    this.#isDue = true;
    if (!this.#isSeen || document.hidden) return;
    const wait = this.isUrgent() ? 0 : this.#last + this.#interval - performance.now();
    if (wait <= 0) this.now();
    else this.#timer ??= setTimeout(() => this.now(), wait);
  }

  now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#isDue = false;
    this.draw();
    this.#last = performance.now();
  }
}
