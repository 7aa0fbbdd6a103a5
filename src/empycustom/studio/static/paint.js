/** Draws a frame and what its document says about it: masks, zones, trails, boxes, key points, labels, in this order. */
import { boxOf, colourOf, labelOf, objectsOf, percent, rotationOf, trackOf, zonesOf } from "./scene.js";
import { maskPicture, polygonsOf } from "./masks.js";

const DARK = "rgb(10 14 20 / 0.6)"; // below lines, so that they are seen on any picture
const INK = "#0b1016"; // of labels, on the colours of scene.js
const SURE = 0.3; // key points below it are not drawn
const MANY = 250; // of more objects lines are thinner
const NARROW = 560; // in units: labels are brief in a smaller picture
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/; // text from right to left
const LONGEST = 60; // letters of a label
const MOST_MASK_PIXELS = 8e6; // of a frame

/**
 * Draw a FRAME and its bitmap.
 *
 * `view` says where: {scale, left, top} from pixels of the frame to those of the canvas, and `unit`, the pixels of the canvas that
 * lines and letters are measured in. `look` says what: {boxes, labels, keypoints, masks, zones, trails, by, hidden, hovered,
 * selected}; `trails` is a Map from tracks to points, or null.
 * Returns {labels: how many found no room, masks: how many are too large or cannot be read}.
 */
export function paint(context, frame, bitmap, view, look) {
  const { canvas } = context;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, view.left, view.top, frame.width * view.scale, frame.height * view.scale);
  const shown = visible(frame, view, look, canvas);
  const left = { labels: 0, masks: 0 };
  const pen = { context, view, look, thin: shown.length > MANY };
  if (look.masks) left.masks = drawMasks(pen, shown);
  const zones = look.zones ? zonesOf(frame) : [];
  for (const zone of zones) drawLine(pen, zone.points, zone.colour, zone.isClosed);
  if (look.trails) drawTrails(pen, shown, look.trails);
  if (look.boxes) drawBoxes(pen, shown);
  drawMarked(pen, shown);
  if (look.keypoints) for (const each of shown) drawKeypoints(pen, each);
  if (look.labels)
    left.labels = drawLabels(pen, [
      ...zones.map((zone) => labelOfZone(pen, zone)),
      ...shown.map((each) => labelOfObject(pen, each)),
    ]);
  return left;
}

/** Return the objects to draw, as {object, box, rotation, colour, isHovered, isSelected}, box in pixels of the canvas. */
function visible(frame, { scale, left, top }, look, canvas) {
  const shown = [];
  for (const object of objectsOf(frame)) {
    const box = boxOf(object);
    if (!box || look.hidden.has(labelOf(object))) continue;
    const [x, y, width, height] = [box[0] * scale + left, box[1] * scale + top, box[2] * scale, box[3] * scale];
    const reach = Math.hypot(width, height);
    if (x > canvas.width + reach || y > canvas.height + reach || x + width < -reach || y + height < -reach) continue;
    const marks = { isHovered: object === look.hovered, isSelected: object === look.selected };
    shown.push({ object, box: [x, y, width, height], rotation: rotationOf(object), colour: colourOf(object, look.by), ...marks });
  }
  return shown;
}

/** Return the corners of a box that is turned clockwise about its centre. */
function cornersOf([left, top, width, height], rotation) {
  const [x, y] = [left + width / 2, top + height / 2];
  const [cos, sin] = [Math.cos(rotation), Math.sin(rotation)];
  return [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ].map(([a, b]) => {
    const [dx, dy] = [(a * width) / 2, (b * height) / 2];
    return [x + dx * cos - dy * sin, y + dx * sin + dy * cos];
  });
}

function outline(path, { box, rotation }) {
  if (!rotation) {
    path.rect(...box);
    return;
  }
  cornersOf(box, rotation).forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
}

