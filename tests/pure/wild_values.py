"""Values of all kinds that a library may return, for tests with hypothesis."""

import json
import math

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

quick = settings(deadline=None, max_examples=80)


texts = st.text("ab1 .,:'\"\\\n\t\0\x7f\u0085\u2028[{(#é日😀", max_size=8)


lone = st.text("a\ud800\udfff😀", max_size=3)


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts


def nested(leaves):
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
    )


DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "longlong", "ulonglong"]


FLOAT_DTYPES = ["float16", "float32", "float64", "longdouble"]


@st.composite
def numpy_scalars(draw):
    if draw(st.booleans()):
        value = draw(st.sampled_from([0.0, -0.5, 1.5, 2.0, math.nan, math.inf, -math.inf]))
        return np.dtype(draw(st.sampled_from(FLOAT_DTYPES))).type(value)
    return np.dtype(draw(st.sampled_from(DTYPES))).type(draw(st.integers(0, 100)))


@st.composite
def numpy_arrays(draw):
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 2), (1, 2, 3)]))
    kind = draw(st.sampled_from([*DTYPES, *FLOAT_DTYPES, "str"]))
    size = math.prod(shape)
    if kind == "str":
        return np.array(draw(st.lists(st.sampled_from(["", "a", "it's", 'a "b"', "é\n"]), min_size=size, max_size=size))).reshape(
            shape
        )
    wild = [math.nan, math.inf] if kind in FLOAT_DTYPES else []
    values = draw(st.lists(st.sampled_from([0, 1, 100, *wild]), min_size=size, max_size=size))
    return np.array(values, dtype=np.dtype(kind)).reshape(shape)


numpy_texts = texts.map(lambda text: np.str_(text.rstrip("\0")))  # NumPy itself prints no NULs at the end


wild_leaves = scalars | st.floats() | numpy_scalars() | numpy_arrays() | numpy_texts


def writable(value):
    return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
