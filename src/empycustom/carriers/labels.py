"""Labels of new objects where they are GQuarks: in the type of a region, and in GstAnalytics.

GLib never frees a quark. So labels that keep coming, such as number plates, stay out of them: the object is called
:data:`ELSEWHERE`, and its label stands in our own record of it.
"""

from __future__ import annotations

ELSEWHERE = "label-in-EmPyCustomMeta"
MOST, LONGEST = 4096, 256  # labels of the whole process, and characters of one: 2 MB at most
_COMPLAINT = (
    f"more than {MOST} labels, or one of more than {LONGEST} characters: GStreamer frees none, so further objects are called "
    f"{ELSEWHERE} in GStreamer's own metadata; their labels are in the JSON of EmPyCustomMeta"
)

_labels: set[str] = set()


def carried(label: str, complaints: list[str]) -> str:
    """Return what an object with a label is called in GStreamer's own metadata: the same, or ELSEWHERE and a complaint."""
    if label in _labels:
        return label
    if len(_labels) >= MOST or len(label) > LONGEST:
        complaints.append(_COMPLAINT)
        return ELSEWHERE
    _labels.add(label)
    return label


def stands_for(there: str, label: str) -> bool:
    """Whether an object that is called ``there`` may be the one with a label."""
    return there in (label, ELSEWHERE)
