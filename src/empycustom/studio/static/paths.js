// Paths: the way from a document to a value in it. A path is an array: the keys of objects (text), the indexes of lists (numbers),
// `{key, value}`: the entry of a list of which a key has that value, and "length" of a list. As text:
// `frame[0].object[object_id=41].confidence`.

const NAME = String.raw`[\p{L}_$][\p{L}\p{N}_$-]*`;
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const STEPS = [`\\.?(${NAME})`, String.raw`\[\s*(\d+)\s*\]`, `\\[\\s*(${QUOTED}|'[^']*')\\s*\\]`, `\\[\\s*(${NAME})\\s*=\\s*(${QUOTED}|[^\\]]*?)\\s*\\]`];
const PLAIN = new RegExp(`^${NAME}$`, "u");
const STEP = new RegExp(STEPS.join("|"), "uy");

/** Return the text of a path. */
export function textOf(path) {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (typeof step === "object") text += `[${step.key}=${JSON.stringify(step.value)}]`;
    else if (PLAIN.test(step)) text += text ? `.${step}` : step;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Return the path that a text says. Throws an Error with a sentence where it says none. */
export function pathOf(text) {
  const path = [];
  const trimmed = text.trim();
  STEP.lastIndex = 0;
  while (STEP.lastIndex < trimmed.length || !path.length) {
    const at = STEP.lastIndex;
    const found = STEP.exec(trimmed);
    if (!found || (at === 0 && trimmed.startsWith("."))) {
      const place = trimmed.slice(at, at + 20);
      throw new Error(`A path looks like frame[0].object[0].confidence${place ? `; “${place}” does not go on like that` : ""}.`);
    }
    path.push(stepOf(found));
  }
  return path;
}

function stepOf([, name, index, quoted, key, value]) {
  if (name !== undefined) return name;
  if (index !== undefined) return Number(index);
  if (quoted !== undefined) return quoted.startsWith('"') ? JSON.parse(quoted) : quoted.slice(1, -1);
  try {
    return { key, value: JSON.parse(value) };
  } catch {
    return { key, value };
  }
}

/** Return the value at a path; undefined: there is none. */
export function valueAt(document, path) {
  let value = document;
  for (const step of path) {
    if (value === null || typeof value !== "object") return undefined;
    if (typeof step === "object") value = Array.isArray(value) ? value.find((each) => each?.[step.key] === step.value) : undefined;
    else if (Array.isArray(value) ? typeof step === "number" || step === "length" : typeof step === "string")
      value = Object.hasOwn(value, step) ? value[step] : undefined;
    else return undefined;
  }
  return value;
}

/** Return the number at a path; true is 1 and false 0; null: there is none. */
export function numberAt(document, path) {
  const value = valueAt(document, path);
  if (typeof value === "boolean") return Number(value);
  return typeof value === "number" ? value : null;
}

/**
 * Return a path that stays with an object that a tracker follows: `object[3]` becomes `object[object_id=41]`, because the same
 * object may be the fourth now and the second on the next frame. Where nothing follows it, the path is returned as it is.
 */
export function followed(document, path) {
  const place = path.lastIndexOf("object") + 1;
  const found = place && typeof path[place] === "number" ? valueAt(document, path.slice(0, place + 1)) : null;
  const value = found?.object_id;
  if (!Number.isSafeInteger(value) || value < 0 || path.length === place + 1 || path[place + 1] === "object_id") return path;
  return [...path.slice(0, place), { key: "object_id", value }, ...path.slice(place + 1)];
}

/** Return the paths of the numbers in a document, at most `limit`, those of long lists left out: for a field that completes them. */
export function numbersIn(document, limit = 200) {
  const found = [];
  const visit = (value, path) => {
    if (found.length >= limit) return;
    if (typeof value === "number" || typeof value === "boolean") found.push(path);
    if (Array.isArray(value)) found.push([...path, "length"]);
    if (value === null || typeof value !== "object") return;
    const entries = Array.isArray(value) ? [...value.slice(0, 8).entries()] : Object.entries(value);
    for (const [key, each] of entries) visit(each, [...path, key]);
  };
  visit(document, []);
  return found;
}
