"""The dialect of hailopython, of Hailo's TAPPAS: a function that gets a VideoFrame, and returns a Gst.FlowReturn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import index
from typing import Any

from empycustom.dialects.functions import ByFunction, check, found_in
from empycustom.dialects.gsthailo import VideoFrame
from empycustom.errors import CallbackOutputError, EndOfStream
from empycustom.gstreamer import Gst
from empycustom.library.dialects import HOOKS, Callback, Callbacks, Settings, Views, line_of, not_used, without_meaning
from empycustom.library.explain import kind_of
from empycustom.model.keys import BUFFER
from empycustom.model.returned import Dropped, Refused

USUAL = "run"
NO_FUNCTION = "none"  # the default of finalize-function


class HailoPython(ByFunction):
    """Calls ``function`` of a module for each frame, and ``finalize-function`` at the stop."""

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
        """Check the functions and return the callbacks. Raises CallbackMissingError, CallbackSignatureError."""
        name, last = settings.get("function", USUAL), settings.get("finalize-function", NO_FUNCTION)
        function = found_in(target, path, name, "function")
        check(function, path, name, "video_frame")
        stop = None
        if last != NO_FUNCTION:
            finalize = found_in(target, path, last, "finalize-function")
            check(finalize, path, last, "")
            stop = Callback(last, finalize, (), lambda _options: finalize())
        call = _call(function, name, path, in_worker=bool(settings.get("in_worker")))
        hints = not_used(settings, ("class", "arg", "kwarg"), path, "functions for hailopython get a frame and nothing else")
        hints += without_meaning(settings, path, "hailopython")
        return Callbacks(Callback(name, function, ("video_frame",), call), stop=stop, hints=hints)


def _call(function: Callable[[Any], Any], name: str, path: str, *, in_worker: bool) -> Callable[..., Any]:
    """Return what is called as ``process_ip`` is."""

    def call(buffer: Any, in_meta: Any, _options: Any) -> Any:
        returned = function(VideoFrame.over(buffer, in_meta[BUFFER], in_worker=in_worker))
        try:
            number = index(returned)
        except TypeError:
            number = _NO_NUMBER
        return _MEANINGS[number](name) if number in _MEANINGS else _refused(function, name, path, returned)

    return call


def _end(name: str) -> Any:
    raise EndOfStream(f"{name} returned Gst.FlowReturn.EOS")


_NO_NUMBER = 1  # which none of them is
# What may be returned, as numbers, which Gst.FlowReturn are, and false is.
_MEANINGS: dict[int, Callable[[str], Any]] = {
    int(Gst.FlowReturn.OK): lambda _name: None,
    int(Gst.FlowReturn.EOS): _end,
    int(Gst.FlowReturn.CUSTOM_SUCCESS): lambda _name: Dropped(
        "", Gst.FlowReturn.CUSTOM_SUCCESS
    ),  # GST_BASE_TRANSFORM_FLOW_DROPPED
}
# Other values by their numbers: those below 0 are failures, those above mean nothing to an element.
_NAMED = {
    int(value): f"Gst.FlowReturn.{name}" for name, value in vars(Gst.FlowReturn).items() if isinstance(value, Gst.FlowReturn)
}


def _refused(function: Any, name: str, path: str, returned: Any) -> Refused:
    """Return the error about a value that ends the stream, or has no meaning."""
    named = _NAMED.get(returned) if isinstance(returned, int) and not isinstance(returned, bool) else None
    shown = named or ("None" if returned is None else kind_of(returned))
    advice = "; return Gst.FlowReturn.OK"
    if named:
        end = ", which ends the stream with an error" if returned < 0 else ", which has no meaning here"
        advice = f"{end}{advice}, or CUSTOM_SUCCESS to drop the frame"
    return Refused(CallbackOutputError.at(path, line_of(function), f"{name} returned {shown}", advice, callback=name))
