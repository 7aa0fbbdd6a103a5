/** What a document says about the objects of its frame: labels, tracks, boxes, colours, and which one is at a point. */

const NO_TRACK = 2 ** 63; // DeepStream's number of an object without a track is 2^64 - 1

// Light enough for dark letters, in an order in which neighbours differ most.
const COLOURS = [
  "#5bb8ff",
  "#ffb340",
  "#4fd694",
  "#ff8fb8",
  "#e3d84a",
  "#b99cff",
  "#ff8a6b",
  "#3fd6d0",
  "#a9d84a",
  "#f08fe8",
  "#8fb0ff",
  "#e8b98a",
  "#7fe06a",
  "#ff9d9d",
  "#58c6e8",
  "#d2b8ff",
];

/** Return the number of a frame by which documents and errors name it; where it has none, that of its picture. */
export const numberOf = (frame) => frame.document?.frame?.[0]?.frame_num ?? frame.number;

/** Return the objects of a FRAME. */
export function objectsOf(frame) {
  const objects = frame?.document?.frame?.[0]?.object;
  return Array.isArray(objects) ? objects : [];
}

export function labelOf(object) {
  if (typeof object.obj_label === "string" && object.obj_label !== "") return object.obj_label;
  return object.class_id >= 0 ? `class ${object.class_id}` : "object";
}

/** Return the number that a tracker gave to an object, or null. */
export function trackOf(object) {
  const id = object.object_id;
  return typeof id === "number" && id >= 0 && id < NO_TRACK ? id : null;
}

/** Return the box of an object as [left, top, width, height] in pixels of the frame, or null. */
export function boxOf(object) {
  const rect = object.rect_params;
  const box = [rect?.left, rect?.top, rect?.width, rect?.height];
  return box.every(Number.isFinite) ? box : null;
}

export function rotationOf(object) {
  return Number.isFinite(object.rotation) ? object.rotation : 0;
}

/** Return a number from 0 to 1 as a percentage, or "": 1 is what objects have of which nobody said how sure it is. */
export function percent(confidence) {
  return Number.isFinite(confidence) && confidence !== 1 ? `${Math.round(confidence * 100)} %` : "";
}

/** Return the smallest object whose box is at a point; `slack` is how far beside a box counts as in it. */
export function objectAt(objects, x, y, slack) {
  let best = null;
  let bestArea = Infinity;
  for (const object of objects) {
    const box = boxOf(object);
    if (!box || !isInside(box, rotationOf(object), x, y, slack)) continue;
    const area = box[2] * box[3];
    if (area < bestArea) [best, bestArea] = [object, area];
  }
  return best;
}

function isInside([left, top, width, height], rotation, x, y, slack) {
  const [dx, dy] = [x - left - width / 2, y - top - height / 2];
  const [cos, sin] = [Math.cos(rotation), Math.sin(rotation)];
  const [across, down] = [dx * cos + dy * sin, dy * cos - dx * sin];
  return Math.abs(across) <= width / 2 + slack && Math.abs(down) <= height / 2 + slack;
}

/** Return the object among those of another frame that `object` has become, or null: by its track, else by label and place. */
export function sameObject(object, objects) {
  const track = trackOf(object);
  if (track !== null) return objects.find((each) => trackOf(each) === track) ?? null;
  const box = boxOf(object);
  let best = null;
  let bestOverlap = 0.3;
  for (const each of objects) {
    if (trackOf(each) !== null || labelOf(each) !== labelOf(object)) continue;
    const overlap = box ? overlapOf(box, boxOf(each)) : 0;
    if (overlap > bestOverlap) [best, bestOverlap] = [each, overlap];
  }
  return best;
}

function overlapOf(one, other) {
  if (!other) return 0;
  const width = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  return shared / (one[2] * one[3] + other[2] * other[3] - shared || 1);
}

/** Return the zones that empycustom.libs.zones says of a FRAME, as {points, isClosed, caption, colour}. */
export function zonesOf(frame) {
  const zones = frame?.document?.frame?.[0]?.emcustom?.zones;
  const isPoint = (each) => Array.isArray(each) && each.length === 2 && each.every(Number.isFinite);
  return (Array.isArray(zones) ? zones : [])
    .filter((zone) => Array.isArray(zone?.points) && zone.points.length > 1 && zone.points.every(isPoint))
    .map((zone, at) => {
      const isClosed = zone.kind !== "line";
      const counts = (isClosed ? ["inside"] : ["in", "out"]).filter((key) => key in zone).map((key) => `${key} ${zone[key]}`);
      const caption = [zone.name, ...counts].filter(Boolean).join(" ").slice(0, 80);
      return { points: zone.points, isClosed, caption, colour: COLOURS[(COLOURS.length - 1 - at) & 15] };
    });
}

const MOST_TRAILS = 200;
const TRAIL = 40; // frames

/** Return where the tracked objects of a frame were in the kept frames before it: a Map from tracks to points of their feet. */
export function trailsOf(frames, frame) {
  const trails = new Map();
  const last = frames.indexOf(frame);
  const objects = objectsOf(frame);
  if (last < 0 || objects.length > MOST_TRAILS) return trails;
  for (const object of objects) if (trackOf(object) !== null) trails.set(trackOf(object), []);
  let first = last;
  while (first > 0 && last - first < TRAIL && isBefore(frames[first - 1], frames[first])) first--;
  for (const each of frames.slice(first, last + 1)) {
    for (const object of objectsOf(each)) {
      const box = boxOf(object);
      if (box) trails.get(trackOf(object))?.push([box[0] + box[2] / 2, box[1] + box[3]]);
    }
  }
  return trails;
}

/** Whether a frame goes on from another one: a file that is played again begins anew, and so do tracks. */
function isBefore(one, other) {
  const [a, b] = [one, other].map((frame) => frame.document?.frame?.[0]?.buf_pts ?? -1);
  return a < 0 || b < 0 || a <= b;
}

/** Return attributes as lines [path, text], each value by its path, and lists by their length where they are long. */
export function linesOf(attributes, path = "") {
  if (attributes === undefined) return [];
  if (attributes !== null && typeof attributes === "object" && !Array.isArray(attributes)) {
    return Object.entries(attributes).flatMap(([key, inner]) => linesOf(inner, path ? `${path}.${key}` : key));
  }
  return [[path, shortOf(attributes)]];
}

function shortOf(value) {
  if (typeof value === "number") return String(+value.toPrecision(5));
  if (!Array.isArray(value)) return String(value).slice(0, 120);
  const isPlain = value.length <= 4 && value.every((each) => each === null || typeof each !== "object");
  return isPlain ? value.map(shortOf).join(", ") : `${value.length} entries`;
}

const taken = new Map(); // label: index of its colour

/** Return the colour of a class: the same in each run as long as labels are few. */
export function colourOfLabel(label) {
  let index = taken.get(label);
  if (index === undefined) {
    index = hash(label) % COLOURS.length;
    const used = new Set(taken.values());
    if (used.size < COLOURS.length) while (used.has(index)) index = (index + 1) % COLOURS.length;
    if (taken.size < 4096) taken.set(label, index);
  }
  return COLOURS[index];
}

/** Return the colour of an object by "class" or "track"; an object without a track has that of its class. */
export function colourOf(object, by) {
  const track = by === "track" ? trackOf(object) : null;
  return track === null ? colourOfLabel(labelOf(object)) : COLOURS[track % COLOURS.length];
}

function hash(text) {
  let value = 2166136261;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  return value >>> 0;
}
