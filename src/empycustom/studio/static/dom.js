/** Elements are made here; what users and documents say goes in as text alone. */

/** Return a new element: make("button", {class: "icon", title: "…", onclick: f}, child or text, …). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return an icon: the symbol `i-NAME` of index.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Return a button with an icon, a name for screen readers, and a hint that also names its key. */
export function iconButton(name, label, key, onclick) {
  return make("button", { class: "icon", "aria-label": label, title: key ? `${label} (${key})` : label, onclick }, icon(name));
}

/** Set a text only where it differs, so that nothing is laid out in vain. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Let a browser save a blob as a file. */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name.replace(/[^\p{L}\p{N}._-]+/gu, "_") });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers read it after the click
}

/** Return a function that calls `f` at most every `ms`, the last time included; `.now()` calls it at once. */
export function throttled(f, ms) {
  let timer = 0;
  let last = -Infinity;
  const run = () => {
    clearTimeout(timer);
    timer = 0;
    last = performance.now();
    f();
  };
  const ask = () => {
    const left = last + ms - performance.now();
    if (left <= 0) run();
    else timer ||= setTimeout(run, left);
  };
  ask.now = run;
  return ask;
}

/** Values that outlive the page, in localStorage. */
export const remembered = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`studio.${name}`)) ?? otherwise;
    } catch {
      return otherwise; // somebody else wrote it, or the browser keeps nothing
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`studio.${name}`, JSON.stringify(value));
    } catch {
      // the browser keeps nothing, or its room is used up: it is forgotten with the page
    }
  },
};

/** Copy a text; returns whether that was possible. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // not in a secure context (http from another machine), or not allowed
  }
  const area = make("textarea", { class: "offscreen", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
