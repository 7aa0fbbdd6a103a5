/** The objects of the shown frame: classes with counts, a list, and all that is said about the one that is selected. */
import { copyText, iconButton, make, remembered, setText, throttled } from "./dom.js";
import { coverOf } from "./masks.js";
import { boxOf, colourOf, colourOfLabel, labelOf, linesOf, objectsOf, percent, trackOf } from "./scene.js";

const MOST_ROWS = 200;
const MOST_CHIPS = 40;
const MOST_FACTS = 400;
const PAUSE = 120; // ms between two drawings while frames come

const area = (object) => {
  const box = boxOf(object);
  return box ? box[2] * box[3] : 0;
};
const byName = (a, b) => compare(labelOf(a), labelOf(b)) || compare(trackOf(a) ?? Infinity, trackOf(b) ?? Infinity);
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const ORDERS = {
  label: ["Label", byName],
  confidence: ["Confidence", (a, b) => (b.confidence ?? 0) - (a.confidence ?? 0)],
  size: ["Size", (a, b) => area(b) - area(a)],
  document: ["As in the document", () => 0],
};

/** Fill the panel of objects; returns it. */
export function mount(element, store, picture) {
  return new Objects(element, store, picture);
}

class Objects {
  constructor(element, store, picture) {
    this.element = element;
    this.store = store;
    this.picture = picture;
    this.order = remembered.get("order", "label") in ORDERS ? remembered.get("order", "label") : "label";
    this.rows = [];
    this.facts = [];
    this.chips = make("div", { class: "chips", role: "group", "aria-label": "Classes that are shown" });
    this.moreChips = make("small", {});
    this.count = make("span", { class: "count" });
    const options = Object.entries(ORDERS).map(([name, [label]]) =>
      make("option", { value: name, selected: name === this.order }, label),
    );
    const order = make("select", { "aria-label": "Order of the objects", onchange: () => this.#sort(order.value) }, ...options);
    this.list = make("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": "Objects of the shown frame" });
    this.more = make("p", { class: "more", hidden: true });
    this.details = make("section", { class: "details", "aria-label": "The selected object", hidden: true });
    this.hint = make(
      "p",
      { class: "hint" },
      "Choose an object, here or in the picture (keys: n, p), to see all that is said about it.",
    );
    element.append(
      this.chips,
      make("div", { class: "listhead" }, this.count, make("label", {}, "Order ", order)),
      make("div", { class: "scroll" }, this.list, this.more),
      this.details,
      this.hint,
    );
    this.#makeDetails();
    this.draw = throttled(() => this.#draw(), PAUSE);
    this.#listen();
    this.draw();
  }

  #listen() {
    const { store, list } = this;
    store.addEventListener("frame", () => (store.isLive ? this.draw() : this.draw.now()));
    store.addEventListener("select", () => {
      this.draw.now();
      this.rows.find((row) => row.getAttribute("aria-selected") === "true")?.scrollIntoView({ block: "nearest" });
    });
    store.addEventListener("hover", () => this.#mark());
    this.element.addEventListener("shown", () => this.draw.now());
    this.picture.events.addEventListener("look", () => this.draw.now());
    list.addEventListener("pointerover", (event) => store.hover(event.target.closest("[role=option]")?.object ?? null));
    list.addEventListener("pointerleave", () => store.hover(null));
    list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) store.select(row.object === store.selected ? null : row.object);
    });
    list.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.move(by);
    });
  }

  #sort(order) {
    this.order = order;
    remembered.set("order", order);
    this.draw.now();
  }

  /** Select the object that is `by` further in the list. */
  move(by) {
    const shown = this.#shown().slice(0, MOST_ROWS);
    if (!shown.length) return;
    const at = this.store.isSelectedHere ? shown.indexOf(this.store.selected) : by > 0 ? -1 : shown.length;
    this.store.select(shown[Math.min(Math.max(at + by, 0), shown.length - 1)]);
  }

  /** Return the objects that the list has, in their order. */
  #shown() {
    const shown = objectsOf(this.store.frame).filter((each) => !this.picture.hidden.has(labelOf(each)));
    return shown.sort(ORDERS[this.order][1]);
  }

  #draw() {
    const all = objectsOf(this.store.frame);
    const shown = this.#shown();
    const total = `${all.length} ${all.length === 1 ? "object" : "objects"}`;
    setText(this.count, shown.length === all.length ? total : `${shown.length} of ${total}`);
    const badge = document.querySelector("#tab-objects .badge");
    setText(badge, String(all.length));
    if (this.element.hidden) return;
    this.#drawChips(all);
    this.#drawRows(shown);
    this.#mark();
    this.#drawDetails();
  }

  // Classes.

  #drawChips(all) {
    const { hidden } = this.picture;
    const counts = new Map([...hidden].map((label) => [label, 0]));
    for (const object of all) counts.set(labelOf(object), (counts.get(labelOf(object)) ?? 0) + 1);
    const chips = new Map([...this.chips.querySelectorAll(".chip")].map((chip) => [chip.label, chip]));
    for (const label of chips.keys()) if (!counts.has(label)) counts.set(label, 0); // it may come again
    const weight = (label) => (hidden.has(label) ? Infinity : counts.get(label));
    const labels = [...counts.keys()]
      .sort((a, b) => weight(b) - weight(a) || compare(a, b))
      .slice(0, MOST_CHIPS)
      .sort();
    if (labels.join("\n") !== [...chips.keys()].join("\n")) {
      const focused = document.activeElement;
      this.chips.replaceChildren(...labels.map((label) => chips.get(label) ?? this.#chip(label)), this.moreChips);
      if (this.chips.contains(focused)) focused.focus();
    }
    for (const chip of this.chips.querySelectorAll(".chip")) {
      setText(chip.lastChild, String(counts.get(chip.label)));
      chip.setAttribute("aria-pressed", !hidden.has(chip.label));
      chip.classList.toggle("none", counts.get(chip.label) === 0);
    }
    const left = counts.size - labels.length;
    setText(this.moreChips, left ? `${left} more` : "");
  }

  #chip(label) {
    const swatch = make("i", { class: "swatch" });
    swatch.style.backgroundColor = colourOfLabel(label);
    const title = `Show or hide: ${label}\nWith Alt: show this alone, or all`;
    const chip = make("button", { class: "chip", title }, swatch, make("span", {}, label), make("b", {}, ""));
    chip.label = label;
    chip.onclick = (event) => (event.altKey ? this.#showAlone(label) : this.picture.toggleLabel(label));
    return chip;
  }

  /** Hide all classes but one; if they are, show all. */
  #showAlone(label) {
    const others = [...this.chips.querySelectorAll(".chip")].map((chip) => chip.label).filter((each) => each !== label);
    const isAlone = others.every((each) => this.picture.hidden.has(each));
    this.picture.hide(isAlone ? [] : others);
  }

  // The list.

  #drawRows(shown) {
    const listed = shown.slice(0, MOST_ROWS);
    while (this.rows.length < listed.length) this.rows.push(this.#row(this.rows.length));
    listed.forEach((object, at) => this.#fill(this.rows[at], object));
    const now = this.list.children.length;
    if (now < listed.length) this.list.append(...this.rows.slice(now, listed.length));
    for (let at = now; at > listed.length; at--) this.list.lastChild.remove();
    this.more.hidden = Boolean(this.store.frame) && shown.length > 0 && shown.length <= MOST_ROWS;
    if (!this.store.frame) setText(this.more, "No frame yet.");
    else if (!shown.length) setText(this.more, "No objects on this frame.");
    else
      setText(
        this.more,
        `${shown.length - MOST_ROWS} more are not listed. Hide classes to see them, or point at them in the picture.`,
      );
  }

  #row(at) {
    const parts = ["swatch", "label", "says", "track", "bar", "sure", "size"].map((name) =>
      make(name === "bar" || name === "swatch" ? "i" : "span", { class: name }),
    );
    const row = make("div", { role: "option", id: `object-${at}`, class: "row" }, ...parts);
    row.parts = parts;
    return row;
  }

  #fill(row, object) {
    const [swatch, label, says, track, bar, sure, size] = row.parts;
    row.object = object;
    swatch.style.backgroundColor = colourOf(object, this.picture.colourBy);
    setText(label, labelOf(object));
    setText(
      says,
      linesOf(object.emcustom)
        .slice(0, 6)
        .map((line) => line.filter(Boolean).join(" "))
        .join(" · "),
    );
    setText(track, trackOf(object) === null ? "" : `#${trackOf(object)}`);
    bar.style.setProperty("--part", Number.isFinite(object.confidence) ? object.confidence : 0);
    setText(sure, percent(object.confidence));
    const box = boxOf(object);
    setText(size, box ? `${Math.round(box[2])} × ${Math.round(box[3])}` : "no box");
  }

  #mark() {
    const { hovered, selected, isSelectedHere } = this.store;
    let active = "";
    for (const row of this.list.children) {
      const isSelected = isSelectedHere && row.object === selected;
      if (isSelected) active = row.id;
      row.setAttribute("aria-selected", isSelected);
      row.classList.toggle("hovered", row.object === hovered);
    }
    if (active) this.list.setAttribute("aria-activedescendant", active);
    else this.list.removeAttribute("aria-activedescendant");
  }

  // The selected object.

  #makeDetails() {
    this.title = make("h3", {});
    this.gone = make("p", { class: "gone", hidden: true }, "Not on this frame; as it was last seen:");
    this.table = make("dl", {});
    const copy = iconButton("copy", "Copy as JSON", "", async () => {
      const done = await copyText(JSON.stringify(this.store.selected, null, 2));
      this.store.tell(
        done ? "The object was copied as JSON." : "The browser does not let this page copy.",
        done ? "info" : "error",
      );
    });
    const close = iconButton("close", "Select nothing", "Esc", () => this.store.select(null));
    this.swatch = make("i", { class: "swatch" });
    this.details.append(
      make("header", {}, this.swatch, this.title, copy, close),
      this.gone,
      make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "All that is said about it" }, this.table),
    );
  }

  #drawDetails() {
    const { selected, isSelectedHere } = this.store;
    this.details.hidden = !selected;
    this.hint.hidden = Boolean(selected) || !this.list.children.length;
    if (!selected) return;
    const track = trackOf(selected);
    setText(this.title, track === null ? labelOf(selected) : `${labelOf(selected)} #${track}`);
    this.swatch.style.backgroundColor = colourOf(selected, this.picture.colourBy);
    this.gone.hidden = isSelectedHere;
    const facts = factsOf(selected);
    while (this.facts.length < facts.length) this.facts.push([make("dt", {}), make("dd", {})]);
    facts.forEach(([depth, key, text, kind], at) => {
      const [term, value] = this.facts[at];
      setText(term, key);
      setText(value, text);
      term.style.setProperty("--depth", depth);
      value.dataset.kind = kind;
    });
    const now = this.table.children.length / 2;
    for (let at = now; at < facts.length; at++) this.table.append(...this.facts[at]);
    for (let at = now; at > facts.length; at--) {
      this.table.lastChild.remove();
      this.table.lastChild.remove();
    }
  }
}