function stroke(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

function drawBoxes({ context, view: { unit }, thin }, shown) {
  const all = new Path2D();
  const byColour = new Map();
  for (const each of shown) {
    if (!byColour.has(each.colour)) byColour.set(each.colour, new Path2D());
    outline(byColour.get(each.colour), each);
    if (!thin) outline(all, each);
  }
  context.lineJoin = "miter";
  stroke(context, all, DARK, 4 * unit);
  for (const [colour, path] of byColour) stroke(context, path, colour, (thin ? 1.25 : 2) * unit);
}

/** Draw the objects that are pointed at and selected once more: they are in front, whether or not boxes are drawn. */
function drawMarked({ context, view: { unit } }, shown) {
  for (const each of shown) {
    if (!each.isHovered && !each.isSelected) continue;
    const path = new Path2D();
    outline(path, each);
    stroke(context, path, DARK, 8 * unit);
    stroke(context, path, "#ffffff", 5.5 * unit);
    stroke(context, path, each.colour, 2.5 * unit);
    if (!each.isSelected) continue;
    context.globalAlpha = 0.14;
    context.fillStyle = "#ffffff";
    context.fill(path);
    context.globalAlpha = 1;
  }
}

/** Draw where tracked objects came from. */
function drawTrails(pen, shown, trails) {
  for (const { object, colour } of shown) {
    const points = trails.get(trackOf(object));
    if (points?.length > 1) drawLine(pen, points, colour, false);
  }
}

/** Draw a line through points of the frame. */
function drawLine({ context, view: { scale, left, top, unit } }, points, colour, isClosed) {
  const path = new Path2D();
  for (const [x, y] of points) path.lineTo(x * scale + left, y * scale + top);
  if (isClosed) path.closePath();
  context.lineJoin = "round";
  context.lineCap = "round";
  stroke(context, path, DARK, 3.5 * unit);
  stroke(context, path, colour, 1.75 * unit);
}

function drawMasks({ context, view }, shown) {
  let left = MOST_MASK_PIXELS;
  let skipped = 0;
  context.imageSmoothingEnabled = false;
  for (const { object, box, colour } of shown) {
    if (!object.mask) continue;
    const polygons = polygonsOf(object.mask);
    if (polygons) {
      fillPolygons(context, view, polygons, colour);
      continue;
    }
    const [height, width] = object.mask.size ?? [];
    const picture = height * width <= left ? maskPicture(object.mask, colour) : null;
    if (!picture) {
      skipped += 1;
      continue;
    }
    left -= height * width;
    context.globalAlpha = 0.45;
    context.drawImage(picture, 0, 0, width, height, ...box);
    context.globalAlpha = 1;
  }
  context.imageSmoothingEnabled = true;
  return skipped;
}

function fillPolygons(context, { scale, left, top, unit }, polygons, colour) {
  const path = new Path2D();
  for (const points of polygons) {
    points.forEach(([x, y], at) =>
      at ? path.lineTo(x * scale + left, y * scale + top) : path.moveTo(x * scale + left, y * scale + top),
    );
    path.closePath();
  }
  context.globalAlpha = 0.45;
  context.fillStyle = colour;
  context.fill(path, "evenodd");
  context.globalAlpha = 1;
  stroke(context, path, colour, unit);
}

function drawKeypoints({ context, view: { scale, left, top, unit } }, { object, box, colour }) {
  const flat = object.keypoints;
  if (!Array.isArray(flat) || flat.length < 3) return;
  const points = [];
  for (let at = 0; at + 2 < flat.length; at += 3) {
    const [x, y, sure] = [flat[at], flat[at + 1], flat[at + 2]];
    points.push(Number.isFinite(x) && Number.isFinite(y) && sure >= SURE ? [x * scale + left, y * scale + top] : null);
  }
  const size = Math.max(box[2], box[3]) / 60;
  const bones = new Path2D();
  for (const [a, b] of Array.isArray(object.skeleton) ? object.skeleton : []) {
    if (!points[a] || !points[b]) continue;
    bones.moveTo(...points[a]);
    bones.lineTo(...points[b]);
  }
  const thin = Math.min(Math.max(size, 0.6 * unit), 2 * unit);
  context.lineCap = "round";
  stroke(context, bones, DARK, thin + 2 * unit);
  stroke(context, bones, colour, thin);
  const dots = new Path2D();
  const radius = Math.min(Math.max(size * 1.4, 1.2 * unit), 3.2 * unit);
  for (const point of points) {
    if (!point) continue;
    dots.moveTo(point[0] + radius, point[1]);
    dots.arc(...point, radius, 0, 2 * Math.PI);
  }
  stroke(context, dots, DARK, 1.5 * unit);
  context.fillStyle = "#ffffff";
  context.fill(dots);
}

/** Return what is written at an object: its label, what classifiers say, its track and, unless it has to be brief, its confidence. */
export function captionOf(object, isBrief = false) {
  const track = trackOf(object);
  const classes = (Array.isArray(object.classifier) ? object.classifier : []).flatMap((each) =>
    (Array.isArray(each?.label_info) ? each.label_info : []).map((label) => label?.result_label),
  );
  const said = [labelOf(object), ...classes].filter((word) => typeof word === "string" && word !== "").join(" ");
  const short = said.length > LONGEST ? `${said.slice(0, LONGEST - 1)}…` : said;
  const isolated = TURNS.test(short) ? `\u2068${short}\u2069` : short; // so that numbers stay behind it
  return [isolated, track === null ? "" : `#${track}`, isBrief ? "" : percent(object.confidence)].filter(Boolean).join(" ");
}

const widths = new Map(); // "font text": width

function widthOf(context, text) {
  const key = `${context.font} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 5000) widths.clear();
    width = context.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

function labelOfObject({ context, view: { unit } }, { object, box, rotation, colour, isHovered, isSelected }) {
  const corners = rotation
    ? cornersOf(box, rotation)
    : [
        [box[0], box[1]],
        [box[0] + box[2], box[1] + box[3]],
      ];
  const [across, down] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  const sides = [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)];
  return { text: captionOf(object, context.canvas.width < NARROW * unit), sides, colour, isFirst: isHovered || isSelected };
}

function labelOfZone({ view: { scale, left, top } }, { caption, colour, points }) {
  const [x, y] = points.reduce((best, point) => (point[1] < best[1] ? point : best));
  const place = [x * scale + left, y * scale + top];
  return { text: caption, sides: [...place, ...place], colour, isFirst: true };
}

/** Write labels beside their boxes; one that would cover another at all places is left out. Returns how many were. */
function drawLabels({ context, view: { unit } }, labels) {
  context.font = `600 ${Math.round(11.5 * unit)}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const rows = new Map(); // row: [[from, to, top], …] of the labels in it
  const height = Math.round(17 * unit);
  let skipped = 0;
  for (const { text, sides, colour, isFirst } of labels.sort((a, b) => b.isFirst - a.isFirst)) {
    const width = Math.ceil(widthOf(context, text) + 9 * unit);
    const places = placesOf(sides, width, height, context.canvas, unit);
    const place = places.find((each) => !isCovered(rows, each, width, height)) ?? (isFirst ? places[0] : null);
    if (!place) {
      skipped += 1;
      continue;
    }
    const [x, y] = place;
    take(rows, place, width, height);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x, y, width, height, 3 * unit);
    context.fill();
    context.fillStyle = INK;
    context.fillText(text, x + 4.5 * unit, y + height / 2 + 0.5 * unit);
  }
  return skipped;
}

