// The rows of a document that is shown as a tree: what is open, what is shortened, what a search finds. Nothing of the page in here.

export const PAGE = 32; // entries of a list that are shown at first
const STEP = 500; // entries that "… more" adds
const TEXT = 120; // letters of a text that are shown at first
const LONGEST = 20_000; // letters of a text that are shown at most
const HITS = 200; // hits of a search that are shown
// What is open at first, besides the first levels: where people look.
const OPEN = new Set(["object", "emcustom"]);
// What the preview of an object begins with, if it has it.
const FIRST = ["obj_label", "result_label", "name", "object_id", "confidence", "result_prob"];

/** Which parts of documents are open, by their places: it stays the same from one document to the next. */
export class Folding {
  #changed = new Map(); // place -> open or not
  #limits = new Map(); // place -> entries shown

  isOpen(place, path) {
    return this.#changed.get(place) ?? (path.length < 3 || OPEN.has(path.at(-1)));
  }

  set(place, isOpen) {
    this.#changed.set(place, isOpen);
  }

  limit(place) {
    return this.#limits.get(place) ?? PAGE;
  }

  more(place) {
    this.#limits.set(place, this.limit(place) + STEP);
  }
}

/**
 * Return the rows of a document, from top to bottom, and how many hits a search has. A row is `{place, path, name, value, level,
 * size, index, count, isOpen, isHit, more}`: `place` tells rows apart, `isOpen` is null where there is nothing to open, `more` is
 * the number of entries that are left out, in a row of its own.
 */
export function rowsOf(document, folding, query = "") {
  const hits = query ? search(document, query.toLowerCase()) : null;
  const rows = [];
  const add = (value, path, place, index, count) => {
    const opens = isFolder(value) || (typeof value === "string" && value.length > TEXT);
    const leads = hits?.parents.has(place) ?? false;
    const isOpen = opens ? folding.isOpen(place, leads ? [] : hits ? [0, 0, 0] : path) : null;
    rows.push({ place, path, name: path.at(-1) ?? "document", value, level: path.length + 1, index, count, isOpen, isHit: hits?.places.has(place) });
    if (isOpen && isFolder(value)) children(value, path, place, leads);
  };
  const children = (value, path, place, leads) => {
    let entries = entriesOf(value);
    if (leads) entries = entries.filter(([key]) => hits.shown.has(below(place, key)));
    const limit = leads ? Infinity : folding.limit(place);
    const shown = entries.length > limit + 1 ? entries.slice(0, limit) : entries;
    shown.forEach(([key, each], index) => add(each, [...path, key], below(place, key), index + 1, entries.length));
    if (shown.length < entries.length) {
      const more = entries.length - shown.length;
      rows.push({ place: `${place}…`, of: place, path, name: "", level: path.length + 2, index: limit + 1, count: entries.length, isOpen: null, more });
    }
  };
  add(document, [], "", 1, 1);
  return { rows, hits: hits?.count ?? 0, left: hits ? hits.count - hits.places.size : 0 };
}

const isFolder = (value) => value !== null && typeof value === "object";
const entriesOf = (value) => (Array.isArray(value) ? [...value.entries()] : Object.entries(value));
const below = (place, key) => place + (typeof key === "number" ? `#${key};` : `${key.length}:${key}`);

/** Return what a search finds: by keys and by values; of the first ones the places, their parents, and both. */
function search(document, query) {
  const found = { count: 0, places: new Set(), parents: new Set(), shown: new Set() };
  const isIn = (text) => text.toLowerCase().includes(query);
  const visit = (value, place, trail) => {
    for (const [key, each] of entriesOf(value)) {
      const folder = isFolder(each);
      const here = below(place, key);
      if ((typeof key === "string" && isIn(key)) || (!folder && (isIn(String(each)) || isIn(shortText(each))))) {
        found.count += 1;
        if (found.places.size < HITS) {
          found.places.add(here);
          found.shown.add(here);
          for (const parent of trail) found.parents.add(parent).size && found.shown.add(parent);
        }
      }
      if (folder) visit(each, here, [...trail, here]);
    }
  };
  if (isFolder(document)) visit(document, "", [""]);
  return found;
}

/** The text of a value that is not an object or a list: numbers with six digits, exact ones where that is no longer. */
export function shortText(value) {
  if (typeof value !== "number" || Number.isInteger(value) || Math.abs(value) >= 100_000) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** What a row says of its value: `{kind, text, title}`; `kind` is "number", "text", "word" (true, false, null) or "folder". */
export function shownValue({ path, value, isOpen, more }) {
  if (more) return { kind: "rest", text: `… ${more.toLocaleString("en")} more` };
  if (isFolder(value)) return { kind: "folder", text: isOpen ? "" : preview(value), size: sizeOf(value) };
  if (typeof value === "string") return { kind: "text", ...shortened(value, isOpen) };
  if (typeof value !== "number") return { kind: "word", text: String(value), title: "" };
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return { kind: "number", text: `≈ ${value}`, title: "Larger than a browser's numbers are exact: the last digits may differ." };
  return { kind: "number", text: shortText(value), title: String(value), hint: hint(path, value) };
}

function shortened(value, isOpen) {
  const limit = isOpen ? LONGEST : TEXT;
  const left = value.length - limit;
  if (left <= 0) return { text: JSON.stringify(value), title: "" };
  return { text: `${JSON.stringify(value.slice(0, limit)).slice(0, -1)}…`, title: `${left.toLocaleString("en")} more letters` };
}

function sizeOf(value) {
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  return Array.isArray(value) ? `${size.toLocaleString("en")}` : "";
}

/** What is in an object or a list, in about 80 letters. */
function preview(value) {
  const isList = Array.isArray(value);
  const keys = isList ? value.keys() : new Set([...FIRST.filter((key) => Object.hasOwn(value, key)), ...Object.keys(value)]);
  let text = "";
  for (const key of keys) {
    const each = value[key];
    const inside = isFolder(each) ? (Array.isArray(each) ? (each.length ? "[…]" : "[]") : "{…}") : shortText(each).slice(0, 40) || '""';
    const part = isList ? inside : `${key}: ${inside}`;
    if (text.length + part.length > 80) return `${isList ? "[" : "{"}${text}${text ? ", " : ""}…${isList ? "]" : "}"}`;
    text += (text ? ", " : "") + part;
  }
  return `${isList ? "[" : "{"}${text}${isList ? "]" : "}"}`;
}

/** What a number means to people, where its key says what it counts. */
function hint(path, value) {
  const key = path.at(-1);
  if ((key === "stream_time" || key === "buf_pts") && value >= 0) return `${(value / 1e9).toFixed(3)} s`;
  if (key === "ntp_timestamp" && value > 0) return new Date(value / 1e6).toISOString();
  if (key === "rotation") return `${((value * 180) / Math.PI).toFixed(1)}°`;
  return "";
}