/** Return all that is said about an object, as rows [depth, key, text, kind]. */
function factsOf(object) {
  const facts = [];
  for (const [key, value] of Object.entries(object)) {
    if (key === "keypoints" && Array.isArray(value)) addPoints(facts, value, object.keypoint_names);
    else if (key === "keypoint_names" && Array.isArray(object.keypoints))
      continue; // with the points
    else add(facts, 0, key, value);
    if (key === "mask" && coverOf(value) !== null) facts.push([1, "covered", percent(coverOf(value)), "note"]);
  }
  if (facts.length <= MOST_FACTS) return facts;
  return [...facts.slice(0, MOST_FACTS), [0, "…", `${facts.length - MOST_FACTS} more; copy as JSON has all`, "note"]];
}

function addPoints(facts, flat, names) {
  facts.push([0, "keypoints", `${Math.floor(flat.length / 3)} points: x, y, confidence`, "note"]);
  const round = (value) => (Number.isFinite(value) ? value.toFixed(1) : String(value));
  for (let at = 0; at + 2 < flat.length; at += 3) {
    const name = Array.isArray(names) ? names[at / 3] : undefined;
    facts.push([1, String(name ?? at / 3), `${round(flat[at])}, ${round(flat[at + 1])}, ${percent(flat[at + 2])}`, "number"]);
  }
}

function add(facts, depth, key, value) {
  const isArray = Array.isArray(value);
  const isPlain = value === null || typeof value !== "object";
  if (isPlain) {
    const isNothing = value === null || value === "";
    facts.push([depth, key, isNothing ? JSON.stringify(value) : String(value).slice(0, 2000), isNothing ? "note" : typeof value]);
  } else if (isArray && value.every((each) => each === null || typeof each !== "object" || isShort(each))) {
    const shown = value
      .slice(0, 12)
      .map((each) => JSON.stringify(each))
      .join(", ");
    facts.push([depth, key, `[${shown}${value.length > 12 ? `, … ${value.length - 12} more` : ""}]`, "list"]);
  } else {
    const entries = Object.entries(value);
    facts.push([depth, key, entries.length ? "" : "{}", "group"]);
    if (depth < 12) for (const [inner, each] of entries) add(facts, depth + 1, inner, each);
  }
}

/** Whether it is a list of few plain values, as a point is. */
function isShort(value) {
  return Array.isArray(value) && value.length <= 4 && value.every((each) => each === null || typeof each !== "object");
}
