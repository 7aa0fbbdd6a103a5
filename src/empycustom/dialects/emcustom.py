"""The dialect of emcustom: compiled libraries, whose functions get pixels in memory, and JSON as text.

The GIL is free while such a function runs, and the buffer is mapped all the time. A process has a library once: elements with
the same file share its variables, and call it at the same time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackOutputError,
    LibraryError,
    LibraryImportError,
    NativeError,
)
from empycustom.frames.formats import layout_of
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.compiled import Compiled, compiled_of
from empycustom.library.dialects import ARGUMENTS, HOOKS, OF_OTHERS, Callback, Callbacks, Settings, Views, not_used
from empycustom.model.keys import BUFFER, FRAMES, OUT_BATCH_DICT, RESULT_ATTRIBUTES
from empycustom.model.serialize import assemble, loads, shorten
from empycustom.model.wire import callback_text
from empycustom.native.emcustom import (
    FORMATS,
    INTERFACES,
    NULL,
    WITH_HOOKS,
    ChangedLibraryError,
    Function,
    Picture,
    hook,
    load,
)

NEWEST = INTERFACES[-1]
_CALLED = ("start", "stop", "process_ip", "process")


class EmCustom:
    """Calls the functions of a compiled library. The setting ``interface`` is the version of emcustom's interface: 1, 2 or 3."""

    def names(self, target: Any) -> set[str]:
        """Return which functions of the interface a library has."""
        return {*_CALLED} & _compiled(target, str(target)).functions

    def bind(
        self,
        target: Any,
        path: str,
        views: Views,  # noqa: ARG002 - it gets pixels
        settings: Settings,
        *,
        in_place: bool,
        hooks: Iterable[str] = HOOKS,
    ) -> Callbacks:
        """Load the library, and return its callbacks. Raises LibraryImportError, CallbackMissingError."""
        compiled, interface = _compiled(target, path), settings.get("interface", NEWEST)
        name = "process_ip" if in_place else "process"
        if name not in compiled.functions:
            raise _missing(compiled, name)
        library = _loaded(path)
        called = (_InPlace if in_place else _Making)(path, Function(library, name, interface))
        others = {}
        for other in {"start", "stop"} & {*hooks} & compiled.functions if interface >= WITH_HOOKS else ():
            others[other] = Callback(other, None, ARGUMENTS[other], _hook(library, other))
        frame = Callback(name, None, (*ARGUMENTS[name], "events"), called, takes_events=True)
        hints = not_used(settings, OF_OTHERS, path, "a compiled library is called by fixed names; leave it out")
        return Callbacks(frame, **others, in_place=in_place, hints=hints)

    def hints(self, target: Any, path: str) -> Iterator[CallbackMissingError]:
        """Yield warnings about ``start`` and ``stop`` as C++ names them: nobody finds these."""
        for name in {"start", "stop"} - _compiled(target, path).functions:
            if mangled := _compiled(target, path).mangled(name):
                yield CallbackMissingError.at(path, None, f"{name} is never called: {mangled}", callback=name)


def _compiled(target: Any, path: str) -> Compiled:
    compiled = compiled_of(target)
    if compiled is None:
        what = f"dialect=emcustom is for compiled libraries (.so), and {path} is not one; set dialect=auto"
        raise LibraryImportError(what, library=path)
    return compiled


def _missing(compiled: Compiled, name: str) -> CallbackMissingError:
    other, setting = ("process", "in-place=false") if name == "process_ip" else ("process_ip", "in-place=true")
    path, mangled = compiled.path, compiled.mangled(name)
    if other in compiled.functions:
        mode = "false" if setting.endswith("true") else "true"
        advice = mangled or f"set {setting}, or define {name}"
        return CallbackMissingError(
            f"{path} has {other} but no {name}, which in-place={mode} needs; {advice}", library=path, callback=name
        )
    why = mangled or compiled.lacking(name)
    return CallbackMissingError(f"{path} has neither process_ip nor process; {why}", library=path, callback=name)


# What the system's loader says, and what to do.
_PROBLEMS = (
    (
        r"undefined symbol: (\S+)",
        "uses {0}, which neither it nor a library that it is linked with has; link it with the library of {0} (gcc … -l…)",
    ),
    (
        r"(\S+): cannot open shared object file: No such file",
        "needs {0}, which this system does not find; install it, or add its folder to LD_LIBRARY_PATH",
    ),
    (r"version `(\S+)' not found", "was built on a newer system, with {0}; build it on this one, or on an older one"),
    (r"failed to map segment", "lies where programs may not be run (a file system with noexec); copy it elsewhere"),
)


