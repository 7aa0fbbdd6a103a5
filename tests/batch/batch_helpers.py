"""What the tests of batches share."""

import duckdb

OBJECTS = """
def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    box = {"left": number, "top": 1, "width": 8, "height": 4}
    found = [{"obj_label": "ball", "confidence": 0.5, "rect_params": box, "emcustom": {"score": number / 4}}] * (number % 3)
    return {"frame": [{"meta": {"number": number, "even": number % 2 == 0, "list": [number]}, "new_object": found}]}
"""


def rows(query):
    """Return what a query of DuckDB gives."""
    return duckdb.sql(query).fetchall()
