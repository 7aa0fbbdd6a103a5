/** Wires the parts of the page together: streams, tabs, keys, messages, the connection's banner. */
import { Connection } from "./connection.js";
import { icon, make, remembered, setText } from "./dom.js";
import { mount as mountLibraries } from "./libraries.js";
import { mount as mountObjects } from "./objects.js";
import { mount as mountPicture } from "./picture.js";
import { mount as mountPlots } from "./plots.js";
import { Store } from "./store.js";
import { mount as mountStrip } from "./strip.js";
import { mount as mountTree } from "./tree.js";

const $ = (id) => document.getElementById(id);
const store = new Store();
const connection = new Connection(store);

const picture = mountPicture({ stage: $("stage"), tools: $("tools") }, store);
const strip = mountStrip($("strip"), store, picture);
const objects = mountObjects($("objects"), store, picture);
mountTree($("document"), store, connection);
mountPlots($("plots"), store, connection);
mountLibraries($("libraries"), store, connection);

// Tabs of the panels.

const tabs = [...$("tabs").querySelectorAll("[role=tab]")];

function showPanel(name) {
  for (const tab of tabs) {
    const isShown = tab.dataset.panel === name;
    tab.setAttribute("aria-selected", isShown);
    tab.tabIndex = isShown ? 0 : -1;
    $(tab.dataset.panel).hidden = !isShown;
  }
  $(name).dispatchEvent(new Event("shown"));
  remembered.set("panel", name);
}

/** Let arrow keys move between the tabs of a tablist; `choose` gets the tab. */
function roving(list, choose) {
  list.addEventListener("keydown", (event) => {
    const all = [...list.querySelectorAll("[role=tab]")];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = all[(to + all.length) % all.length];
    choose(next);
    next.focus();
  });
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
}

roving($("tabs"), (tab) => showPanel(tab.dataset.panel));
const wasShown = remembered.get("panel", "objects");
showPanel(tabs.some((tab) => tab.dataset.panel === wasShown) ? wasShown : "objects");
store.addEventListener("plot", () => showPanel("plots"));
store.addEventListener("select", () => store.selected && showPanel("objects"));

// Streams, and what the shown one does.

const STATES = { starting: "Starting", dropping: "No frames", playing: "Playing", reconnecting: "Reconnecting", waiting: "Waiting", ended: "Ended" };

roving($("streams"), (tab) => store.watch(tab.dataset.stream));

function drawStreams() {
  const list = $("streams");
  const { streams } = store;
  list.hidden = streams.length < 2; // of one alone #status says all
  const names = streams.map((each) => each.name);
  const shown = [...list.children].map((tab) => tab.dataset.stream);
  if (names.join("\n") !== shown.join("\n")) {
    list.replaceChildren(
      ...names.map((name) => {
        const tab = make(
          "button",
          { role: "tab", "data-stream": name, "aria-controls": "view" },
          make("i", { class: "dot" }),
          name,
        );
        return tab;
      }),
    );
  }
  streams.forEach((each, index) => {
    const tab = list.children[index];
    const isShown = each.name === store.stream;
    tab.setAttribute("aria-selected", isShown);
    tab.tabIndex = isShown ? 0 : -1;
    tab.dataset.state = each.state;
    tab.title = [STATES[each.state] ?? each.state, each.text].filter(Boolean).join(": ");
    tab.setAttribute("aria-description", tab.title);
  });
}

function drawStatus() {
  const { current, connected, isLive, link } = store;
  let [kind, text] = ["", ""];
  if (link.state === "connecting") [kind, text] = ["wait", "Connecting"];
  else if (!connected) [kind, text] = ["bad", "Not connected"];
  else if (!isLive) [kind, text] = ["stop", "Stopped"];
  else if (!current) [kind, text] = ["wait", "Waiting"];
  else if (current.state === "playing") [kind, text] = ["live", "Live"];
  else [kind, text] = [current.state === "ended" ? "stop" : "wait", STATES[current.state] ?? current.state];
  const status = $("status");
  status.dataset.kind = kind;
  setText(status, text);
  const rate = Number.isFinite(current?.rate) ? `${current.rate.toFixed(1)} frames a second` : "";
  status.title = connected && current ? [`${current.frames} frames`, rate].filter(Boolean).join(", ") : "";
  $("rate").hidden = kind !== "live" || !rate;
  setText($("rate"), rate ? `${current.rate.toFixed(1)}/s` : "");
  $("rate").title = rate;
}

function drawProblems() {
  const ofLibraries = (store.current?.libraries ?? []).flatMap((each) => each.problems);
  const problems = [...(store.current?.problems ?? []), ...ofLibraries];
  const errors = problems.filter((each) => each.kind === "error");
  const badge = $("tab-libraries").querySelector(".badge");
  setText(badge, problems.length ? String(problems.length) : "");
  badge.dataset.kind = errors.length ? "error" : "warning";
  $("tab-libraries").setAttribute(
    "aria-description",
    problems.length ? `${problems.length} ${problems.length === 1 ? "problem" : "problems"}` : "",
  );
  const alarm = $("alarm");
  const shown = errors.at(-1) ?? ofLibraries.at(-1); // a warning of the stream is on the panel of libraries alone
  alarm.hidden = !shown;
  if (!shown || alarm.dataset.id === `${shown.id} ${shown.text}`) return;
  alarm.dataset.id = `${shown.id} ${shown.text}`;
  const start = `${shown.file}:${shown.line}`; // the place is written before it
  const text = shown.file && shown.text.startsWith(start) ? shown.text.slice(start.length).replace(/^:?\s+/, "") : shown.text;
  const place = shown.file ? `${shown.file.split("/").at(-1)}${shown.line ? `:${shown.line}` : ""}` : "";
  alarm.dataset.kind = shown.kind;
  alarm.replaceChildren(
    icon("alert"),
    make("p", { role: "alert" }, place ? make("code", {}, place) : null, text),
    make("button", { onclick: () => showPanel("libraries") }, "Show"),
  );
}

