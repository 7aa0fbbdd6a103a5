// The document of the shown frame as a tree: folded, searched, copied; a number that is clicked becomes a line over time.

import { make, setText } from "./dom.js";
import { Drawing, copyText, count, setAttribute } from "./parts.js";
import { textOf } from "./paths.js";
import { Folding, rowsOf, shownValue } from "./rows.js";

/** Show the document of the store's shown frame in `element`. Dispatches "plot" on the store, with the path of a number. */
export function mount(element, store) {
  new Tree(element, store);
}

class Tree {
  #nodes = new Map(); // place -> the element of its row
  #folding = new Folding();
  #found = new Folding(); // what is open while a search is on: the tree afterwards is as before
  #rows = [];
  #isSought = false; // an object was selected, and is to be seen
  #current = ""; // the place of the row that the keyboard is at

  constructor(element, store) {
    this.store = store;
    this.#build(element);
    this.drawing = new Drawing(element, () => this.#draw(), () => !store.isLive);
    for (const name of ["frame", "select", "live"]) store.addEventListener(name, () => this.drawing.request());
    store.addEventListener("select", () => (this.#isSought = store.selected !== null));
    this.drawing.request();
  }

  #build(element) {
    this.query = make("input", {
      type: "search",
      placeholder: "Search keys and values",
      "aria-label": "Search the document by key or value",
      "aria-describedby": "document-hits",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#search(),
      onkeydown: (event) => this.#searchKey(event),
    });
    this.hits = make("span", { class: "hits", id: "document-hits" });
    const copyAll = () => this.#copy("document", this.#json(this.store.frame?.document));
    const all = make("button", { title: "Copy the document as JSON", onclick: copyAll }, "Copy all");
    this.tree = make("div", {
      class: "tree",
      role: "tree",
      "aria-label": "Document of the shown frame",
      onclick: (event) => this.#click(event),
      onkeydown: (event) => this.#key(event),
    });
    this.tree.addEventListener("focusin", (event) => this.#stand(event.target.closest("[role=treeitem]")));
    this.empty = make("p", { class: "empty" }, "There is no frame yet.");
    this.bar = this.#actions();
    element.append(make("div", { class: "tools" }, this.query, this.hits, all), this.empty, this.tree, this.bar);
  }

  /** The bar of what can be done with the row that the keyboard is at. */
  #actions() {
    const button = (text, title, onclick) => make("button", { title, onclick }, text);
    this.path = make("bdi");
    this.plot = button("Plot", "Show this number over time", () => this.#plot(this.#row()));
    this.done = make("output", { class: "done" });
    const copy = button("Copy", "Copy what is here, as JSON (Ctrl+C)", () => this.#copyRow(this.#row()));
    const copyPath = button("Copy path", "Copy where it is", () => this.#copy("path", textOf(this.#row()?.path ?? [])));
    return make("div", { class: "actions" }, make("code", {}, this.path), this.done, this.plot, copy, copyPath);
  }

  get #open() {
    return this.query.value.trim() ? this.#found : this.#folding;
  }

  #row() {
    return this.#rows.find((row) => row.place === this.#current) ?? this.#rows[0];
  }

  #search() {
    this.#found = new Folding();
    this.drawing.now();
  }

  #draw() {
    const query = this.query.value.trim();
    const document = this.store.frame?.document;
    this.empty.hidden = document !== undefined;
    this.tree.hidden = this.bar.hidden = document === undefined;
    const { rows, hits, left } = document === undefined ? { rows: [], hits: 0, left: 0 } : rowsOf(document, this.#open, query);
    setText(this.hits, query ? count(hits, "hit") + (left ? `, the first ${(hits - left).toLocaleString("en")} shown` : "") : "");
    const had = this.tree.contains(globalThis.document.activeElement) ? this.#rows.findIndex((row) => row.place === this.#current) : -1;
    this.#rows = rows;
    this.#place(query.toLowerCase());
    this.#keepFocus(had);
    this.#drawActions();
    if (this.#isSought) this.tree.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
    this.#isSought = false;
  }

  /** Bring the elements into the order of the rows; those that are there already stay, with focus and selection. */
  #place(query) {
    const old = this.#nodes;
    this.#nodes = new Map();
    let next = this.tree.firstChild;
    for (const row of this.#rows) {
      const node = old.get(row.place) ?? new Row();
      old.delete(row.place);
      this.#nodes.set(row.place, node);
      node.show(row, query, row.value === this.store.selected && this.store.selected !== null, !this.store.isLive);
      if (node.element === next) next = next.nextSibling;
      else this.tree.insertBefore(node.element, next);
    }
    for (const node of old.values()) node.element.remove();
  }

  /** One row can be reached with Tab. Where the focused row is gone, the one that is in its place now is focused. */
  #keepFocus(had) {
    if (!this.#nodes.has(this.#current)) {
      this.#current = this.#rows[Math.min(Math.max(had, 0), this.#rows.length - 1)]?.place ?? "";
      if (had >= 0) this.#nodes.get(this.#current)?.element.focus({ preventScroll: true });
    }
    for (const [place, node] of this.#nodes) node.reach(place === this.#current);
  }

  #drawActions() {
    const row = this.#row();
    setText(this.path, row?.path.length ? textOf(row.path) : "the whole document");
    this.plot.hidden = plotted(row) === null;
  }

  /** Let the keyboard be at the row of an element. */
  #stand(element) {
    if (!element) return;
    this.#nodes.get(this.#current)?.reach(false);
    this.#current = element.row.place;
    this.#nodes.get(this.#current)?.reach(true);
    this.#drawActions();
  }

