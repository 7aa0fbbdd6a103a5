/** Masks of objects: COCO's run-length encoding, as documents have it, and polygons. */

const scratch = document.createElement("canvas");

/** Return the polygons of a mask, each a list of [x, y], or null where the mask is not of polygons. */
export function polygonsOf(mask) {
  if (!Array.isArray(mask) || !mask.length) return null;
  const isPoint = (each) => Array.isArray(each) && each.length === 2 && each.every(Number.isFinite);
  if (mask.every(isPoint)) return [mask];
  return mask.every((each) => Array.isArray(each) && each.length > 2 && each.every(isPoint)) ? mask : null;
}

/** Return the lengths of the runs of {"size": [height, width], "counts": text or list}, or null where they do not fit. */
export function runsOf(mask) {
  const [height, width] = Array.isArray(mask?.size) ? mask.size : [];
  if (!(height > 0 && width > 0)) return null;
  const runs = typeof mask.counts === "string" ? expand(mask.counts) : Array.isArray(mask.counts) ? mask.counts : null;
  if (!runs?.every((run) => Number.isInteger(run) && run >= 0)) return null;
  return runs.reduce((sum, run) => sum + run, 0) === height * width ? runs : null;
}

/** Return the counts in COCO's text: five bits a letter, the lowest first, as the difference to the run before the last. */
function expand(text) {
  const counts = [];
  let [value, shift] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const letter = text.charCodeAt(at) - 48;
    if (letter < 0 || letter > 63 || shift > 30) return null;
    value += (letter & 31) * 2 ** shift;
    shift += 5;
    if (letter & 32) continue;
    if (letter & 16) value -= 2 ** shift;
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
    [value, shift] = [0, 0];
  }
  return shift ? null : counts;
}

/** Return the part of a mask that is covered, from 0 to 1, or null. */
export function coverOf(mask) {
  const runs = runsOf(mask);
  if (!runs) return null;
  return runs.reduce((sum, run, at) => (at % 2 ? sum + run : sum), 0) / (mask.size[0] * mask.size[1]);
}

/** Return a canvas with the covered pixels of a mask in a colour, valid until the next call; null: it cannot be read. */
export function maskPicture(mask, colour) {
  const runs = runsOf(mask);
  if (!runs) return null;
  const [height, width] = mask.size;
  const rgb = Number.parseInt(colour.slice(1), 16);
  const value = (255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16); // bytes in memory: R, G, B, A
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  let place = 0;
  runs.forEach((run, at) => {
    if (at % 2)
      for (let each = place; each < place + run; each++) pixels[(each % height) * width + Math.floor(each / height)] = value;
    place += run;
  });
  [scratch.width, scratch.height] = [width, height];
  scratch.getContext("2d").putImageData(image, 0, 0);
  return scratch;
}
