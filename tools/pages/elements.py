"""Make docs/elements/*.md from GObject and GStreamer, with the content of gst-inspect-1.0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tables import table

from empycustom.elements import ELEMENTS
from empycustom.gstreamer import GObject, Gst

HEAD = "<!-- Made by tools/pages/elements.py from the element itself; not to be edited. -->\n"
CAPTION = "What `gst-inspect-1.0 {name}` shows. What it is for and how to use it is in {guide}."
GUIDES = {
    "empycustom": "[Writing a library](../library.md), [Metadata, in and out](../metadata.md) and "
    "[Where a library runs](../where-a-library-runs.md)",
    "aimeta": "[Metadata, in and out](../metadata.md)",
    "metapublish": "[Publishing](../publishing.md)",
    "perf": "[GStreamer without DeepStream](../plain.md)",
    "gvapython": "[Moving from gvapython](../moving-gvapython.md)",
    "hailopython": "[Moving from hailopython](../moving-hailopython.md)",
}
KINDS = {"gchararray": "string", "gboolean": "boolean", "gint": "int", "guint": "unsigned int", "gdouble": "double"}
STATES = {
    Gst.PARAM_MUTABLE_PLAYING: "in any state",
    Gst.PARAM_MUTABLE_PAUSED: "up to PAUSED",
    Gst.PARAM_MUTABLE_READY: "in NULL and READY",
}


def made() -> dict[str, str]:
    """Return the pages by name."""
    return {f"elements/{name}.md": page(name, *created(name)) for name in ELEMENTS}


def created(name: str) -> tuple[Any, Any]:
    """Return the factory of one of our elements and an element; under another name, because an installed perf has priority."""
    Gst.Element.register(None, f"page-{name}", Gst.Rank.NONE, ELEMENTS[name])
    factory = Gst.ElementFactory.find(f"page-{name}")
    return factory, factory.create(None)


def page(name: str, factory: Any, element: Any) -> str:
    """Return the page of an element."""
    parts = [
        HEAD,
        f"# `{name}`\n",
        f"{factory.get_metadata('description')}.\n",
        CAPTION.format(name=name, guide=GUIDES[name]) + "\n",
        *_facts(factory, element),
        "## Pads\n",
        *table(["pad", "direction, presence", "caps"], _pads(element)),
        "## Properties\n",
        *table(["property", "type", "default", "may be set", "meaning"], _properties(element)),
        *_fields(element),
    ]
    if signals := sorted(_signals(element)):
        parts += ["## Signals\n", *table(["signal", "handler"], signals)]
    return "\n".join(parts)


def _facts(factory: Any, element: Any) -> Iterator[str]:
    yield f"- name: {factory.get_metadata('long-name')}"
    yield f"- class: `{factory.get_metadata('klass')}`, rank {int(factory.get_rank())}"
    kind, chain = element.__gtype__, []
    while kind.name != "GstElement":
        chain.append(f"`{kind.name}`")
        kind = kind.parent
    yield f"- type: {' → '.join([*chain, '`GstElement`'])}\n"


def _pads(element: Any) -> Iterator[list[str]]:
    for template in sorted(element.get_pad_template_list(), key=lambda template: template.direction, reverse=True):
        where = f"{template.direction.value_nick}, {template.presence.value_nick}"
        yield [f"`{template.name_template}`", where, "<br>".join(_caps(template.get_caps()))]


def _caps(caps: Any) -> Iterator[str]:
    if caps.is_any():
        yield "any"
        return
    for text in caps.to_string().split(";"):
        name, fields = text.replace("(string)", "").strip(" }").split(", format={ ")
        yield f"`{name}`: {fields}"


def _own_properties(element: Any) -> list[Any]:
    """Return the properties that are not those of every GstElement."""
    inherited = {spec.name for spec in GObject.list_properties(Gst.Element)}
    return [spec for spec in GObject.list_properties(element) if spec.name not in inherited]


def _properties(element: Any) -> Iterator[list[str]]:
    for spec in sorted(_own_properties(element), key=lambda spec: spec.name):
        yield [f"`{spec.name}`", _type(spec), _default(spec, element), _mutability(spec), _meaning(spec)]


def _type(spec: Any) -> str:
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return f"enum `{spec.value_type.name}`"
    kind = KINDS.get(spec.value_type.name, f"`{spec.value_type.name}`")
    return f"{kind}, {spec.minimum} to {spec.maximum}" if hasattr(spec, "minimum") else kind


def _default(spec: Any, element: Any) -> str:
    """Return the value in a new element: one that inherits properties may have other defaults than they declare."""
    if not spec.flags & GObject.ParamFlags.WRITABLE:
        return ""
    value = element.get_property(spec.name)
    if value is None:
        return "none"
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return f"`{_choices(spec)[int(value)].value_nick}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _choices(spec: Any) -> dict[int, Any]:
    """Return the values of an enum by number, which PyGObject 3.50 has elsewhere; ours count from 0."""
    known = getattr(spec.enum_class, "__enum_values__", None)
    if known is not None:
        return dict(known)
    return {number: GObject.enum_get_value(spec.enum_class, number) for number in range(spec.enum_class.n_values)}


def _meaning(spec: Any) -> str:
    if not spec.value_type.is_a(GObject.TYPE_ENUM):
        return str(spec.blurb)
    return "<br>".join([spec.blurb, *(f"`{value.value_nick}`: {value.value_name}" for value in _choices(spec).values())])


def _mutability(spec: Any) -> str:
    if not spec.flags & GObject.ParamFlags.WRITABLE:
        return "never: read-only"
    states = [text for flag, text in STATES.items() if int(spec.flags) & int(flag)]
    return states[0] if states else "in any state"  # GstBaseTransform's qos, which has none of these flags


_OF_WORKERS = """
With `workers=n` also `worker-1` to `worker-n` (gchararray): what each worker does at this moment. The values are in [Where a
library runs](../where-a-library-runs.md#what-each-worker-does).
"""


def _fields(element: Any) -> Iterator[str]:
    """Yield the fields of properties that are structures."""
    for spec in _own_properties(element):
        if spec.value_type.name == "GstStructure":
            structure = element.get_property(spec.name)
            names = [structure.nth_field_name(index) for index in range(structure.n_fields())]
            fields = ", ".join(f"`{name}` ({structure.get_field_type(name).name})" for name in names)
            yield f"Fields of `{spec.name}`: {fields}.\n"
            if "workers" in {each.name for each in _own_properties(element)}:
                yield _OF_WORKERS


def _signals(element: Any) -> Iterator[list[str]]:
    kind = element.__gtype__
    while kind.name != "GstElement":
        for number in GObject.signal_list_ids(kind):
            query = GObject.signal_query(number)
            arguments = ", ".join(["element", *(KINDS.get(each.name, each.name) for each in query.param_types)])
            returned = "" if query.return_type == GObject.TYPE_NONE else f" → {query.return_type.name}"
            yield [f"`{query.signal_name}`", f"`({arguments}){returned}`"]
        kind = kind.parent
