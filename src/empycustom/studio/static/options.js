// The options of a library as a form that takes effect at once.

import { make, setText } from "./dom.js";
import { Field, Whole } from "./fields.js";

const SETTLING = 500; // ms after which what the program tells must know what it was told

export class Options {
  #fields = [];
  #declared = null; // what the fields were made of, as text
  #library = null; // whose options are shown, with what was set here
  #newest = null; // as the program has told it last
  #edits = new Map(); // field -> value, undefined: its default
  #isSending = false;
  #settled = 0;
  #timer = null;

  /** `set(options, edits)` sets all of them; `edits` has those that are changed. Its promise is rejected with an Error, a sentence. */
  constructor(id, set) {
    this.id = id;
    this.set = set;
    this.list = make("div", { class: "fields" });
    this.reset = make("button", { type: "button", onclick: () => this.#resetAll() }, "Reset all");
    const head = make("div", { class: "head" }, make("h4", {}, "Options"), this.reset);
    this.element = make("form", { class: "options", onsubmit: (event) => event.preventDefault() }, head, this.list);
  }

  /**
   * Show the options as the program has them, of `{options, declared}`; what somebody is changing here stays. What the program tells
   * soon after it was told something may be from before.
   */
  show(library) {
    this.#newest = library;
    const wait = this.#isSending ? SETTLING : this.#settled - performance.now();
    if (this.#library && wait > 0) {
      this.#timer ??= setTimeout(() => ((this.#timer = null), this.show(this.#newest)), wait);
      return;
    }
    this.#library = library;
    const declared = JSON.stringify(library.declared);
    if (declared !== this.#declared) this.#make(library.declared, declared);
    this.#draw();
  }

  #draw() {
    const options = this.#library.options ?? {};
    this.reset.hidden = !Object.keys(options).length;
    for (const field of this.#fields) if (!this.#edits.has(field)) field.show(options);
  }

  #make(declared, text) {
    const focused = this.#fields.find((field) => field.element.contains(document.activeElement))?.name;
    this.#declared = text;
    this.#edits.clear();
    const change = (field, value) => this.#change(field, value);
    this.#fields = declared ? declared.map((option, index) => new Field(option, `${this.id}-${index}`, change)) : [new Whole(`${this.id}-all`, change)];
    this.list.replaceChildren(...this.#fields.map((field) => field.element));
    if (declared && !declared.length) this.list.append(make("p", { class: "empty" }, "It declares that it has none."));
    if (focused !== undefined) this.#fields.find((field) => field.name === focused)?.focus();
  }

  #change(field, value) {
    this.#edits.set(field, value);
    this.#send();
  }

  #resetAll() {
    this.#edits.clear();
    for (const field of this.#fields.filter((each) => each.hasDefault)) {
      field.refuse("");
      this.#edits.set(field, undefined);
    }
    this.#send();
  }

  /** Set the options, one message at a time: what changes meanwhile goes with the next one. */
  async #send() {
    if (this.#isSending || !this.#edits.size) return;
    this.#isSending = true;
    const edits = this.#edits;
    this.#edits = new Map();
    let options = { ...this.#library.options };
    for (const [field, value] of edits) options = field.put(options, value);
    try {
      if (!isExact(options)) throw new Error("A whole number among these options has more digits than a browser can keep; set it on the command line.");
      await this.set(options, [...edits].map(([field, value]) => [field.name, value]));
      this.#library = { ...this.#library, options };
      for (const field of edits.keys()) field.refuse("");
    } catch (error) {
      this.#refuse([...edits.keys()], error.message);
    }
    this.#isSending = false;
    this.#settled = performance.now() + SETTLING;
    this.#draw();
    this.show(this.#newest);
    this.#send();
  }

  /** Show a refusal beside the field that it names; where it names none, beside those that were changed. */
  #refuse(fields, sentence) {
    const named = fields.filter((field) => field.name && new RegExp(`\\boption ${escaped(field.name)}\\b`).test(sentence));
    for (const field of named.length ? named : fields) field.refuse(sentence);
  }
}

const escaped = (text) => String(text ?? "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether all whole numbers in a value are those that were written: beyond 2^53 the last digits differ. */
function isExact(value) {
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  return value === null || typeof value !== "object" || Object.values(value).every(isExact);
}