function drawLink() {
  const { state, text } = store.link;
  const isBad = state === "lost" || state === "refused";
  $("banner").hidden = !isBad;
  if (isBad) setText($("banner").querySelector("p"), text);
  document.body.dataset.link = state;
  setText($("command"), store.command);
  $("command").title = store.command;
  document.title = store.stream ? `${store.stream} - empycustom studio` : "empycustom studio";
}

$("retry").addEventListener("click", () => connection.retry());
for (const name of ["connection", "state", "stream", "live"]) {
  store.addEventListener(name, () => {
    drawStreams();
    drawStatus();
    drawProblems();
    drawLink();
  });
}

// Messages.

store.addEventListener("message", ({ detail: { text, kind } }) => {
  const toast = make("div", { class: `toast ${kind}` }, make("p", {}, text));
  const close = make(
    "button",
    { class: "icon", "aria-label": "Close this message", onclick: () => toast.remove() },
    icon("close"),
  );
  toast.append(close);
  $("toasts").append(toast);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => toast.remove(), kind === "error" ? 15_000 : 5_000);
});

// The width of the panels.

const LEAST_WIDTH = 280; // pixels
const MOST_WIDTH = 0.7; // of the page
const root = document.documentElement;
let width = remembered.get("width", null);

function setWidth(pixels) {
  width = Math.round(Math.min(Math.max(pixels, LEAST_WIDTH), innerWidth * MOST_WIDTH));
  root.style.setProperty("--side", `${width}px`);
  remembered.set("width", width);
}

/** Tell screen readers how wide the panels are. */
function tellWidth() {
  const values = { now: $("side").offsetWidth, min: LEAST_WIDTH, max: Math.round(innerWidth * MOST_WIDTH) };
  for (const [name, value] of Object.entries(values)) $("divider").setAttribute(`aria-value${name}`, value);
}

new ResizeObserver(tellWidth).observe($("side"));

if (typeof width === "number") setWidth(width);
$("divider").addEventListener("pointerdown", (event) => {
  event.preventDefault();
  $("divider").setPointerCapture(event.pointerId);
});
$("divider").addEventListener("pointermove", (event) => {
  if ($("divider").hasPointerCapture(event.pointerId)) setWidth(innerWidth - event.clientX);
});
$("divider").addEventListener("dblclick", () => setWidth(400));
$("divider").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: 24, ArrowRight: -24 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  setWidth($("side").offsetWidth + by);
});

// Keys.

const KEYS = [
  [[" "], "Space", "stop, and go on live", () => strip.toggle()],
  [["ArrowLeft"], "←", "one frame back", () => store.step(-1)],
  [["ArrowRight"], "→", "one frame on", () => store.step(1)],
  [["Home"], "Home", "the oldest frame that is kept", () => store.step(-Infinity)],
  [["End"], "End", "go on live", () => store.goLive()],
  [["n"], "n", "the next object", () => objects.move(1)],
  [["p"], "p", "the object before", () => objects.move(-1)],
  [["b"], "b", "boxes", () => picture.toggle("boxes")],
  [["l"], "l", "labels", () => picture.toggle("labels")],
  [["k"], "k", "key points", () => picture.toggle("keypoints")],
  [["m"], "m", "masks", () => picture.toggle("masks")],
  [["t"], "t", "trails of tracked objects", () => picture.toggle("trails")],
  [["z"], "z", "zones", () => picture.toggle("zones")],
  [["a"], "a", "attributes of the frame", () => picture.toggle("attributes")],
  [["c"], "c", "colours by class, or by track", () => picture.toggle("byTrack")],
  [["+", "="], "+", "larger", () => picture.zoom(1.5)],
  [["-"], "−", "smaller", () => picture.zoom(1 / 1.5)],
  [["0"], "0", "the whole picture", () => picture.fit()],
  [["f"], "f", "full screen", () => picture.fullScreen()],
  [["s"], "s", "save the picture", () => strip.savePicture(true)],
  [["1"], "1 … 4", "objects, document, plots, libraries", () => showPanel("objects")],
  [["2"], "", "", () => showPanel("document")],
  [["3"], "", "", () => showPanel("plots")],
  [["4"], "", "", () => showPanel("libraries")],
  [["?"], "?", "these keys", () => $("keys").showModal()],
  [["Escape"], "Esc", "close, or select nothing", () => store.select(null)],
];

for (const [, shown, meaning] of KEYS) {
  if (shown)
    $("keys")
      .querySelector("dl")
      .append(make("div", {}, make("dt", {}, make("kbd", {}, shown)), make("dd", {}, meaning)));
}
$("help").addEventListener("click", () => $("keys").showModal());
$("keys").addEventListener("click", (event) => event.target === $("keys") && $("keys").close());

/** Whether a key belongs to what has the focus: text that is written, or a control that uses it itself. */
function isTaken(event) {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return true;
  // A dialog that was closed has the focus for a moment.
  if (at.closest("input, select, textarea, [contenteditable], dialog[open]")) return true;
  if (event.key === " " && at.closest("button, a, summary, [role=treeitem], [role=option]")) return true;
  return /^(Arrow|Home|End)/.test(event.key) && at.closest("[role=tree], [role=listbox], [role=menu]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || isTaken(event)) return;
  const row = KEYS.find(([keys]) => keys.includes(event.key));
  if (!row) return;
  event.preventDefault();
  row[3]();
});

connection.open();
