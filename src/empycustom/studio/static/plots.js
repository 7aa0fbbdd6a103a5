// Numbers of the documents over time: a line for each that was chosen in the tree, or by its path.

import { Chart, picture } from "./chart.js";
import { make, saveAs, setText } from "./dom.js";
import { Drawing, count } from "./parts.js";
import { followed, numberAt, numbersIn, pathOf, textOf, valueAt } from "./paths.js";
import { shortText } from "./rows.js";
import { MOST, Samples, charts, clock } from "./samples.js";

// Each is seen on white and on black.
const COLOURS = ["#2f80ed", "#d97706", "#1f9d55", "#d6409f", "#9b51e0", "#00a0a0", "#e5484d", "#8d6e63"];
const WINDOWS = [["10", "10 seconds"], ["30", "30 seconds"], ["120", "2 minutes"], ["", "everything"]];

/** Draw numbers over time in `element`: those of the store's "plot" events, and those whose path is written into the field. */
export function mount(element, store) {
  new Plots(element, store);
}

class Plots {
  samples = new Samples();
  #charts = [];
  #legends = new Map(); // line -> what shows its value
  #zoomed = null; // [from, to] that was chosen with the mouse
  #pointed = null; // the place of the sample that the mouse points at

  constructor(element, store) {
    this.store = store;
    this.element = element;
    this.#build(element);
    this.drawing = new Drawing(element, () => this.#draw(), () => !store.isLive);
    for (const frame of store.frames) this.samples.take(frame);
    store.addEventListener("kept", ({ detail }) => (this.samples.take(detail), this.drawing.request()));
    for (const name of ["frame", "live"]) store.addEventListener(name, () => this.drawing.request());
    store.addEventListener("stream", () => this.#changed());
    store.addEventListener("plot", ({ detail }) => this.#chosen(followed(store.frame?.document, detail.path)));
    document.addEventListener("theme", () => this.drawing.now());
    new ResizeObserver(() => this.#charts.forEach((chart) => chart.resize())).observe(this.list);
  }

  #build(element) {
    this.path = make("input", {
      placeholder: "frame[0].emcustom.count",
      "aria-label": "Path of a number to draw",
      list: "plot-paths",
      autocomplete: "off",
      spellcheck: "false",
      onfocus: () => this.#complete(),
      oninput: () => this.#refuse(""),
    });
    this.paths = make("datalist", { id: "plot-paths" });
    const form = make("form", { class: "add", onsubmit: (event) => this.#submit(event) }, this.path, this.paths, make("button", {}, "Add"));
    const choices = WINDOWS.map(([value, text]) => make("option", { value, selected: value === "30" }, text));
    this.window = make("select", { "aria-label": "How much is shown", onchange: () => this.follow() }, ...choices);
    const button = (text, title, onclick) => make("button", { title, onclick }, text);
    this.back = button("Follow", "Show the newest frames again (double-click)", () => this.follow());
    this.saves = [
      button("CSV", "Save all samples of these lines as a table", () => this.#saveCsv()),
      button("PNG", "Save these plots as a picture", () => this.#savePng()),
    ];
    this.problem = make("p", { class: "refused", hidden: true, role: "alert" });
    this.empty = make("p", { class: "empty" }, "Click a number in the document to see it over time; at a list, its length. Or write where it is.");
    this.list = make("div", { class: "charts" });
    this.about = make("p", { class: "about" });
    element.append(make("div", { class: "tools" }, form, this.window, this.back, ...this.saves), this.problem, this.empty, this.list, this.about);
    this.#arrange();
  }

  /** Offer the paths of the numbers in the shown document. */
  #complete() {
    const paths = numbersIn(this.store.frame?.document ?? null).map(textOf);
    this.paths.replaceChildren(...paths.map((value) => make("option", { value })));
  }

  #submit(event) {
    event.preventDefault();
    const document = this.store.frame?.document;
    try {
      let path = pathOf(this.path.value);
      if (document && valueAt(document, path.slice(0, 1)) === undefined) path = ["frame", 0, ...path];
      if (!this.add(path)) return;
      this.path.value = "";
      const value = document && valueAt(document, path);
      if (document && numberAt(document, path) === null) this.#refuse(`There is ${value === undefined ? "nothing" : "no number"} at ${textOf(path)} on this frame; the line begins when there is one.`);
    } catch (error) {
      this.#refuse(error.message);
    }
  }

  #refuse(text) {
    this.problem.hidden = !text;
    setText(this.problem, text);
  }

  /** Add a line, unless it is there already. Return it; null: there are as many as there are colours. */
  add(path) {
    const { lines } = this.samples;
    const text = textOf(path);
    this.#refuse(lines.length < COLOURS.length || lines.some((line) => line.text === text) ? "" : `${COLOURS.length} lines are shown at most; remove one first.`);
    if (!this.problem.hidden) return null;
    const line = this.samples.add(path, this.store.frames);
    line.colour ??= COLOURS.find((colour) => lines.every((each) => each.colour !== colour));
    this.#arrange();
    return line;
  }

  /** Add a line that was chosen in the tree. Where that is hidden now, the keyboard goes on at the line. */
  #chosen(path) {
    const line = this.add(path);
    setTimeout(() => {
      if (line && !(document.activeElement ?? document.body).checkVisibility?.()) document.activeElement.blur();
      if (line && document.activeElement === document.body) this.#legends.get(line)?.parentElement.focus();
    });
  }

  #remove(line) {
    this.samples.remove(line);
    this.#refuse("");
    this.#arrange();
    (this.list.querySelector("button") ?? this.path).focus();
  }

  /** Another stream: its numbers are other ones. */
  #changed() {
    this.samples.clear();
    this.#zoomed = null;
    this.drawing.request();
  }

  /** Make the charts anew: lines were added or removed, or the colours of the page have changed. */
  #arrange() {
    for (const chart of this.#charts) chart.destroy();
    this.#legends.clear();
    this.#pointed = null;
    this.list.replaceChildren();
    this.#charts = [...charts(this.samples.lines)].map(([name, lines]) => this.#chart(name, lines));
    const isEmpty = !this.#charts.length;
    this.empty.hidden = !isEmpty;
    this.window.hidden = this.about.hidden = this.back.hidden = isEmpty;
    for (const each of this.saves) each.hidden = isEmpty;
    this.drawing?.now();
  }

  #chart(name, lines) {
    const legend = make("ul", { class: "legend", "aria-label": `Lines of ${name}` }, ...lines.map((line) => this.#legend(line)));
    const canvas = make("div", { class: "canvas", role: "img" });
    this.list.append(make("figure", {}, legend, canvas));
    return new Chart(canvas, lines, this);
  }

  #legend(line) {
    const colour = make("span", { class: "colour", "aria-hidden": "true" });
    colour.style.background = line.colour;
    const value = make("span", { class: "value" });
    const title = `Remove ${line.text}`;
    const remove = make("button", { class: "remove", title, "aria-label": title, onclick: () => this.#remove(line) }, "×");
    this.#legends.set(line, value);
    const shown = line.text.replace(/^frame\[0\]\./, ""); // where nearly all are
    return make("li", { tabindex: "-1" }, colour, make("code", { title: line.text }, shown), value, remove);
  }

  #draw() {
    if (!this.#charts.length) return;
    const [from, to] = this.#range();
    for (const chart of this.#charts) {
      chart.draw(from, to);
      chart.element.setAttribute("aria-label", this.#describe(chart.lines, from, to));
    }
    this.#drawValues();
    this.back.hidden = this.#zoomed === null;
    const { times, frames } = this.samples;
    const number = frames.filter(Boolean).length;
    const span = times.length ? times.at(-1) - times[0] : 0;
    const most = times.length >= MOST ? `; older ones than the last ${MOST.toLocaleString("en")} are dropped` : "";
    setText(this.about, `${count(number, "frame")}, ${clock(span)}${most}.`);
  }

  #range() {
    const { times } = this.samples;
    if (this.#zoomed) return this.#zoomed;
    const shown = this.shownTime();
    const end = times.at(-1) ?? 0;
    const length = this.window.value ? Number(this.window.value) : Math.max(end - (times[0] ?? 0), 1);
    const last = shown !== null && shown < end - length ? shown + length / 2 : end;
    return [Math.max(last - length, Math.min(times[0] ?? 0, last - 1)), last];
  }

  #drawValues() {
    const { samples, store } = this;
    const place = this.#pointed ?? samples.indexOf(store.frame);
    for (const [line, output] of this.#legends) {
      const value = place < 0 ? null : line.values[place];
      setText(output, value === null || value === undefined ? "–" : shortText(value));
    }
  }

  #describe(lines, from, to) {
    const { times } = this.samples;
    const parts = lines.map((line) => {
      const values = line.values.filter((value, index) => value !== null && times[index] >= from && times[index] <= to);
      if (!values.length) return `${line.text}: no numbers`;
      const [low, high] = values.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
      return `${line.text}: from ${shortText(low)} to ${shortText(high)}, last ${shortText(values.at(-1))}`;
    });
    return parts.join("; ");
  }

  // What charts ask for and tell.

  /** The time of the shown frame, while the page is stopped. */
  shownTime() {
    const place = this.store.isLive ? -1 : this.samples.indexOf(this.store.frame);
    return place < 0 ? null : this.samples.times[place];
  }

  zoom(from, to) {
    this.#zoomed = [from, to];
    this.drawing.now();
  }

  follow() {
    this.#zoomed = null;
    this.drawing.now();
  }

  point(place) {
    if (this.#pointed === place) return;
    this.#pointed = place;
    this.#drawValues();
  }

  /** Show the frame that was clicked at, if it is still kept. */
  pick(place) {
    const about = place === null || place === undefined ? null : this.samples.frames[place];
    const frame = about && this.store.frames.find((each) => each.number === about.number);
    if (frame) this.store.show?.(frame);
  }

  #saveCsv() {
    saveAs(new Blob([this.samples.csv()], { type: "text/csv" }), `${this.store.stream}-plots.csv`);
  }

  async #savePng() {
    const [from, to] = this.#range().map((each) => clock(Math.max(each, 0)));
    const legend = (line) => `${line.text}   ${this.#legends.get(line).textContent}`;
    const blob = await picture(this.element, this.#charts, `${this.store.stream ?? ""}, ${from} to ${to}`, legend);
    saveAs(blob, `${this.store.stream}-plots.png`);
  }
}
