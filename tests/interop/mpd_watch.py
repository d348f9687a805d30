"""Fetches the manifests of a path again and again and lets the schema judge each version."""

from __future__ import annotations

from lxml import etree

from bench.poller import Poller
from tests.interop.origin_process import OriginProcess
from tests.segmenter.dash.judges import validate
from tests.segmenter.dash.watch import ManifestWatch

EVERY_S = 0.03
"""Shorter than any two changes of a manifest are apart, but for those of one moment."""
NAMES = ("manifest.mpd", "low-latency.mpd")


class MpdWatch(Poller):
    """Polls while the block lasts; call `validate` once before, as it may skip.

    ``manifest.mpd`` is also held against what may change from one version to the next.
    """

    def __init__(self, origin: OriginProcess, path: str) -> None:
        super().__init__("mpd watch", EVERY_S)
        self.versions: dict[str, list[str]] = {name: [] for name in NAMES}
        self.complaints: list[str] = []
        self._origin = origin
        self._path = path
        self._updates = ManifestWatch()

    def look(self) -> None:
        """See Poller."""
        for name in NAMES:
            status, body = self._origin.fetch(f"/{self._path}/{name}")
            text = body.decode()
            if status == 200 and text not in self.versions[name][-1:]:
                self.versions[name].append(text)
                self._judge(name, text)

    def _judge(self, name: str, text: str) -> None:
        try:
            validate(text)
            if name == "manifest.mpd":
                self._updates.see(text)
        except (etree.DocumentInvalid, AssertionError) as error:
            self.complaints.append(f"{name}: {error}")
