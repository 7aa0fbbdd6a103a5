// Numbers of documents over time: a sample of every frame that arrived, as long as they fit. Nothing of the page in here.

import { numberAt, textOf } from "./paths.js";

export const MOST = 4000; // frames that are kept: their numbers, not their documents
const SPARE = 400; // so many are dropped at once
const GAP = 0.2; // seconds at least between the end of a video and its new beginning
const BREAK = 2; // seconds without a frame after which a line is interrupted

/**
 * The samples of a stream, oldest first. `times` grow always: where the video begins anew (a file that is played again), its time
 * goes on from the next whole second, and `beginnings` has what to subtract. Where frames are missing for long there is a sample
 * without a frame, at which lines are interrupted.
 */
export class Samples {
  lines = []; // {path, text, values}
  times = [];
  frames = []; // {number, frame, time}: of the stream, `frame_num` and `stream_time` of the document; null: an interruption
  beginnings = []; // {at, offset}
  #last = null;

  clear() {
    this.times = [];
    this.frames = [];
    this.beginnings = [];
    this.#last = null;
    for (const line of this.lines) line.values = [];
  }

  /** Take the numbers of a FRAME. */
  take(frame) {
    const about = frame.document?.frame?.[0] ?? {};
    const seconds = about.stream_time >= 0 ? about.stream_time / 1e9 : null;
    const time = this.#timeOf(frame, seconds);
    if (this.#last && time - this.#last.time > BREAK) this.#push((time + this.#last.time) / 2, null, null);
    this.#last = { time, seconds, at: frame.at };
    this.#push(time, { number: frame.number, frame: about.frame_num ?? null, time: about.stream_time ?? null }, frame.document);
    if (this.times.length >= MOST + SPARE) this.#drop(this.times.length - MOST);
  }

  #timeOf(frame, seconds) {
    const last = this.#last;
    if (seconds === null) return last ? last.time + Math.max((frame.at - last.at) / 1000, 0.001) : 0; // unknown: that of arrival
    if (last && last.seconds !== null && seconds > last.seconds) return seconds + this.#offset();
    if (last && seconds === last.seconds) return last.time + 1e-6;
    if (last) this.#begin(Math.ceil(last.time + GAP), seconds);
    return seconds + this.#offset();
  }

  /** Go on at a whole second, with a video that begins anew; no line leads there. */
  #begin(at, seconds) {
    this.beginnings.push({ at, offset: at - Math.floor(seconds) });
    this.#push((at + this.#last.time) / 2, null, null);
  }

  #offset() {
    return this.beginnings.at(-1)?.offset ?? 0;
  }

  #push(time, about, document) {
    this.times.push(time);
    this.frames.push(about);
    for (const line of this.lines) line.values.push(about ? numberAt(document, line.path) : null);
  }

  #drop(number) {
    this.times.splice(0, number);
    this.frames.splice(0, number);
    for (const line of this.lines) line.values.splice(0, number);
    while (this.beginnings.length > 1 && this.beginnings[1].at < this.times[0]) this.beginnings.shift();
  }

  /** Begin a line; of frames whose documents are still there its numbers are taken as well. Return it, or the one that there is. */
  add(path, kept) {
    const text = textOf(path);
    const present = this.lines.find((line) => line.text === text);
    if (present) return present;
    const documents = new Map(kept.map((frame) => [frame.number, frame.document]));
    const values = this.frames.map((about) => (about && documents.has(about.number) ? numberAt(documents.get(about.number), path) : null));
    const line = { path, text, values };
    this.lines.push(line);
    return line;
  }

  remove(line) {
    this.lines = this.lines.filter((each) => each !== line);
  }

  /** The place of a FRAME in the samples, -1: it is not there. */
  indexOf(frame) {
    return frame ? this.frames.findLastIndex((about) => about?.number === frame.number) : -1;
  }

  /** A table: a row for each frame, with its number, its time in nanoseconds, and a column for each line; empty: no number. */
  csv() {
    const head = ["frame_num", "stream_time", ...this.lines.map((line) => line.text)];
    const rows = [head.map(cell)];
    this.frames.forEach((about, index) => {
      if (about) rows.push([about.frame, about.time, ...this.lines.map((line) => line.values[index])].map((each) => cell(each ?? "")));
    });
    return rows.map((row) => `${row.join(",")}\r\n`).join("");
  }
}

function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Lines by the charts that they are drawn in: numbers of the same name are on one scale. */
export function charts(lines) {
  const groups = new Map();
  for (const line of lines) {
    const names = line.path.filter((step) => typeof step === "string");
    const name = names.at(-1) === "length" ? `${names.slice(-2).join(".")}` : (names.at(-1) ?? "");
    groups.set(name, [...(groups.get(name) ?? []), line]);
  }
  return groups;
}

/** A time of a video: "2.5 s", "1:05", "1:02:03". */
export function clock(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(2))} s`;
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const rest = seconds - whole > 0.005 ? (seconds - whole).toFixed(2).slice(1).replace(/0+$/, "") : "";
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:${two(Math.floor(whole / 60) % 60)}` : Math.floor(whole / 60)}:${two(whole % 60)}${rest}`;
}
