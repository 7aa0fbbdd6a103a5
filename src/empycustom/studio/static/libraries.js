// A panel for each library of the shown stream: its state, the times of its calls, its options; and all problems, above them.

import { make, setText } from "./dom.js";
import { Options } from "./options.js";
import { Drawing, count, setAttribute } from "./parts.js";
import { Problems } from "./problems.js";

/** Show the libraries of the store's stream in `element`, and let their options be set. */
export function mount(element, store, connection) {
  new Libraries(element, store, connection);
}

class Libraries {
  #cards = new Map(); // stream, index and name of a library -> its Card
  #shown = null; // the settings that are shown, and of which stream

  constructor(element, store, connection) {
    this.store = store;
    this.connection = connection;
    this.problems = new Problems(store);
    this.empty = make("p", { class: "empty" });
    this.list = make("div", { class: "libraries" });
    this.settings = make("div");
    element.append(this.problems.element, this.empty, this.list, this.settings);
    this.drawing = new Drawing(element, () => this.#draw());
    for (const name of ["state", "stream"]) store.addEventListener(name, () => this.#changed());
    document.addEventListener("theme", () => this.drawing.request());
    this.#changed();
  }

  /** Problems are told of at once, seen or not; the rest is drawn where it is seen. */
  #changed() {
    this.problems.show(this.store.streams, this.store.stream);
    this.drawing.request();
  }

  #draw() {
    const stream = this.store.streams.find((each) => each.name === this.store.stream);
    const libraries = stream?.libraries ?? [];
    this.empty.hidden = libraries.length > 0;
    setText(this.empty, stream ? "This stream has no library: --lib FILE adds one." : "There is no stream yet.");
    const old = this.#cards;
    this.#cards = new Map();
    for (const library of libraries) {
      const key = JSON.stringify([stream.name, library.index, library.name]);
      const card = old.get(key) ?? new Card((options) => this.connection.setOptions(stream.name, library.index, options));
      old.delete(key);
      this.#cards.set(key, card);
      if (!card.element.isConnected) this.list.append(card.element);
      const alike = libraries.filter(({ name }) => name === library.name);
      card.show(library, stream.frame_ms, alike.length > 1 ? ` (${alike.indexOf(library) + 1} of ${alike.length})` : "");
    }
    for (const card of old.values()) card.element.remove();
    this.#drawSettings(stream);
  }

  #drawSettings(stream) {
    if (stream && this.#shown?.stream !== stream.name) {
      const settings = new Settings((name, value) => this.connection.set(stream.name, name, value));
      this.#shown = { stream: stream.name, settings };
      this.settings.replaceChildren(settings.element);
    }
    this.#shown?.settings.show(stream?.settings ?? []);
  }
}

/** The options of a stream configuration. */
class Settings {
  constructor(set) {
    this.all = [];
    this.options = new Options("settings", async (_, edits) => {
      for (const [name, edited] of edits) {
        const { value, default: usual } = this.all.find((each) => each.name === name);
        if (edited !== undefined) await set(name, edited);
        else if (JSON.stringify(value) !== JSON.stringify(usual)) await set(name, usual);
      }
    });
    this.element = make("section", { class: "library settings" }, make("header", {}, make("h3", {}, "Stream configuration")), this.options.element);
  }

  show(settings) {
    this.all = settings;
    this.element.hidden = !settings.length;
    const isSet = ({ value, default: usual }) => value !== null && JSON.stringify(value) !== JSON.stringify(usual);
    this.options.show({
      declared: settings.map(({ value: _, ...declared }) => ({ ...declared, default: declared.default ?? undefined })),
      options: Object.fromEntries(settings.filter(isSet).map(({ name, value }) => [name, value])),
    });
  }
}

const FACTS = [
  ["calls", "calls", "How often its callback was called"],
  ["passed", "passed", "Frames that went on without it: those between, while it was busy or failing"],
  ["dropped", "dropped", "Frames that it dropped"],
  ["errors", "errors", "Calls that ended with an exception, or with something that cannot be used"],
  ["restarts", "restarts", "How often its process was started again"],
];

