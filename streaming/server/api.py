"""The read-only REST API under /api/v1."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp.web import Response

from streaming.server.answers import json_response, problem_response
from streaming.shelf_messages import PathState, Totals

PREFIX: Final = "/api/v1/"


def api_response(
    target: str, paths: dict[str, PathState], totals: Totals, server: dict[str, Any]
) -> Response:
    """The answer to GET `target` (decoded, begins with /api/)."""
    if not target.startswith(PREFIX):
        return problem_response(404, "Not found", "The API lives under /api/v1/.")
    name = target.removeprefix(PREFIX).rstrip("/")
    if name == "server":
        return json_response(server)
    has_webrtc = bool(server["webrtc"])
    if name == "paths":
        records = [_path_record(paths[key], totals, has_webrtc) for key in sorted(paths)]
        return json_response({"paths": records})
    if name.startswith("paths/"):
        return _one_path(name.removeprefix("paths/"), paths, totals, has_webrtc)
    return problem_response(404, "Not found", f"There is no {target!r} in this API.")


def _one_path(name: str, paths: dict[str, PathState], totals: Totals, has_webrtc: bool) -> Response:
    state = paths.get(name)
    if state is None:
        return problem_response(404, "No such path", f"Nothing is published at {name!r}.")
    return json_response(_path_record(state, totals, has_webrtc))


def _path_record(state: PathState, totals: Totals, has_webrtc: bool) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.structs.asdict(state)
    record["viewers"] = totals.viewers.get(state.path, 0)
    folder = f"/{state.path}/"
    record["urls"] = {
        "page": folder,
        "hls": folder + "index.m3u8",
        "dash": folder + "manifest.mpd",
    }
    if has_webrtc:
        record["urls"] |= {"whep": folder + "whep", "whip": folder + "whip"}
    return record