  #go(row) {
    if (!row) return;
    const { element } = this.#nodes.get(row.place);
    element.focus();
    element.scrollIntoView({ block: "nearest" });
  }

  #click(event) {
    const element = event.target.closest("[role=treeitem]");
    if (!element || !getSelection().isCollapsed) return;
    element.focus({ preventScroll: true });
    const { row } = element;
    if (event.target.closest(".plots")) this.#plot(row);
    else this.#toggle(row);
  }

  #toggle(row, isOpen = !row.isOpen) {
    if (row.more) this.#open.more(row.of);
    else if (row.isOpen !== null) this.#open.set(row.place, isOpen);
    else return;
    this.drawing.now();
  }

  #plot(row) {
    const path = plotted(row);
    if (path) this.store.dispatchEvent(new CustomEvent("plot", { detail: { path } }));
    else this.#toggle(row);
  }

  /** The keys of a tree, as the ARIA authoring practices have them. */
  #key(event) {
    const at = this.#rows.findIndex((row) => row.place === this.#current);
    const row = this.#rows[at];
    if (!row) return;
    const parent = () => this.#rows.slice(0, at).findLast((each) => each.level < row.level);
    const sibling = this.#rows.filter((each) => each.level === row.level && each.isOpen === false && each.place.startsWith(parent()?.place ?? ""));
    const keys = {
      ArrowDown: () => this.#go(this.#rows[at + 1]),
      ArrowUp: () => this.#go(this.#rows[at - 1]),
      Home: () => this.#go(this.#rows[0]),
      End: () => this.#go(this.#rows.at(-1)),
      ArrowRight: () => (row.isOpen ? this.#go(this.#rows[at + 1]?.level > row.level ? this.#rows[at + 1] : null) : this.#toggle(row, true)),
      ArrowLeft: () => (row.isOpen ? this.#toggle(row, false) : this.#go(parent())),
      Enter: () => this.#plot(row),
      " ": () => this.#plot(row),
      "*": () => sibling.forEach((each) => this.#toggle(each, true)),
    };
    const copies = event.key === "c" && (event.ctrlKey || event.metaKey) && getSelection().isCollapsed;
    if (copies) this.#copyRow(row);
    else if (event.key in keys && !event.ctrlKey && !event.metaKey && !event.altKey) keys[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #searchKey(event) {
    if (event.key === "Escape" && this.query.value) {
      this.query.value = "";
      this.#search();
    } else if (event.key === "Enter" || event.key === "ArrowDown") {
      this.#go(this.#rows.find((row) => row.isHit) ?? this.#rows[0]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #json(value) {
    return JSON.stringify(value, null, 2) ?? "";
  }

  #copyRow(row) {
    if (row) this.#copy("value", typeof row.value === "string" ? row.value : this.#json(row.value));
  }

  async #copy(what, text) {
    const told = await copyText(text).then(() => `Copied the ${what}, ${count(text.length, "letter")}.`, (error) => error.message);
    setText(this.done, told);
    setTimeout(() => this.done.textContent === told && setText(this.done, ""), 3000);
  }
}

/** Return the path that is drawn over time for a row: of a number or a truth value itself, of a list its length; null: none. */
function plotted(row) {
  if (!row || row.more) return null;
  if (typeof row.value === "number" || typeof row.value === "boolean") return row.path;
  return Array.isArray(row.value) ? [...row.path, "length"] : null;
}

/** An element of a row, which changes only what is different in the next document. */
class Row {
  #last = "";
  #due = null; // shows what is not shown yet
  #isSkipped = false;

  constructor() {
    this.key = make("span", { class: "key" });
    this.size = make("span", { class: "size" });
    this.value = make("span");
    this.hint = make("span", { class: "meaning" });
    const twist = make("span", { class: "twist", "aria-hidden": "true" });
    this.element = make("div", { role: "treeitem", tabindex: "-1" }, twist, this.key, this.size, this.value, this.hint);
    this.element.addEventListener("contentvisibilityautostatechange", ({ skipped }) => {
      this.#isSkipped = skipped;
      if (!skipped) this.#due?.();
    });
  }

  /** Show a row; where the browser has said that it is out of sight, when it comes into sight, or at once if `isAll`. */
  show(row, query, isChosen, isAll) {
    this.element.row = row;
    this.#due = () => this.#show(row, query, isChosen);
    if (!this.#isSkipped || isAll) this.#due();
  }

  #show(row, query, isChosen) {
    this.#due = null;
    const { kind, text, title = "", hint = "", size = "" } = shownValue(row);
    const state = [row.name, kind, text, title, hint, size, row.level, row.index, row.count, row.isOpen, row.isHit, isChosen, query].join("\u0000");
    if (state === this.#last) return;
    this.#last = state;
    this.element.style.setProperty("--level", row.level - 1);
    this.element.className = `node${row.isHit ? " hit" : ""}${isChosen ? " chosen" : ""}`;
    setAttribute(this.element, "aria-level", row.level);
    setAttribute(this.element, "aria-posinset", row.index);
    setAttribute(this.element, "aria-setsize", row.count);
    setAttribute(this.element, "aria-expanded", row.isOpen);
    this.key.className = typeof row.name === "number" ? "key index" : "key";
    mark(this.key, String(row.name), typeof row.name === "string" ? query : "");
    mark(this.value, text, kind === "folder" ? "" : query);
    const plots = plotted(row) !== null;
    this.value.className = `value ${kind}${plots && kind !== "folder" ? " plots" : ""}`;
    this.value.title = plots && kind !== "folder" ? `${title || text} – show over time` : title;
    this.size.className = size ? "size plots" : "size";
    this.size.title = size ? "entries – show their number over time" : "";
    setText(this.size, size);
    setText(this.hint, hint);
  }

  reach(isHere) {
    setAttribute(this.element, "tabindex", isHere ? 0 : -1);
    setAttribute(this.element, "aria-selected", isHere);
  }
}

/** Set a text in which what was searched for is marked. */
function mark(element, text, query) {
  const parts = [];
  const lower = query ? text.toLowerCase() : "";
  let at = 0;
  for (let found = query ? lower.indexOf(query) : -1; found >= 0; found = lower.indexOf(query, at)) {
    parts.push(text.slice(at, found), make("mark", {}, text.slice(found, found + query.length)));
    at = found + query.length;
  }
  if (parts.length || element.firstElementChild) element.replaceChildren(...parts, text.slice(at));
  else setText(element, text);
}
