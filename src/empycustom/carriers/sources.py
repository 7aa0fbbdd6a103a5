"""The sources of objects that a carrier of plain GStreamer uses, by the API of their metas."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from empycustom.carriers.protocol import ObjectSource
from empycustom.native.gva import message_api
from empycustom.native.own_metas import Metas


class Sources(dict[int, ObjectSource | None]):
    """The sources of objects by the API of their metas. What is not known is looked for among those of ``others``, once."""

    messages = 0  # the API of DL Streamer's messages, once there was one

    def __init__(self, ours: Iterable[ObjectSource], others: Callable[[], Iterable[ObjectSource]]) -> None:
        self._ours, self._others = tuple(ours), others
        super().__init__({source.api: source for source in self._ours if source.api})

    def __missing__(self, api: int) -> ObjectSource | None:
        if api == message_api():
            self.messages = api
        late = {source.api: source for source in self._ours}  # some APIs are registered when they are first used
        found = late.get(api) or {source.api: source for source in self._others()}.get(api)
        self[api] = found
        return found

    @property
    def order(self) -> list[ObjectSource]:
        """All that are in use, ours first."""
        return [source for source in self.values() if source]

    def know(self, metas: Metas) -> bool:
        """Return whether there is anything among metas that is read."""
        return any(self[api] is not None or api == self.messages for api, _ in metas.others)

    def are_shared(self, metas: Metas) -> bool:
        """Return whether copies of some of the metas have the same objects, which others may change."""
        return any(getattr(self[api], "is_shared", False) for api, _ in metas.others)

    def taker(self, metas: Metas) -> ObjectSource | None:
        """Return the source of the metas on a buffer that takes its new objects; None: no one but that of all buffers does."""
        return next((source for api, _ in metas.others if (source := self[api]) and getattr(source, "takes_new", False)), None)
