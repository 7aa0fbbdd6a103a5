// A field for each option that a library declares, by its kind, and one for all options of a library that declares none.

import { make, setText } from "./dom.js";
import { setAttribute } from "./parts.js";

const TYPING = 400; // ms without a key after which a text counts
const WRITING = 700; // the same of JSON, which is wrong at most places
const SLIDING = 40;

// Each returns {inputs, read, write}: elements, of which the first has the label; the value in them, undefined: the default.
const EDITORS = { "true or false": checkbox, "whole number": number, number, text, list: json, object: json, any: json };

function checkbox() {
  const input = make("input", { type: "checkbox", role: "switch" });
  return { inputs: [input], wait: 0, read: () => input.checked, write: (value) => (input.checked = value === true) };
}

function select({ choices }) {
  const input = make("select", {}, ...choices.map((choice, index) => make("option", { value: index }, inWords(choice))));
  const texts = choices.map((choice) => JSON.stringify(choice));
  return { inputs: [input], wait: 0, read: () => choices[input.value], write: (value) => (input.value = texts.indexOf(JSON.stringify(value))) };
}

function number({ kind, limits, default: usual, name }) {
  const [min, max] = limits ?? [null, null];
  const isWhole = kind === "whole number";
  const input = make("input", { type: "number", step: isWhole ? 1 : "any", min, max, placeholder: inWords(usual) });
  const read = () => {
    if (input.validity.badInput) throw new Error("This is not a number.");
    return input.value === "" ? undefined : Number(input.value);
  };
  const write = (value) => (input.value = value);
  if (min === null || max === null) return { inputs: [input], wait: TYPING, read, write };
  const step = isWhole ? 1 : 10 ** Math.floor(Math.log10((max - min) / 50 || 1));
  const slider = make("input", { type: "range", min, max, step, "aria-label": name });
  slider.addEventListener("input", () => write(Number(slider.value)));
  input.addEventListener("input", () => input.value !== "" && (slider.value = input.value));
  return { inputs: [input, slider], wait: TYPING, read, write: (value) => ((slider.value = value), write(value)) };
}

function text({ default: usual }) {
  const isLong = typeof usual === "string" && (usual.length > 60 || usual.includes("\n"));
  const input = make(isLong ? "textarea" : "input", { type: isLong ? null : "text", rows: isLong ? 3 : null, spellcheck: "false" });
  return { inputs: [input], wait: TYPING, read: () => input.value, write: (value) => (input.value = value) };
}

