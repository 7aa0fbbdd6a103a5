"""What is made from the declaration of the JSON keys, model/keys.py: typed dicts in types.py, tables in docs/metadata.md."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tables import table

from empycustom.model import keys
from empycustom.model.fields import ARRAY, Key
from empycustom.model.numbers import Numbers
from empycustom.model.schema import Array, Float, Integer, Object, OneOf, Schema, Text, Typed

DOCS = Path(__file__).parents[2] / "docs"
RETURNED = (keys.NEW_OBJECT_DICT, keys.OUT_FRAME_DICT, keys.OUT_BATCH_DICT)
TITLES = {
    "InMeta": "`in_meta`",
    "FrameMeta": "a frame, an entry of `frame`",
    "ObjectMeta": "an object, an entry of `object` of a frame",
    "RectParams": "`rect_params` of an object",
    "TextParams": "`text_params` of an object",
    "Classifier": "an entry of `classifier` of an object",
    "LabelInfo": "an entry of `label_info` of a classifier",
    "Tensor": "an entry of `tensors` of a frame",
    "Segmentation": "an entry of `segmentation` of a frame",
    "BufferInfo": "`buffer`",
    "Plane": "an entry of `planes` of `buffer`",
}
WORDS = {Array: "list", Object: "dict", Integer: "whole number", Float: "number", Text: "text"}
MARKS = {".py": ("# Made by tools/pages from model/keys.py.\n", "# The end of what is made.\n"),
         ".md": ("<!-- made by tools/pages from model/keys.py -->\n", "<!-- the end of what is made -->\n")}  # fmt: skip


def made() -> dict[str, str]:
    """Return the texts of the files by their paths below docs/, with new parts made by this program."""
    classes = "\n\n\n".join(map(_class, keys.DICTS))
    by_name = {schema.name: schema for schema in keys.DICTS}
    lines = [line for name in TITLES for line in _section(by_name[name])]
    texts = {"../src/empycustom/types.py": f"\n\n{classes}\n\n\n", "metadata.md": "\n".join(["", *lines, ""])}
    return {name: _filled(DOCS / name, text) for name, text in texts.items() if (DOCS / name).exists()}


def _filled(path: Path, text: str) -> str:
    begin, end = MARKS[path.suffix]
    head, rest = path.read_text(encoding="utf-8").split(begin)
    return f"{head}{begin}{text}{end}{rest.split(end)[1]}"


def _class(schema: Object) -> str:
    returned = schema in RETURNED
    lines = [
        f"class {schema.name}(TypedDict{', total=False' if returned else ''}):",
        f'    """{schema.description}"""'.replace("`", "``"),
        "",
    ]
    for name, key in schema.fields.items():
        kind = _type(key.schema, returned=returned)
        lines.append(f"    {name}: {kind if key.always or returned else f'NotRequired[{kind}]'}")
        unit = f" ({key.unit})" if key.unit else ""
        text = f'"""{key.description[0].upper()}{key.description[1:]}{unit}."""'.replace("`", "``")
        lines += textwrap.wrap(text, 130, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _type(schema: Schema, *, returned: bool) -> str:
    if isinstance(schema, Array):
        return f"{'Sequence' if returned else 'list'}[{_type(schema.items, returned=returned)}]"
    if isinstance(schema, OneOf):
        return " | ".join(_type(shape, returned=returned) for _, shape in schema.shapes)
    if schema == keys.JSON_OBJECT:
        return "Mapping[str, Any]"
    if isinstance(schema, Typed) and schema.types == (dict,):
        return "dict[Any, Any]"
    if isinstance(schema, Object):
        return schema.name
    return next((name for kind, name in ((Integer, "int"), (Float, "float"), (Text, "str")) if isinstance(schema, kind)), "Any")


def _section(schema: Object) -> list[str]:
    rows = [[f"`{name}`", _kind(key), key.description, key.by] for name, key in schema.fields.items()]
    return [f"Keys of {TITLES[schema.name]}:", "", *table(["key", "value", "meaning", "set by"], rows)]


def _kind(key: Key) -> str:
    schema = key.schema
    words = next((word for kind, word in WORDS.items() if isinstance(schema, kind)), "any JSON")
    if isinstance(schema, Numbers):
        words = schema.kept
    if schema is ARRAY:
        words = "NumPy array"
    if isinstance(schema, Typed) and schema.types == (dict,):
        words = "dict"
    if isinstance(schema, Text) and schema.choices:
        words = " or ".join(f"`{choice}`" for choice in schema.choices)
    return f"{words}{f', {key.unit}' if key.unit else ''}{'' if key.always else ', optional'}"