/** Return where a label may be, the best first: above its box, to the left or to the right, below, inside. */
function placesOf([left, top, right, bottom], width, height, canvas, unit) {
  const [above, below, inside] = [top - height - unit, bottom + unit, top + 2 * unit];
  const far = right - width + unit;
  const near = left - unit;
  const wanted = [
    [near, above],
    [far, above],
    [near, below],
    [far, below],
    [near, inside],
  ];
  const fitting = wanted.filter(([, y]) => y >= 0 && y + height <= canvas.height);
  const across = (x) => Math.round(Math.min(Math.max(x, 0), Math.max(canvas.width - width, 0)));
  return (fitting.length ? fitting : [[near, Math.max(inside, 0)]]).map(([x, y]) => [across(x), Math.round(y)]);
}

function isCovered(rows, [x, y], width, height) {
  const row = Math.floor(y / height);
  for (const near of [row - 1, row, row + 1]) {
    for (const [from, to, at] of rows.get(near) ?? []) {
      const across = Math.min(to, x + width) - Math.max(from, x);
      if (across > Math.min(width, to - from) * 0.15 && Math.abs(at - y) < height * 0.8) return true;
    }
  }
  return false;
}

function take(rows, [x, y], width, height) {
  const row = Math.floor(y / height);
  if (!rows.has(row)) rows.set(row, []);
  rows.get(row).push([x, x + width, y]);
}
