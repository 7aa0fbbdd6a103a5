"""``empycustom schema --document`` and ``--message``: documents and messages of real pipelines follow them, without other keys."""

import json

import jsonschema
import pytest

from empycustom.model.keys import document_schema
from empycustom.publish.schema import message_schema

PERSON = (
    "{'class_id': 2, 'obj_label': 'person', 'confidence': 0.75, 'object_id': 41, 'emcustom': {'a': 1},"
    " 'rect_params': {'left': 8, 'top': 4, 'width': 16, 'height': 20}, 'text_params': {'display_text': 'x'},"
    " 'classifier': [{'label_info': [{'result_label': 'red', 'result_prob': 0.5}]}]}"
)
LIBRARIES = {
    "nothing": "return None",
    "a frame": "return {'frame': {'brightness': 0.5}}",
    "a batch": "return {'meta': {'site': 3}, 'frame': [{'meta': [1, None]}]}",
    "objects": f"return {{'frame': [{{'new_object': [{PERSON}], 'meta': 5}}]}}",
}
SOME = f"found = [{PERSON}] * (m['frame'][0]['frame_num'] % 3); return {{'frame': [{{'new_object': found, 'meta': len(found)}}]}}"


def closed(schema):
    """Return a JSON Schema in which no object has other keys than those that are named."""
    if isinstance(schema, dict):
        changed = {key: closed(value) for key, value in schema.items()}
        return changed | ({"additionalProperties": False} if "properties" in changed else {})
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="module")
def judge():
    schema = document_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(closed(schema))


@pytest.mark.parametrize("body", LIBRARIES.values(), ids=LIBRARIES)
def test_documents_are_valid(play, library, tmp_path, judge, body):
    lib, lines = library(f"def process_ip(b, m, o):\n    {body}\n"), tmp_path / "lines.jsonl"
    played = play(
        "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48 ! "
        f"empycustom in-place=true custom-lib={lib} ! empycustom in-place=true custom-lib={lib} ! aimeta location={lines} ! fakesink"
    )
    assert played.ended, played.errors
    for line in lines.read_text().splitlines():
        judge.validate(json.loads(line))


def test_documents_of_foreign_regions_are_valid(play, regions, tmp_path, judge):
    lines = tmp_path / "lines.jsonl"
    lib = regions(("car", 1, 2, 3, 4), ("person", 5, 6, 7, 8, 3, {"detection": {"confidence": 0.5, "label_id": 1}}))
    played = play(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=64,height=48 ! "
        f"empycustom in-place=true custom-lib={lib} ! aimeta location={lines} ! fakesink"
    )
    assert played.ended, played.errors
    (document,) = map(json.loads, lines.read_text().splitlines())
    assert len(document["frame"][0]["object"]) == 2
    judge.validate(document)


@pytest.mark.parametrize("envelope", ["plain", "cloudevents"])
@pytest.mark.parametrize(
    ("select", "more", "messages"),
    [("frames", "", 6), ("objects", "", 6), ("changes", "", 5), ("changes", "&watch=emcustom", 6), ("gva", "", 6)],
)
def test_messages_are_valid(play, library, tmp_path, select, more, messages, envelope):
    lines = tmp_path / "lines.jsonl"
    uri = f"file://{lines}?select={select}&envelope={envelope}{more}&spool={tmp_path}"
    played = play(
        "videotestsrc num-buffers=6 ! video/x-raw,format=RGBA,width=64,height=48 ! "
        f"empycustom in-place=true custom-lib={library(f'def process_ip(b, m, o):{chr(10)}    {SOME}{chr(10)}')} ! "
        f'metapublish uri="{uri}" ! fakesink'
    )
    assert played.ended, played.errors
    schema = message_schema(select)
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(closed(schema))
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(found) == messages
    for message in found:
        judge.validate(message)
        assert not judge.is_valid({key: value for key, value in message.items() if key != "id"})
        assert not judge.is_valid(message | {"colour": "red"})


@pytest.mark.parametrize(
    "wrong", [{}, {"frame": {}}, {"frame": [{"frame_num": 1}]}, {"frame": [{"object": [{"obj_label": 5}]}]}], ids=str
)
def test_what_is_not_a_document_is_not_valid(wrong):
    assert not jsonschema.Draft202012Validator(document_schema()).is_valid(wrong)
