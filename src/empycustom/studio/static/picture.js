/** The picture: a canvas with the shown frame and what its document says, zoom, and the object under the pointer. */
import { iconButton, make, remembered, setText } from "./dom.js";
import { captionOf, paint } from "./paint.js";
import { labelOf, linesOf, numberOf, objectAt, objectsOf, trailsOf } from "./scene.js";

const DRAWN = [
  ["boxes", "Boxes", "b"],
  ["labels", "Labels", "l"],
  ["keypoints", "Key points", "k"],
  ["masks", "Masks", "m"],
  ["trails", "Trails", "t"],
  ["zones", "Zones", "z"],
  ["attributes", "Attributes", "a"],
];
const COVERS = {
  starting: "Starting",
  dropping: "No frames come through",
  reconnecting: "Reconnecting",
  waiting: "Waiting",
  ended: "Ended",
};
const MOST_ZOOM = 16;

/** Make the picture in `stage`, its buttons in `tools`; returns the Picture. */
export function mount(parts, store) {
  return new Picture(parts, store);
}

class Picture {
  constructor({ stage, tools }, store) {
    this.store = store;
    this.stage = stage;
    const all = Object.fromEntries(DRAWN.map(([name]) => [name, true]));
    this.look = { ...all, byTrack: true, ...remembered.get("look", {}) };
    this.hidden = new Set(remembered.get("hidden", []));
    this.events = new EventTarget(); // "look": what is drawn has changed
    this.drawn = null; // the FRAME on the canvas
    this.at = { zoom: 1, x: 0.5, y: 0.5 }; // the point of the frame in the middle, in parts of it
    this.left = { labels: 0, masks: 0 };
    this.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": "No picture yet" });
    this.context = this.canvas.getContext("2d", { alpha: true });
    this.cover = make("div", { class: "cover", role: "status" });
    this.note = make("div", { class: "note", hidden: true });
    this.card = make("div", { class: "card", hidden: true, "aria-hidden": "true" });
    this.facts = make("div", { class: "facts", hidden: true, "aria-label": "Attributes of the frame" });
    stage.append(this.canvas, this.facts, this.cover, this.note, this.card);
    this.#makeTools(tools);
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(stage);
    this.#drawCover();
  }

  // What is drawn.

