"""The dialect of DL Streamer's gvapython: a function or a method that gets a VideoFrame; a false result drops the frame."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from empycustom.dialects.caps import caps_of
from empycustom.dialects.functions import ByFunction, check, found_in, line_of_class
from empycustom.errors import CallbackSignatureError, FrameError
from empycustom.library.dialects import HOOKS, Callback, Callbacks, Settings, Views, line_of, not_used, without_meaning
from empycustom.model.keys import BUFFER, FRAMES, RESULT_ATTRIBUTES
from empycustom.model.returned import Dropped
from empycustom.text import shown

USUAL = "process_frame"


class _Frames(NamedTuple):
    """The class of the frames that functions get: how one is made, and what was said by it, as the result has it."""

    make: Callable[[Any, Any, int], Any]
    entry: Callable[[Any], Any]


class GvaPython(ByFunction):
    """Calls ``function`` of a module, or of an object of its ``class``, which is made with ``arg`` and ``kwarg`` at the start."""

    usual = USUAL

    def bind(
        self,
        target: Any,
        path: str,
        views: Views,  # noqa: ARG002 - its functions get one argument
        settings: Settings,
        *,
        in_place: bool,  # noqa: ARG002 - always
        hooks: Iterable[str] = HOOKS,  # noqa: ARG002 - it has others
    ) -> Callbacks:
        """Check the function and return the callbacks. Raises CallbackMissingError, CallbackSignatureError."""
        name, class_name = settings.get("function", USUAL), settings.get("class")
        frames = _frames(in_worker=bool(settings.get("in_worker")))
        others = not_used(
            settings,
            ("finalize-function",),
            path,
            "it is for hailopython; write what is to be done at the stop into __del__ of a class",
        ) + without_meaning(settings, path, "gvapython", "; kwarg is for what a class needs")
        if class_name is None:
            function = found_in(target, path, name, "function")
            check(function, path, name, "frame")
            hints = not_used(
                settings, ("arg", "kwarg"), path, "it is for the arguments of a class; set class as well, or leave it out"
            )
            return Callbacks(Callback(name, function, ("frame",), _call(function, name, frames)), hints=hints + others)
        return _of_class(found_in(target, path, class_name, "class"), path, settings, frames, others)


def _of_class(made: Any, path: str, settings: Settings, frames: _Frames, hints: Any) -> Callbacks:
    """Check a class, its arguments and its method, and return the callbacks."""
    if not isinstance(made, type):
        class_name = settings["class"]
        what = f"class={class_name} is a {type(made).__name__}, not a class; for a function set function={class_name}"
        raise CallbackSignatureError.at(path, line_of(made), what, callback=class_name)
    name = settings.get("function", USUAL)
    method = found_in(made, path, name, "function")
    _check_arguments(made, path, settings)
    is_bound = isinstance(inspect.getattr_static(made, name), (staticmethod, classmethod))
    check(method, path, name, "frame" if is_bound else "self, frame")
    state = _Instance(made, name, settings.get("arg", ()), settings.get("kwarg", {}), frames)
    return Callbacks(
        Callback(name, method, ("frame",), state.call),
        start=Callback("__init__", getattr(made, "__init__", None), ("*arg", "**kwarg"), state.start),
        stop=Callback("__del__" if hasattr(made, "__del__") else "", getattr(made, "__del__", None), (), state.stop),
        hints=hints,
    )


class _Instance:
    """The object of a class of a module, from the start to the stop."""

    def __init__(self, made: Any, name: str, arguments: Iterable[Any], named: Mapping[str, Any], frames: _Frames) -> None:
        self._class, self._name, self._arguments, self._named, self._frames = made, name, arguments, named, frames
        self._called: Any = None

    def call(self, buffer: Any, in_meta: Any, options: Any) -> Any:
        """Call the method for each frame of a buffer."""
        return self._called(buffer, in_meta, options)

    def start(self, _options: Any) -> None:
        """Make the object."""
        function = getattr(self._class(*self._arguments, **self._named), self._name)
        self._called = _call(function, self._name, self._frames)

    def stop(self, _options: Any) -> None:
        """Let go of the object, whose ``__del__`` is called unless somebody else keeps it."""
        self._called = None


def _check_arguments(made: type, path: str, settings: Settings) -> None:
    """Raise CallbackSignatureError unless an object of a class can be made with ``arg`` and ``kwarg``."""
    try:
        signature = inspect.signature(made, follow_wrapped=False)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(*settings.get("arg", ()), **settings.get("kwarg", {}))
    except TypeError as error:
        given = " and ".join(f"{name}={shown(settings[name])}" for name in ("arg", "kwarg") if name in settings)
        what = (
            f"{made.__name__}{signature} cannot be made with {given or 'neither arg nor kwarg'}: {error}; correct arg and kwarg"
        )
        raise CallbackSignatureError.at(
            path, line_of(getattr(made, "__init__", None)) or line_of_class(made), what, callback="__init__"
        ) from None


def _call(function: Callable[[Any], Any], name: str, frames: _Frames) -> Callable[..., Any]:
    """Return what is called as ``process_ip`` is, and calls the function for each frame of the buffer."""
    make, entry_of = frames

    def call(buffer: Any, in_meta: Any, _options: Any) -> Any:
        if len(in_meta[FRAMES]) > 1:
            return of_batch([make(buffer, in_meta, index) for index in range(len(in_meta[FRAMES]))])
        frame = make(buffer, in_meta, 0)
        returned = function(frame)
        if not returned:
            return Dropped(_why(name, returned), returned)
        entry = entry_of(frame)
        if entry is None:
            return None
        is_short = [*entry] == [RESULT_ATTRIBUTES]  # that form takes less time
        return {FRAMES: entry[RESULT_ATTRIBUTES] if is_short else [entry]}

    def of_batch(frames: list[Any]) -> Any:
        returned = [function(frame) for frame in frames]
        if not any(returned):
            return Dropped(_why(name, returned[0]), returned[0])
        if not all(returned):
            raise FrameError(
                f"{name} returned a false value for one frame of a batch, which cannot be dropped alone; return True"
            )
        return {FRAMES: [entry_of(frame) or {} for frame in frames]}

    return call


def _why(name: str, returned: Any) -> str:
    """Return what is to be reported of a frame that is dropped: a missing result may be a mistake."""
    if returned is not None:
        return ""
    return f"{name} returned None, so frames are dropped, as gvapython does; return True to let them go on"


def _frames(*, in_worker: bool) -> _Frames:
    """Return the class of the frames: DL Streamer's own where it is installed, else ours.

    In a worker it is ours: DL Streamer's writes metadata of the buffer, which would stay there.
    """
    if in_worker or find_spec("gstgva") is None:
        from empycustom.dialects.gstgva import VideoFrame

        return _Frames(VideoFrame._of, VideoFrame._entry)
    from gstgva import VideoFrame as TheirFrame  # type: ignore[import-not-found]

    return _Frames(lambda buffer, in_meta, _index: TheirFrame(buffer, caps=caps_of(in_meta[BUFFER])), lambda _frame: None)