def _loaded(path: str) -> int:
    """Return a library that is loaded. Raises LibraryImportError."""
    try:
        return load(path)
    except ChangedLibraryError as error:
        advice = "which goes on with the old one; start the program again, or set workers=1, which loads it in a new process"
        raise LibraryImportError(f"{error}, {advice}", library=path) from error
    except NativeError as error:
        text = str(error)
        for pattern, sentence in _PROBLEMS:
            if found := re.search(pattern, text):
                raise LibraryImportError(f"{path} {sentence.format(*found.groups())}", library=path) from error
        raise LibraryImportError(f"{path} cannot be loaded: {text}", library=path) from error


def _hook(library: int, name: str) -> Any:
    function = hook(library, name)
    return lambda options: function(_Json().of(options))


class _Json:
    """A value of Python's as JSON, which is made where it is another one than before; NULL for what is empty, as in emcustom."""

    def __init__(self) -> None:
        self._value: Any = None
        self._text: Any = NULL

    def of(self, value: Any) -> Any:
        """Return it."""
        if value is not self._value:
            self._value, self._text = value, assemble(value) if value else NULL
        return self._text


class _InPlace:
    """``process_ip`` of a library, as the element calls it."""

    def __init__(self, path: str, function: Function) -> None:
        self._path, self._function = path, function
        self._options, self._events = _Json(), _Json()
        self._about: Mapping[str, Any] | None = None

    def __call__(self, buffer: Any, in_meta: Any, options: Any, events: Any = None) -> Any:
        """Call it for a frame, and return what it writes into out_meta. Raises LibraryError."""
        about = in_meta[BUFFER]
        if about != self._about:
            self._expect(about)
        try:
            return self._called(hash(buffer), callback_text(in_meta), (self._options.of(options), self._events.of(events)))
        except NativeError as error:
            raise self._error(CallbackError, f"{self._function.name} cannot get the frame: {error}") from error

    def _called(self, address: int, in_meta: bytes, rest: Any) -> Any:
        return self._read(self._function.process_ip(address, in_meta, *rest))

    def _expect(self, about: Mapping[str, Any]) -> None:
        """Get ready for frames that lie as ``in_meta["buffer"]`` says. Raises CallbackError where it cannot have them."""
        name, memory = about["format"], about["memory"]
        if memory != "CPU" or name not in FORMATS:
            what, element = (f"in {memory} memory", "nvvideoconvert") if memory != "CPU" else (name, "videoconvert")
            advice = f'put {element} ! video/x-raw,format=RGBA before the element (in empycustom.process: format="RGBA")'
            raise self._error(CallbackError, f"{self._function.name} takes RGBA and I420, and the frames are {what}; {advice}")
        width, height, planes = about["width"], about["height"], about["planes"]
        offsets, strides = (tuple(plane[key] for plane in planes) for key in ("offset", "stride"))
        size = layout_of(name, width, height, offsets, strides).size
        self._expect_picture(Picture(FORMATS[name], width, height, tuple(zip(offsets, strides, strict=True)), size), about)
        self._about = about

    def _expect_picture(self, picture: Picture, _about: Mapping[str, Any]) -> None:
        self._function.expect(picture)

    def _read(self, text: bytes | None) -> Any:
        """Return a result of what it wrote: an object that is none is one of attributes of the frame."""
        if text is None:
            return None
        try:
            content = text.decode().strip()
            value = loads(content) if content else None
        except ValueError as error:  # UnicodeDecodeError is one
            shown = shorten(text.decode("utf-8", "backslashreplace"))
            what = f"what {self._function.name} wrote into out_meta is not JSON ({error}): {shown}"
            raise self._error(CallbackOutputError, what) from error
        if type(value) is dict and value and OUT_BATCH_DICT.fields.keys().isdisjoint(value):
            return {FRAMES: [{RESULT_ATTRIBUTES: value}]}
        return value

    def _error(self, kind: type[LibraryError], what: str) -> LibraryError:
        return kind.at(self._path, None, what, callback=self._function.name)


class _Making(_InPlace):
    """``process`` of a library, which makes a new frame of the same format."""

    def _called(self, address: int, in_meta: bytes, rest: Any) -> Any:
        made = Gst.Buffer.new_allocate(None, self._size, None)
        text = self._function.process(address, in_meta, hash(made), *rest)
        return made, self._read(text)

    def _expect_picture(self, picture: Picture, about: Mapping[str, Any]) -> None:
        info, mode = GstVideo.VideoInfo(), GstVideo.VideoInterlaceMode.from_string(about["interlace_mode"])
        info.set_interlaced_format(GstVideo.VideoFormat.from_string(about["format"]), mode, picture.width, picture.height)
        planes = tuple((info.offset[plane], info.stride[plane]) for plane in range(info.finfo.n_planes))
        self._size = int(info.size)
        self._function.expect(picture, picture._replace(planes=planes, size=self._size))
