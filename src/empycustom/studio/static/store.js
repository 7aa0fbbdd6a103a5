/**
 * What the page knows: streams, the frames that are kept, and the one that is shown. Everything else listens to it.
 *
 * A FRAME is {stream, number, width, height, document, blob, bitmap, at}: `blob` is the JPEG; `bitmap` is set while the frame is
 * shown; `at` is performance.now() of its arrival; `width` and `height` are those that the document's coordinates are about.
 *
 * Events (CustomEvent):
 *   "connection"  `link` has changed
 *   "state"       `streams` have changed (about three times a second)
 *   "stream"      another stream is shown, or the program was started again: kept frames are gone
 *   "kept"        a frame arrived and is kept; detail: FRAME
 *   "frame"       another frame is shown (or none), and will be drawn; detail: FRAME
 *   "drawn"       the shown frame was drawn; detail: FRAME
 *   "live"        `isLive` has changed
 *   "hover", "select"  another object is pointed at, or selected
 *   "plot"        tree.js asks for a plot; detail: {path}
 *   "message"     something to tell the user; detail: {text, kind: "info" | "error"}
 */
import { objectsOf, sameObject } from "./scene.js";

const MOST_FRAMES = 150;
const MOST_BYTES = 48 * 2 ** 20;
const PARSED = 4; // a document takes about so many times its text

export class Store extends EventTarget {
  boot = null;
  command = "";
  link = { state: "connecting", text: "" }; // connecting, open, lost or refused, and a sentence
  streams = [];
  stream = null;
  frame = null;
  frames = []; // the oldest first
  isLive = true;
  hovered = null; // an object of the shown frame
  selected = null; // the selected object as it was last seen
  isSelectedHere = false; // whether it is on the shown frame
  #bytes = 0;
  #told = []; // streams, with all problems
  #dismissed = new Set();

  get connected() {
    return this.link.state === "open";
  }

  /** Return the STREAM that is shown, or null. */
  get current() {
    return this.streams.find((each) => each.name === this.stream) ?? null;
  }

  tell(text, kind = "info") {
    this.#emit("message", { text, kind });
  }

  setLink(state, text = "") {
    if (this.link.state === state && this.link.text === text) return;
    this.link = { state, text };
    this.#emit("connection");
  }

  /** Take the program's first message. Returns whether the program was started anew. */
  greet({ boot, command, streams }) {
    const isNew = this.boot !== null && this.boot !== boot;
    const names = streams ?? [];
    this.boot = boot;
    this.command = command ?? "";
    if (isNew || !names.includes(this.stream)) {
      const stream = names.includes(this.stream) ? this.stream : (names[0] ?? null);
      this.#switchTo(stream);
    }
    return isNew;
  }

  setStreams(streams) {
    this.#told = streams;
    const left = ({ problems = [], ...others }) => ({ ...others, problems: problems.filter(({ id }) => !this.#dismissed.has(id)) });
    this.streams = streams.map((each) => left({ ...each, libraries: (each.libraries ?? []).map(left) }));
    if (streams.length && !this.current) this.#switchTo(streams[0].name); // it was renamed
    this.#emit("state");
  }

  /** Show a problem no more, by its id; it comes again with another one. */
  dismiss(id) {
    this.#dismissed.add(id);
    this.setStreams(this.#told);
  }

  watch(stream) {
    if (stream !== this.stream) this.#switchTo(stream);
  }

  keep(frame) {
    frame.bytes = frame.blob.size + PARSED * frame.documentBytes;
    this.frames.push(frame);
    this.#bytes += frame.bytes;
    while (this.frames.length > MOST_FRAMES || (this.#bytes > MOST_BYTES && this.frames.length > 1)) {
      this.#bytes -= this.frames.shift().bytes;
    }
    this.#emit("kept", frame);
    if (this.isLive) this.#show(frame);
  }

  /** Show a kept frame, and stop. */
  show(frame) {
    this.stop();
    if (frame && frame !== this.frame) this.#show(frame);
  }

  /** Show the kept frame that is `by` further than the shown one, and stop. */
  step(by) {
    if (!this.frames.length) return;
    const at = this.frames.indexOf(this.frame) + by;
    this.show(this.frames[Math.min(Math.max(at, 0), this.frames.length - 1)]);
  }

  stop() {
    if (!this.isLive || !this.frame) return;
    this.isLive = false;
    this.#emit("live");
  }

  goLive() {
    if (this.isLive) return;
    this.isLive = true;
    const newest = this.frames.at(-1);
    if (newest !== this.frame) this.#show(newest ?? null);
    this.#emit("live");
  }

  hover(object) {
    if (object === this.hovered) return;
    this.hovered = object;
    this.#emit("hover");
  }

  /** Select an object of the shown frame, which is followed from then on; null: none. */
  select(object) {
    if (object === this.selected) return;
    this.selected = object;
    this.isSelectedHere = object !== null;
    this.#emit("select");
  }

  drawn(frame) {
    this.#emit("drawn", frame);
  }

  #show(frame) {
    this.frame = frame;
    const objects = objectsOf(frame);
    if (this.hovered) this.hovered = sameObject(this.hovered, objects);
    if (this.selected) {
      const found = sameObject(this.selected, objects);
      this.isSelectedHere = found !== null;
      this.selected = found ?? this.selected;
    }
    this.#emit("frame", frame);
  }

  #switchTo(stream) {
    this.stream = stream;
    this.frames = [];
    this.#bytes = 0;
    this.hovered = null;
    this.selected = null;
    this.isSelectedHere = false;
    if (!this.isLive) {
      this.isLive = true;
      this.#emit("live");
    }
    this.#emit("stream");
    this.#show(null);
  }

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
