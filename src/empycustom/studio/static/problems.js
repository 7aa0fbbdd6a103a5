// What is wrong now, in the libraries and in the streams: each problem with its place in the file, until it is gone.

import { icon, make, setText } from "./dom.js";
import { count } from "./parts.js";
import { numberOf } from "./scene.js";

const LOGGED = 10; // news for screen readers
const LATELY = 5; // seconds
const ARRIVES = 5000; // ms in which the picture of a frame comes, before or after its problem

export class Problems {
  #cards = new Map(); // stream, library and id of a problem -> its Problem
  #hasErrors = false;

  constructor(store) {
    this.store = store;
    this.list = make("div");
    this.said = make("div", { class: "offscreen", role: "log", "aria-label": "News of problems" });
    this.element = make("section", { id: "problems", "aria-label": "Problems" }, this.list, this.said);
  }

  /** Show the problems of all streams, those of the shown one first. */
  show(streams, shown) {
    const ordered = [...streams].sort((one, other) => (other.name === shown) - (one.name === shown));
    const old = this.#cards;
    const fresh = [];
    const all = ordered.flatMap((stream) => problemsOf(stream, streams.length > 1));
    this.#cards = new Map();
    for (const { key, problem, about, stream } of all) {
      let card = old.get(key);
      if (!card) fresh.push(problem);
      card ??= new Problem(this.store, stream, problem.id);
      old.delete(key);
      this.#cards.set(key, card);
      card.show(problem, about);
    }
    for (const card of old.values()) card.element.remove();
    [...this.#cards.values()].forEach(({ element }, index) => {
      if (this.list.children[index] !== element) this.list.insertBefore(element, this.list.children[index] ?? null);
    });
    this.element.classList.toggle("none", !this.#cards.size);
    this.#tell(fresh, all.some(({ problem }) => problem.kind === "error"));
  }

  /** Tell screen readers what is new, and when the last error is gone. */
  #tell(fresh, hasErrors) {
    const news = fresh.map((problem) => `${problem.kind}: ${problem.text}`);
    if (this.#hasErrors && !hasErrors) news.push("There are no errors any more.");
    this.#hasErrors = hasErrors;
    this.said.append(...news.map((text) => make("p", {}, text)));
    while (this.said.children.length > LOGGED) this.said.firstChild.remove();
  }
}

/** The problems of a stream and of its libraries, the newest first, and what each is about, in words. */
function problemsOf(stream, hasOthers) {
  const where = hasOthers ? `${stream.name}: ` : "";
  const own = (stream.problems ?? []).toReversed().map((problem) => ({ key: JSON.stringify([stream.name, problem.id]), problem, about: where + "stream" }));
  const ofLibraries = (stream.libraries ?? []).flatMap((library) =>
    (library.problems ?? []).toReversed().map((problem) => ({ key: JSON.stringify([stream.name, library.index, problem.id]), problem, about: where + what(library, problem) })),
  );
  return [...ofLibraries, ...own].map((each) => ({ ...each, stream: stream.name }));
}

function what({ name, errors, calls, failed_s: ago }, problem) {
  if (problem.new_version) return `${name} as it was saved last`;
  return ago > LATELY ? `${name}: ${errors} of ${count(calls, "call")} failed, the last ${count(ago, "second")} ago` : name;
}

class Problem {
  #around = "";
  #frame = null; // the frame that caused it, which is kept as long as its problem is there
  #since = performance.now();

  constructor(store, stream, id) {
    this.store = store;
    this.stream = stream;
    this.about = make("p", { class: "about" });
    const dismiss = () => store.dismiss(id);
    const away = make("button", { type: "button", class: "icon", "aria-label": "Dismiss this problem", title: "Dismiss", onclick: dismiss }, icon("close"));
    this.head = make("header", {}, this.about, away);
    this.text = make("p", { class: "sentence" });
    this.place = make("code");
    this.when = make("span", { class: "when" });
    this.around = make("pre", { class: "around", tabindex: "0", "aria-label": "The lines around" });
    this.traceback = make("pre", { tabindex: "0" });
    this.details = make("details", {}, make("summary", {}, "Traceback"), this.traceback);
    this.look = make("button", { type: "button", hidden: true, onclick: () => this.#look() }, "Show the frame");
    this.where = make("p", { class: "place" }, this.place, this.when, this.look);
    this.element = make("article", {}, this.head, this.text, this.where, this.around, this.details);
  }

  show(problem, about) {
    this.#find(problem.number);
    this.element.className = `problem ${problem.kind}`;
    setText(this.about, about);
    const place = problem.file ? problem.file + (problem.line ? `:${problem.line}` : "") : "";
    setText(this.text, problem.text.startsWith(`${place}: `) ? problem.text.slice(place.length + 2) : problem.text);
    setText(this.place, place);
    setText(this.when, problem.frame ?? "");
    this.where.hidden = !place && !problem.frame;
    setText(this.traceback, problem.traceback ?? "");
    this.details.hidden = !problem.traceback;
    this.around.hidden = !problem.around?.length;
    const around = JSON.stringify([problem.around, problem.line]);
    if (around === this.#around) return;
    this.#around = around;
    this.around.replaceChildren(...(problem.around ?? []).map(([number, text]) => line(number, text, number === problem.line)));
  }

  /** Keep the frame that caused the problem, if its picture came. Later ones may have its number again. */
  #find(number) {
    const isShown = this.store.stream === this.stream;
    if (isShown && Number.isInteger(number) && !this.#frame && performance.now() - this.#since < ARRIVES) {
      this.#frame = this.store.frames.findLast((each) => numberOf(each) === number) ?? null;
    }
    this.look.hidden = !isShown || !this.#frame;
  }

  #look() {
    this.store.show(this.#frame);
    document.getElementById("view").scrollIntoView({ block: "nearest" }); // on a small screen it is above
  }
}

function line(number, text, isFailing) {
  const place = make("span", { class: "number" }, String(number));
  const said = isFailing ? make("span", { class: "offscreen" }, "the line that failed: ") : null;
  return make("span", { class: isFailing ? "line failing" : "line" }, place, said, make("code", {}, `${text}\n`));
}