class Card {
  #facts = new Map();

  constructor(setOptions) {
    const id = `library-${Card.made++}`;
    this.name = make("h3", { id });
    this.state = make("span", { class: "state" });
    this.version = make("span", { class: "version" });
    this.path = make("p", { class: "path" });
    this.times = new Times();
    const facts = FACTS.map(([key, text, title]) => {
      const value = make("dd");
      this.#facts.set(key, value);
      return make("div", { title }, make("dt", {}, text), value);
    });
    this.options = new Options(id, setOptions);
    const head = make("header", {}, this.name, this.version, this.state);
    this.element = make("section", { class: "library", "aria-labelledby": id }, head, this.path, this.times.element, make("dl", {}, ...facts), this.options.element);
  }

  static made = 0;

  show(library, frameMs, which) {
    setText(this.name, library.name + which);
    setText(this.state, library.state);
    this.element.dataset.state = library.state;
    setText(this.version, library.version > 1 ? `version ${library.version}` : "");
    this.version.title = library.version > 1 ? `It was saved and loaded ${count(library.version - 1, "time")} since the start` : "";
    setText(this.path, library.path + (library.workers ? ` · ${count(library.workers, "worker")}` : ""));
    for (const [key, element] of this.#facts) {
      setText(element, library[key].toLocaleString("en"));
      element.parentElement.className = library[key] ? key : `${key} none`;
    }
    this.times.show(library, frameMs);
    this.options.element.hidden = !library.takes_options;
    this.options.show(library);
  }
}

/** How long calls take: two numbers, and the last ones as bars beside the time that there is for a frame. */
class Times {
  static #MOST = 60;

  constructor() {
    this.canvas = make("canvas", { role: "img" });
    this.text = make("p");
    this.element = make("div", { class: "times" }, this.canvas, this.text);
  }

  show({ call_ms: times, workers }, frameMs) {
    const recent = times?.recent ?? [];
    this.element.hidden = !recent.length;
    if (!recent.length) return;
    const limit = frameMs ? frameMs * Math.max(workers, 1) : null; // workers are asked in turn: each has that much longer
    const time = limit ? ` · ${workers > 1 ? `${count(workers, "frame")} last` : "a frame lasts"} ${ms(limit)}` : "";
    setText(this.text, `p50 ${ms(times.p50)} · p95 ${ms(times.p95)}${time}`);
    const recently = `Times of calls in the last seconds: ${ms(Math.min(...recent))} to ${ms(Math.max(...recent))}`;
    setAttribute(this.canvas, "aria-label", recently + time);
    this.canvas.title = recently + time;
    this.#draw(recent, limit);
  }

  #draw(recent, limit) {
    const { canvas } = this;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (canvas.width !== Math.round(width) || canvas.height !== Math.round(height)) Object.assign(canvas, { width, height });
    const style = getComputedStyle(canvas);
    const [good, bad] = [style.color, style.outlineColor];
    const ctx = canvas.getContext("2d");
    const top = Math.max(...recent, limit ?? 0) * 1.12;
    const step = width / Times.#MOST;
    ctx.clearRect(0, 0, width, height);
    recent.forEach((time, index) => {
      const tall = Math.max((time / top) * height, scale);
      ctx.fillStyle = limit !== null && time > limit ? bad : good;
      ctx.fillRect(width - (recent.length - index) * step, height - tall, Math.max(step - scale, scale), tall);
    });
    if (limit === null) return;
    ctx.setLineDash([4 * scale, 3 * scale]);
    ctx.strokeStyle = bad;
    ctx.lineWidth = scale;
    ctx.beginPath();
    ctx.moveTo(0, height * (1 - limit / top));
    ctx.lineTo(width, height * (1 - limit / top));
    ctx.stroke();
  }
}

/** Milliseconds with two or three digits: "0.42 ms", "3.1 ms", "33 ms". */
function ms(value) {
  if (value === null || value === undefined) return "–";
  const digits = value < 1 ? 2 : value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} ms`;
}