function json({ least = 1 }) {
  const input = make("textarea", { class: "json", spellcheck: "false", autocapitalize: "off" });
  const fit = () => (input.rows = Math.min(Math.max(input.value.split("\n").length, least), 16));
  input.addEventListener("input", fit);
  const write = (value) => {
    const line = JSON.stringify(value) ?? "";
    input.value = line.length > 48 ? JSON.stringify(value, null, 2) : line;
    fit();
  };
  return { inputs: [input], wait: WRITING, read: () => (input.value.trim() ? parsed(input.value) : undefined), write };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON; a text is written in quotes: ${error.message}`);
  }
}

const inWords = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** What values there are: `0 to 1`, `1 or more pixels`. */
function rangeOf({ limits, choices, unit, kind }) {
  const [lowest, highest] = limits ?? [null, null];
  const between = lowest !== null && highest !== null ? `${lowest} to ${highest}` : lowest !== null ? `${lowest} or more` : highest !== null ? `${highest} or less` : "";
  const values = choices?.length ? "" : kind === "list" && between ? `each ${between}` : between;
  return [values, unit].filter(Boolean).join(" ");
}

/** What fields have in common: what is typed takes effect after a while, and what is refused stays, with the reason. */
class Base {
  #timer = null;
  #isSent = false; // and not answered
  #isRefused = false;
  #shown;

  constructor(id, editor, change, ...described) {
    const [first, ...others] = editor.inputs;
    this.editor = editor;
    this.change = change;
    this.refused = make("p", { class: "refused", id: `${id}-refused`, role: "alert", hidden: true });
    first.id = id;
    setAttribute(first, "aria-describedby", [...described, this.refused.id].join(" "));
    for (const input of [first, ...others]) {
      input.addEventListener("input", () => this.#wait(input.type === "range" ? SLIDING : editor.wait));
      input.addEventListener("change", () => this.#timer !== null && this.#commit());
      input.addEventListener("blur", () => this.#timer === null && this.#shown !== undefined && this.write(this.#shown));
      input.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.#commit());
    }
  }

  focus() {
    this.editor.inputs[0].focus();
  }

  #wait(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#commit(), ms);
  }

  #commit() {
    clearTimeout(this.#timer);
    this.#timer = null;
    try {
      const value = this.editor.read();
      this.#isSent = true;
      this.change(this, value);
    } catch (error) {
      this.refuse(error.message);
    }
  }

  /** Show why the value was not taken, and keep what was typed; "": it was taken. */
  refuse(sentence) {
    this.#isSent = false;
    this.#isRefused = Boolean(sentence);
    this.refused.hidden = !sentence;
    setText(this.refused, sentence);
    setAttribute(this.editor.inputs[0], "aria-invalid", sentence ? "true" : null);
  }

  /** Show a value of the program, unless somebody is typing here, or what was typed is not answered, or refused. */
  write(value) {
    this.#shown = value;
    const typed = document.activeElement?.matches("textarea, input:not([type=checkbox], [type=range])") ?? false;
    const isHere = typed && this.editor.inputs.includes(document.activeElement);
    if (isHere || this.#timer !== null || this.#isSent || this.#isRefused) return;
    const text = JSON.stringify(value);
    if (text === this.text && this.#isUnchanged()) return;
    this.text = text;
    this.editor.write(value);
  }

  #isUnchanged() {
    try {
      return JSON.stringify(this.editor.read()) === this.text;
    } catch {
      return false; // not even a value: it is written anew
    }
  }
}

/** The field of an option that a library declares. */
export class Field extends Base {
  constructor(option, id, change) {
    const editor = (option.choices?.length ? select : (EDITORS[option.kind] ?? json))(option);
    super(id, editor, change, `${id}-about`);
    this.option = option;
    this.name = option.name;
    this.hasDefault = option.default !== undefined;
    const range = rangeOf(option);
    const label = make("label", { for: id }, option.name);
    const title = `Reset ${option.name} to ${inWords(option.default)}`;
    this.reset = make("button", { type: "button", class: "reset", title, "aria-label": title, onclick: () => this.#reset() }, "↺");
    const inputs = make("div", { class: "inputs" }, ...editor.inputs, this.reset);
    const about = make("p", { class: "about", id: `${id}-about` }, [option.description, range].filter(Boolean).join(" · "));
    this.element = make("div", { class: `field ${option.kind === "true or false" ? "short" : ""}` }, label, inputs, about, this.refused);
  }

  #reset() {
    this.refuse("");
    this.change(this, undefined);
    this.focus();
  }

  show(options) {
    const isSet = Object.hasOwn(options, this.name);
    this.reset.style.visibility = (isSet || !this.refused.hidden) && this.hasDefault ? "visible" : "hidden";
    this.write(isSet ? options[this.name] : this.option.default);
  }

  put(options, value) {
    const { [this.name]: _, ...others } = options;
    return value === undefined ? others : { ...others, [this.name]: value };
  }
}

/** The field of all options of a library that declares none. */
export class Whole extends Base {
  hasDefault = true; // none of them

  constructor(id, change) {
    const editor = json({ least: 3 });
    const { read } = editor;
    editor.read = () => {
      const value = read();
      if (value === null || Array.isArray(value) || (value !== undefined && typeof value !== "object")) throw new Error('Options are a JSON object: {"size": 640}.');
      return value;
    };
    super(id, editor, change, `${id}-about`);
    this.name = "";
    const label = make("label", { for: id, class: "offscreen" }, "Options as JSON");
    const about = make("p", { class: "about", id: `${id}-about` }, "A JSON object. Nothing is known of these options: the library does not declare them, or is not loaded.");
    this.element = make("div", { class: "field whole" }, label, ...editor.inputs, about, this.refused);
  }

  show(options) {
    this.write(options);
  }

  put(_, value) {
    return value === undefined ? {} : value;
  }
}