  #makeTools(tools) {
    this.buttons = new Map();
    const button = (name, label, key) => {
      const made = make("button", { class: "toggle", title: `${label} (${key})`, onclick: () => this.toggle(name) }, label);
      this.buttons.set(name, made);
      return made;
    };
    tools.append(
      make("div", { class: "group" }, ...DRAWN.map((row) => button(...row))),
      button("byTrack", "Colour by track", "c"),
    );
    this.zoomText = make("button", { class: "percent", title: "The whole picture (0)", onclick: () => this.fit() }, "100 %");
    this.stage.append(
      make(
        "div",
        { class: "zoom", role: "toolbar", "aria-label": "Zoom" },
        iconButton("minus", "Smaller", "-", () => this.zoom(1 / 1.5)),
        this.zoomText,
        iconButton("plus", "Larger", "+", () => this.zoom(1.5)),
        document.fullscreenEnabled ? iconButton("full", "Full screen", "f", () => this.fullScreen()) : null,
      ),
    );
    this.#showLook();
  }

  toggle(name) {
    this.look[name] = !this.look[name];
    remembered.set("look", this.look);
    this.#showLook();
    this.redraw();
    this.events.dispatchEvent(new Event("look"));
  }

  /** Show or hide the objects with a label. */
  toggleLabel(label) {
    const hidden = new Set(this.hidden);
    if (!hidden.delete(label)) hidden.add(label);
    this.hide(hidden);
  }

  /** Hide the objects with these labels, and no others. */
  hide(labels) {
    this.hidden = new Set(labels);
    remembered.set("hidden", [...this.hidden].slice(-500));
    this.redraw();
    this.events.dispatchEvent(new Event("look"));
  }

  get colourBy() {
    return this.look.byTrack ? "track" : "class";
  }

  #showLook() {
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", this.look[name]);
  }

  // Drawing.

  #listen() {
    const { store } = this;
    store.addEventListener("frame", () => this.#load());
    for (const name of ["connection", "state", "stream", "live"]) store.addEventListener(name, () => this.#drawCover());
    for (const name of ["hover", "select"]) store.addEventListener(name, () => this.redraw());
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => this.#pointed(event));
    canvas.addEventListener("pointerleave", () => this.#left());
    canvas.addEventListener("pointerdown", (event) => this.#pressed(event));
    canvas.addEventListener("pointerup", (event) => this.#released(event));
    canvas.addEventListener("pointercancel", () => this.pointers.clear());
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    this.pointers = new Map();
  }

  async #load() {
    const { frame } = this.store;
    if (!frame) {
      this.#replace(null);
      this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.#drawCover();
      return;
    }
    try {
      const bitmap = await createImageBitmap(frame.blob);
      if (frame !== this.store.frame || frame.bitmap) {
        bitmap.close();
        return;
      }
      frame.bitmap = bitmap;
      this.#replace(frame);
    } catch {
      this.store.tell(`The picture of frame ${numberOf(frame)} cannot be read.`, "error");
    }
    this.#resize();
    this.#drawCover();
    this.#describe(frame);
    this.store.drawn(frame);
  }

  /** Let a frame be the one that is drawn; the bitmap of the one before is freed. */
  #replace(frame) {
    if (this.drawn && this.drawn !== frame) {
      this.drawn.bitmap.close();
      this.drawn.bitmap = null;
    }
    this.drawn = frame;
  }

  redraw() {
    const frame = this.drawn;
    if (!frame) return;
    this.left = paint(this.context, frame, frame.bitmap, this.view(), this.#looks());
    const { labels, masks } = this.left;
    const notes = [];
    if (labels) notes.push(`${labels} ${labels === 1 ? "label has" : "labels have"} no room`);
    if (masks) notes.push(`${masks} ${masks === 1 ? "mask is" : "masks are"} too large, or cannot be read`);
    this.note.hidden = !notes.length;
    setText(this.note, notes.join("; "));
    this.#drawCard();
    this.#drawFacts(frame);
  }

  #looks() {
    const { hovered, selected, frames } = this.store;
    const trails = this.look.trails ? trailsOf(frames, this.drawn) : null;
    return { ...this.look, trails, by: this.colourBy, hidden: this.hidden, hovered, selected };
  }

  /** Write the attributes of the frame at the upper left; zones are drawn instead. */
  #drawFacts(frame) {
    const { emcustom } = frame.document?.frame?.[0] ?? {};
    const isDict = emcustom !== null && typeof emcustom === "object" && !Array.isArray(emcustom);
    const { zones, ...others } = isDict ? emcustom : {};
    const lines = this.look.attributes ? linesIn(isDict ? others : emcustom) : [];
    this.facts.hidden = !lines.length;
    this.facts.replaceChildren(...lines);
  }

  /** Return where the frame is on the canvas: see paint(). */
  view() {
    const { canvas, at, drawn: frame } = this;
    const whole = Math.min(canvas.width / frame.width, canvas.height / frame.height);
    const scale = whole * at.zoom;
    const place = (size, shown, part) => {
      if (size <= shown) return (shown - size) / 2;
      return Math.min(0, Math.max(shown - size, shown / 2 - part * size));
    };
    return {
      scale,
      left: Math.round(place(frame.width * scale, canvas.width, at.x)),
      top: Math.round(place(frame.height * scale, canvas.height, at.y)),
      unit: this.unit,
    };
  }

  #resize() {
    this.unit = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.stage;
    const [width, height] = [Math.round(clientWidth * this.unit), Math.round(clientHeight * this.unit)];
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.redraw();
  }

  /** Return a PNG (a Blob) of the shown frame in its own size. */
  async png(hasBoxes) {
    const { frame } = this.store;
    const canvas = make("canvas");
    [canvas.width, canvas.height] = [frame.width, frame.height];
    const bitmap = await createImageBitmap(frame.blob);
    const view = { scale: 1, left: 0, top: 0, unit: Math.max(1, frame.height / 720) };
    const nothing = Object.fromEntries(DRAWN.map(([name]) => [name, false]));
    const look = { ...this.#looks(), ...(hasBoxes ? {} : nothing), hovered: null, selected: null };
    paint(canvas.getContext("2d"), frame, bitmap, view, look);
    bitmap.close();
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser made no picture of it."))), "image/png");
    });
  }

  #drawCover() {
    const { current, frame, link } = this.store;
    const state = link.state === "open" ? current?.state : null;
    const title = COVERS[state] ?? (frame || link.state !== "open" ? "" : "Waiting for the first picture");
    const text = COVERS[state] ? current.text : "";
    this.cover.dataset.state = state ?? "";
    this.cover.hidden = !title;
    this.cover.classList.toggle("over", Boolean(frame));
    if (this.cover.dataset.text === `${title}\n${text}`) return;
    this.cover.dataset.text = `${title}\n${text}`;
    this.cover.replaceChildren(make("b", {}, title), make("p", {}, text));
  }

  #describe(frame) {
    const now = performance.now();
    if (this.store.isLive && now - (this.describedAt ?? 0) < 1000) return;
    this.describedAt = now;
    const counts = new Map();
    for (const object of objectsOf(frame)) counts.set(labelOf(object), (counts.get(labelOf(object)) ?? 0) + 1);
    const words = [...counts].slice(0, 8).map(([label, count]) => `${count} ${label}`);
    this.canvas.setAttribute(
      "aria-label",
      `Picture of ${frame.stream}, frame ${numberOf(frame)}: ${words.join(", ") || "no objects"}`,
    );
  }

  // The pointer.

  /** Return the point of the frame at which an event is. */
  #pointOf(event) {
    const rect = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.view();
    return [((event.clientX - rect.left) * this.unit - left) / scale, ((event.clientY - rect.top) * this.unit - top) / scale];
  }

  #objectOf(event) {
    const shown = objectsOf(this.drawn).filter((each) => !this.hidden.has(labelOf(each)));
    const slack = ((event.pointerType === "touch" ? 10 : 3) * this.unit) / this.view().scale;
    return objectAt(shown, ...this.#pointOf(event), slack);
  }

  #pointed(event) {
    if (!this.drawn) return;
    const before = this.pointers.get(event.pointerId);
    if (before) {
      this.#dragged(event, before);
      return;
    }
    this.pointer = [event.clientX, event.clientY];
    const object = this.#objectOf(event);
    this.canvas.classList.toggle("pointing", object !== null);
    if (object === this.store.hovered) this.#drawCard();
    this.store.hover(object);
  }

  #left() {
    this.pointer = null;
    if (!this.pointers.size) this.store.hover(null);
    this.#drawCard();
  }

  #pressed(event) {
    if (!this.drawn || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved: 0 });
  }

  #released(event) {
    const pressed = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!pressed || pressed.moved > 5 || !this.drawn) return;
    this.store.select(this.#objectOf(event));
  }

  /** Move the picture with one pointer, zoom it with two. */
  #dragged(event, before) {
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, each]) => each);
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    if (others.length === 1) {
      const [other] = others;
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.#zoomAt(distance({ x: event.clientX, y: event.clientY }) / distance(before), event);
    } else if (!others.length && this.at.zoom > 1) {
      this.#move(dx, dy);
    }
    const moved = before.moved + Math.abs(dx) + Math.abs(dy);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved });
  }

  #move(dx, dy) {
    const { scale, left, top } = this.view();
    const frame = this.drawn;
    this.at.x = (this.canvas.width / 2 - left - dx * this.unit) / (frame.width * scale);
    this.at.y = (this.canvas.height / 2 - top - dy * this.unit) / (frame.height * scale);
    this.redraw();
  }

  #wheeled(event) {
    if (!this.drawn || (document.documentElement.scrollHeight > innerHeight + 1 && !event.ctrlKey)) return;
    event.preventDefault();
    this.#zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event);
  }

  /** Zoom so that what is at an event stays there. */
  #zoomAt(factor, event) {
    const [x, y] = this.#pointOf(event);
    this.#setZoom(this.at.zoom * factor);
    const rect = this.canvas.getBoundingClientRect();
    const frame = this.drawn;
    const { scale } = this.view();
    const [px, py] = [(event.clientX - rect.left) * this.unit, (event.clientY - rect.top) * this.unit];
    this.at.x = (x + (this.canvas.width / 2 - px) / scale) / frame.width;
    this.at.y = (y + (this.canvas.height / 2 - py) / scale) / frame.height;
    this.redraw();
  }

  #setZoom(zoom) {
    this.at.zoom = Math.min(Math.max(zoom, 1), MOST_ZOOM);
    this.canvas.classList.toggle("zoomed", this.at.zoom > 1);
    const percent = `${Math.round(this.at.zoom * 100)} %`;
    setText(this.zoomText, percent);
    this.zoomText.setAttribute("aria-label", `${percent}; show the whole picture`);
  }

  zoom(factor) {
    this.#setZoom(this.at.zoom * factor);
    this.redraw();
  }

  fit() {
    this.at = { zoom: 1, x: 0.5, y: 0.5 };
    this.zoom(1);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.parentElement.requestFullscreen?.();
  }

  // The card beside the pointer: what the object there is.

  #drawCard() {
    const object = this.pointer ? this.store.hovered : null;
    this.card.hidden = !object;
    if (!object) return;
    if (this.card.object !== object) {
      this.card.object = object;
      this.card.replaceChildren(make("b", {}, captionOf(object)), ...linesIn(object.emcustom));
    }
    const rect = this.stage.getBoundingClientRect();
    const [x, y] = [this.pointer[0] - rect.left, this.pointer[1] - rect.top];
    const { offsetWidth, offsetHeight } = this.card;
    const left = x + 16 + offsetWidth < rect.width ? x + 16 : Math.max(x - 16 - offsetWidth, 4);
    const top = Math.min(Math.max(y + 12, 4), Math.max(rect.height - offsetHeight - 4, 4));
    this.card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}

const MOST_LINES = 10;

/** Return attributes of libraries as short lines. */
function linesIn(attributes) {
  const lines = linesOf(attributes);
  const shown = lines.slice(0, MOST_LINES).map(([path, text]) => make("p", {}, make("span", {}, path), text));
  if (lines.length > MOST_LINES) shown.push(make("p", {}, make("span", {}, `${lines.length - MOST_LINES} more`)));
  return shown;
}
