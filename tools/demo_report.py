"""Check the files of the demo, and show some documents: ``demo_report.py FOLDER``; exit code 1 if something is wrong."""

# ruff: noqa: T201 - a script prints

import json
import sys
from pathlib import Path

FILES = {
    "meta.jsonl": "a JSON document for each frame",
    "people.mp4": "the video with all that drawn",
    "people.png": "its last frame",
}


def main(folder):
    """Print a summary, three documents and the files; return the exit code."""
    for name in FILES:
        if not (folder / name).is_file() or not (folder / name).stat().st_size:
            return print_error(f"{folder / name} is missing or empty")
    try:
        documents = read(folder / "meta.jsonl")
    except ValueError as error:
        return print_error(str(error))
    print(f"\n{summary(documents)}")
    for document in samples(documents):
        print(f"\n{written(document)}")
    print()
    for name, what in FILES.items():
        print(f"{folder / name}: {what} ({(folder / name).stat().st_size / 1e6:.1f} MB)")
    return 0


def print_error(message):
    """Print an error and return the exit code for it."""
    print(f"demo: error: {message}", file=sys.stderr)
    return 1


def read(path):
    """Return the documents of a file, each checked; a ValueError names the first line that is wrong."""
    documents = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            document = json.loads(line, parse_constant=refuse)
            check(document["frame"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number} is not a document of one frame: {error!r}") from error
        documents.append(document)
    if not documents:
        raise ValueError(f"{path} has no documents")
    return documents


def refuse(constant):
    """Raise ValueError for NaN and infinity, which Python reads but which are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def check(frames):
    """Raise a ValueError unless there is one frame with a line, and each person has a number of his own."""
    (frame,) = frames
    (_line,) = frame["emcustom"]["zones"]
    numbers = [obj["object_id"] for obj in frame["object"]]
    if len({*numbers}) < len(numbers) or min(numbers, default=1) < 1:
        raise ValueError(f"people with the numbers {numbers}")


def summary(documents):
    """Return one sentence about all documents."""
    objects = [obj for document in documents for obj in document["frame"][0]["object"]]
    if not objects:
        return f"{len(documents)} frames, and no people were found in them."
    numbers = len({obj["object_id"] for obj in objects})
    (line,) = documents[-1]["frame"][0]["emcustom"]["zones"]
    crossed = f"{line['in'] + line['out']} crossed the line, {line['in']} in and {line['out']} out"
    return f"{len(documents)} frames, {len(objects)} boxes of people ({numbers} tracks); {crossed}. Some of the documents:"


def samples(documents):
    """Return up to three documents with people, far apart; of those where somebody crosses the line, if there are some."""
    people = [document for document in documents if document["frame"][0]["object"]]
    people = [document for document in people if "events" in document["frame"][0]["emcustom"]] or people
    third = -(-len(people) // 3)
    parts = [people[start : start + third] for start in range(0, len(people), third or 1)]
    return [min(part, key=lambda document: len(document["frame"][0]["object"])) for part in parts]


def shortened(obj):
    """Return an object whose key points are fewer."""
    cut = {key: f"... {len(obj[key])} entries" for key in ("keypoints", "keypoint_names", "skeleton") if key in obj}
    return {**obj, **cut}


def written(document):
    """Return the JSON with a line for each object."""
    version = json.dumps(document["schema_version"])
    frame = {**document["frame"][0]}
    objects = ",\n    ".join(json.dumps(shortened(obj)) for obj in frame.pop("object"))
    return f'{{"schema_version": {version}, "frame": [{json.dumps(frame)[:-1]}, "object": [\n    {objects}\n]}}]}}'


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
