/** The last frames: a bar for each, as high as it has objects; stop, step through, go on, save. */
import { icon, iconButton, make, saveAs, setText, throttled } from "./dom.js";
import { numberOf, objectsOf } from "./scene.js";

const SLOTS = 150; // as many as the store keeps
const THUMB = 76; // CSS pixels of a small picture while stopped

/** Make the strip; returns it. */
export function mount(element, store, picture) {
  return new Strip(element, store, picture);
}

/** Return the time of a frame in its video, as 1:02:03.45, or "". */
export function timeOf(frame) {
  const { stream_time: time, buf_pts: stamp } = frame.document?.frame?.[0] ?? {};
  const nanoseconds = time >= 0 ? time : stamp;
  if (!(nanoseconds >= 0)) return "";
  const seconds = nanoseconds / 1e9;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = (seconds % 60).toFixed(2).padStart(5, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

class Strip {
  constructor(element, store, picture) {
    this.store = store;
    this.picture = picture;
    this.canvas = make("canvas", {
      role: "slider",
      tabindex: "0",
      "aria-label": "Last frames",
      "aria-valuemin": "1",
      "aria-description": "Arrow keys step through the last frames",
    });
    this.small = make("canvas"); // the small pictures, drawn once
    this.preview = make("div", { class: "preview", hidden: true, "aria-hidden": "true" }, make("canvas"), make("span"));
    this.main = make("button", { class: "main", onclick: () => this.toggle() });
    this.where = make("p", { class: "where" });
    this.steps = [
      iconButton("first", "The oldest frame", "Home", () => store.step(-Infinity)),
      iconButton("back", "One frame back", "←", () => store.step(-1)),
      iconButton("next", "One frame on", "→", () => store.step(1)),
      iconButton("last", "The newest frame that is kept", "", () => store.step(Infinity)),
    ];
    element.append(
      make("div", { class: "controls" }, this.main, make("div", { class: "group" }, ...this.steps), this.where, this.#makeSave()),
      make("div", { class: "track" }, this.canvas, this.preview),
    );
    this.draw = throttled(() => this.#draw(), 30);
    this.#listen();
    new ResizeObserver(() => this.#again()).observe(this.canvas);
    this.#drawControls();
  }

  #listen() {
    const { store, canvas } = this;
    for (const name of ["frame", "stream"]) {
      store.addEventListener(name, () => {
        this.draw();
        this.#drawControls();
      });
    }
    store.addEventListener("live", () => {
      this.#drawControls();
      this.#again();
    });
    document.addEventListener("theme", () => this.draw());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#choose(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.#choose(event);
      else if (event.pointerType === "mouse") this.#look(event);
    });
    canvas.addEventListener("pointerleave", () => this.#look(null));
  }

  /** Stop, or go on. */
  toggle() {
    if (this.store.isLive) this.store.stop();
    else this.store.goLive();
  }

  // The controls.

  #drawControls() {
    const { store, main } = this;
    const { isLive, frame, frames } = store;
    if (main.dataset.live !== String(isLive)) {
      main.dataset.live = isLive;
      main.replaceChildren(icon(isLive ? "pause" : "play"), isLive ? "Stop" : "Live");
      main.title = isLive ? "Stop, to look at the last frames (Space)" : "Go on with the newest frame (Space)";
    }
    main.disabled = !frame;
    for (const button of [...this.steps, this.saveButton]) button.disabled = !frame;
    if (!frame) {
      setText(this.where, "");
      this.canvas.setAttribute("aria-valuenow", 1);
      this.canvas.setAttribute("aria-valuemax", 1);
      return;
    }
    const at = frames.indexOf(frame) + 1;
    const time = timeOf(frame);
    const name = `Frame ${numberOf(frame)}${time ? ` at ${time}` : ""}`;
    const among = at ? `, ${at} of the last ${frames.length}` : ", older than those of the strip";
    const place = isLive ? "" : `${among}. No new pictures are asked for.`;
    setText(this.where, name + place);
    this.canvas.setAttribute("aria-valuemax", frames.length);
    this.canvas.setAttribute("aria-valuenow", Math.max(at, 1));
    this.canvas.setAttribute("aria-valuetext", isLive ? "Live" : name);
  }

  // The bars.

  #frameAt(event) {
    const rect = this.canvas.getBoundingClientRect();
    const { frames } = this.store;
    const slot = Math.floor(((event.clientX - rect.left) / rect.width) * SLOTS) - (SLOTS - frames.length);
    return frames[Math.min(Math.max(slot, 0), frames.length - 1)] ?? null;
  }

  #choose(event) {
    this.#look(null);
    this.store.show(this.#frameAt(event));
  }

  #draw() {
    const { canvas, store } = this;
    const { frames, frame, isLive } = store;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const [bar, strong] = [style.getPropertyValue("--bar"), style.getPropertyValue("--accent")];
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!isLive && this.small.width === canvas.width) context.drawImage(this.small, 0, 0);
    const step = canvas.width / SLOTS;
    const counts = frames.map((each) => objectsOf(each).length);
    const most = Math.max(4, ...counts);
    const first = SLOTS - frames.length;
    const room = canvas.height * (isLive ? 1 : 0.42);
    frames.forEach((each, at) => {
      const height = Math.max(2, Math.round((counts[at] / most) * (room - 4)));
      context.fillStyle = each === frame ? strong : bar;
      const x = Math.round((first + at) * step);
      context.fillRect(x, canvas.height - height, Math.max(1, Math.round((first + at + 1) * step) - x - 1), height);
    });
    const shown = frames.indexOf(frame);
    if (isLive || shown < 0) return;
    const line = Math.max(2, Math.round(devicePixelRatio * 2));
    context.fillStyle = strong;
    context.fillRect(Math.round((first + shown + 0.5) * step - line / 2), 0, line, canvas.height);
  }

  /** Fit the canvas to its place, and draw the small pictures if the page is stopped. */
  #again() {
    const { canvas } = this;
    const unit = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * unit), Math.round(canvas.clientHeight * unit)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    this.draw.now();
    this.#drawSmall();
  }

  async #drawSmall() {
    const { canvas, store, small } = this;
    const round = (this.round = {});
    [small.width, small.height] = [canvas.width, canvas.height];
    if (store.isLive || !canvas.width) return;
    const context = small.getContext("2d");
    context.globalAlpha = 0.7;
    const unit = devicePixelRatio || 1;
    const from = Math.floor(((SLOTS - store.frames.length) / SLOTS) * canvas.width);
    const number = Math.ceil((canvas.width - from) / (THUMB * unit));
    const wide = (canvas.width - from) / number;
    for (let at = 0; at < number; at++) {
      const frame = store.frames[Math.floor(((at + 0.5) / number) * store.frames.length)];
      const picture = await smallPicture(frame, canvas.height);
      if (round !== this.round) return picture?.close();
      if (!picture) continue;
      const cut = Math.min(picture.width, wide);
      context.drawImage(
        picture,
        (picture.width - cut) / 2,
        0,
        cut,
        picture.height,
        from + at * wide,
        0,
        wide - unit,
        canvas.height,
      );
      picture.close();
      this.draw();
    }
  }

  // A small picture of the frame under the pointer.

  async #look(event) {
    const frame = event && this.#frameAt(event);
    this.looked = frame;
    this.preview.hidden = !frame;
    if (!frame) return;
    const [canvas, text] = this.preview.children;
    const rect = this.canvas.getBoundingClientRect();
    const half = this.preview.offsetWidth / 2;
    const x = Math.min(Math.max(event.clientX - rect.left, half), rect.width - half);
    this.preview.style.transform = `translateX(${Math.round(x - half)}px)`;
    setText(text, `${numberOf(frame)}${timeOf(frame) ? ` · ${timeOf(frame)}` : ""}`);
    if (this.isLooking) return;
    this.isLooking = true;
    const picture = await smallPicture(frame, 90 * (devicePixelRatio || 1));
    this.isLooking = false;
    if (picture) {
      [canvas.width, canvas.height] = [picture.width, picture.height];
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
    }
    if (this.looked && this.looked !== frame) this.#look(event);
  }

  // Saving.

  #makeSave() {
    const rows = [
      ["Picture with boxes", "PNG", () => this.savePicture(true)],
      ["Picture alone", "PNG", () => this.savePicture(false)],
      ["Document", "JSON", () => this.saveDocument()],
      ["Last seconds, without boxes", "video", () => this.saveClip()],
    ];
    const close = (isFocused) => {
      this.menu.hidden = true;
      this.saveButton.setAttribute("aria-expanded", "false");
      if (isFocused) this.saveButton.focus();
    };
    const items = rows.map(([label, kind, run]) =>
      make(
        "button",
        {
          role: "menuitem",
          tabindex: "-1",
          onclick: () => {
            close(true);
            run();
          },
        },
        label,
        make("small", {}, kind),
      ),
    );
    this.menu = make("div", { class: "menu", role: "menu", "aria-label": "Save", hidden: true }, ...items);
    this.saveButton = make(
      "button",
      { class: "save", "aria-haspopup": "menu", "aria-expanded": "false", title: "Save what is shown" },
      icon("save"),
      "Save",
    );
    this.saveButton.onclick = () => {
      if (!this.menu.hidden) return close(true);
      this.menu.hidden = false;
      this.saveButton.setAttribute("aria-expanded", "true");
      items[0].focus();
    };
    this.menu.addEventListener("keydown", (event) => {
      const at = items.indexOf(document.activeElement);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
      if (event.key === "Escape") close(true);
      else if (to !== undefined) items[(to + items.length) % items.length].focus();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const box = make("div", { class: "saving" }, this.saveButton, this.menu);
    box.addEventListener("focusout", (event) => !this.menu.hidden && !box.contains(event.relatedTarget) && close(false));
    return box;
  }

  async savePicture(hasBoxes) {
    const { frame } = this.store;
    if (!frame) return;
    try {
      saveAs(await this.picture.png(hasBoxes), `${nameOf(frame)}${hasBoxes ? "" : "-plain"}.png`);
    } catch (error) {
      this.store.tell(`The picture was not saved: ${error.message}`, "error");
    }
  }

  saveDocument() {
    const { frame } = this.store;
    const text = `${JSON.stringify(frame.document, null, 2)}\n`;
    saveAs(new Blob([text], { type: "application/json" }), `${nameOf(frame)}.json`);
  }

  /** Save the last seconds of the stream, which the program makes; what it says instead is shown. */
  async saveClip() {
    const { store } = this;
    const stream = store.stream;
    store.tell("The program makes a video of the last seconds.");
    try {
      const answer = await fetch(`/clip?stream=${encodeURIComponent(stream)}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(sentenceOf(await answer.text(), answer.status));
      const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
      saveAs(await answer.blob(), name ? decodeURIComponent(name) : `${stream}.mp4`);
    } catch (error) {
      const isAway = error instanceof TypeError; // what fetch says when nobody answers
      store.tell(isAway ? "No video was saved: the program does not answer." : `No video was saved: ${error.message}`, "error");
    }
  }
}

const nameOf = (frame) => `${frame.stream}-${numberOf(frame)}`;

/** Return what an answer says, if that is a sentence for people. */
function sentenceOf(text, status) {
  const isSentence = text && text.length < 1000 && !/^\s*[<{]/.test(text);
  return isSentence ? text : `the program answered ${status}`;
}

/** Return a bitmap of a frame, `height` pixels high, or null. */
async function smallPicture(frame, height) {
  try {
    const resizeHeight = Math.max(1, Math.round(height));
    const resizeWidth = Math.max(1, Math.round((resizeHeight * frame.width) / frame.height));
    return await createImageBitmap(frame.blob, { resizeHeight, resizeWidth, resizeQuality: "medium" });
  } catch {
    return null; // the picture itself says that it cannot be read
  }
}
