// A chart of one or more lines, by uPlot, and charts together as a picture.

import { clock } from "./samples.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

export const HEIGHT = 132;
const FONT = "12px system-ui, sans-serif";
const AXIS = 26;
const STEPS = Array.from({ length: 36 }, (_, index) => index - 12).flatMap((power) => [1, 2, 5].map((each) => Number(`${each}e${power}`)));

/** Colours of the page for a canvas, which knows no variables. */
function colours(element) {
  const style = getComputedStyle(element);
  return { text: style.color, page: groundOf(element), grid: style.getPropertyValue("--plot-grid") || "rgb(128 128 128 / 25%)" };
}

function groundOf(element) {
  for (let each = element; each; each = each.parentElement) {
    const ground = getComputedStyle(each).backgroundColor;
    if (ground && ground !== "transparent" && ground !== "rgba(0, 0, 0, 0)") return ground;
  }
  return "white";
}

export class Chart {
  /** `view` has `samples`, `shownTime()`, `zoom(from, to)`, `follow()`, `point(index)`, `pick(index)`; see plots.js. */
  constructor(element, lines, view) {
    this.element = element;
    this.lines = lines;
    this.view = view;
    this.plot = new uPlot(this.#options(), this.#data(), element);
    this.plot.over.addEventListener("click", () => view.pick(this.plot.cursor.idx));
    this.plot.over.addEventListener("mouseleave", () => view.point(null));
  }

  #data() {
    return [this.view.samples.times, ...this.lines.map((line) => line.values)];
  }

  #options() {
    const { view } = this;
    const stroke = () => colours(this.element).text;
    const grid = { stroke: () => colours(this.element).grid, width: 1 };
    const axis = { stroke, font: FONT, grid, ticks: { ...grid, size: 4 } };
    const times = (_, splits) => splits.map((each) => (each < 0 ? "" : clock(each))); // goes on where a file begins anew
    return {
      width: Math.max(this.element.clientWidth, 50),
      height: HEIGHT,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      scales: { x: { time: false, auto: false }, y: { range: padded } },
      axes: [{ ...axis, values: times, size: AXIS, space: 70 }, { ...axis, size: 56, space: 19, incrs: () => this.#steps() }],
      series: [{}, ...this.lines.map((line) => ({ stroke: line.colour, width: 1.75, points: { size: 5, fill: line.colour } }))],
      cursor: {
        sync: { key: "plots", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        y: false,
        drag: { setScale: false, x: true, y: false },
        bind: { dblclick: () => () => view.follow() },
      },
      hooks: {
        draw: [() => this.#marks()],
        setCursor: [(plot) => plot.cursor.left >= 0 && view.point(plot.cursor.idx ?? null)],
        setSelect: [(plot) => this.#selected(plot)],
      },
    };
  }

  /** What lies between two lines of the grid: 1, 2, 5, 10 …, and parts of one only where there are parts of one. */
  #steps() {
    const isWhole = this.lines.every((line) => line.values.every((value) => value === null || Number.isInteger(value)));
    return STEPS.filter((step) => !isWhole || step >= 1);
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, "x");
    const to = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.view.zoom(from, to);
  }

  /** Draw where the video begins anew, and the shown frame. */
  #marks() {
    const { ctx, bbox, scales } = this.plot;
    const line = (time, dash, width, stroke) => {
      if (time === null || time < scales.x.min || time > scales.x.max) return;
      const x = Math.round(this.plot.valToPos(time, "x", true)) + 0.5;
      ctx.save();
      ctx.beginPath();
      ctx.setLineDash(dash);
      ctx.lineWidth = width * devicePixelRatio;
      ctx.strokeStyle = stroke;
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    };
    const { text } = colours(this.element);
    for (const { at } of this.view.samples.beginnings) line(at, [3 * devicePixelRatio, 3 * devicePixelRatio], 1, text);
    line(this.view.shownTime(), [], 1.5, text);
  }

  draw(from, to) {
    this.plot.batch(() => {
      this.plot.setData(this.#data(), false);
      this.plot.setScale("x", { min: from, max: to });
    });
  }

  resize() {
    const width = this.element.clientWidth;
    if (width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  destroy() {
    this.plot.destroy();
  }
}

/** The scale of numbers: with some room, and some height where they are all the same. */
function padded(_, low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.08 || (Number.isInteger(high) ? 1 : Math.abs(high) * 0.1);
  return [low - room, high + room];
}

/** Return a PNG with all charts, one below the other, each with its legend; `legend(line)` says what. */
export function picture(element, drawn, title, legend) {
  const scale = devicePixelRatio;
  const { text, page } = colours(element);
  const line = 20 * scale;
  const heights = drawn.map((chart) => chart.lines.length * line + chart.plot.ctx.canvas.height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(...drawn.map((chart) => chart.plot.ctx.canvas.width)) + 24 * scale;
  canvas.height = heights.reduce((sum, height) => sum + height + 12 * scale, line + 16 * scale);
  const ctx = canvas.getContext("2d");
  const write = (words, x, y) => ctx.fillText(words, x, y + line / 2, canvas.width - x - 8 * scale);
  ctx.fillStyle = page;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.textBaseline = "middle";
  ctx.font = `600 ${13 * scale}px system-ui, sans-serif`;
  ctx.fillStyle = text;
  write(title, 12 * scale, 6 * scale);
  ctx.font = `${12 * scale}px system-ui, sans-serif`;
  let y = line + 12 * scale;
  for (const chart of drawn) {
    for (const each of chart.lines) {
      ctx.fillStyle = each.colour;
      ctx.fillRect(12 * scale, y + line / 2 - 1.5 * scale, 16 * scale, 3 * scale);
      ctx.fillStyle = text;
      write(legend(each), 36 * scale, y);
      y += line;
    }
    ctx.drawImage(chart.plot.ctx.canvas, 12 * scale, y);
    y += chart.plot.ctx.canvas.height + 12 * scale;
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
