"""GStreamer's webrtcbin as a WHIP publisher or WHEP viewer, for Debian's own Python, which has gi.

`python3 gstreamer_peer.py check` exits with 1 where a part of GStreamer is missing;
`python3 gstreamer_peer.py publish|view <endpoint> <seconds>` prints one JSON object: the states it
came to, and of a viewer how many pictures and sounds were decoded.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

import gi

for _name in ("Gst", "GstWebRTC", "GstSdp"):
    gi.require_version(_name, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=30/1 !
  x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=400 !
  video/x-h264,profile=constrained-baseline ! h264parse ! rtph264pay config-interval=-1 !
  application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer.
audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""
VIEW = "webrtcbin name=peer bundle-policy=max-bundle"
RECEIVED = (
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000",
)
DECODERS = {
    "video": "rtph264depay ! h264parse ! openh264dec",
    "audio": "rtpopusdepay ! opusdec",
}

NEEDED = ("webrtcbin", "nicesrc", "dtlsdec", "x264enc", "openh264dec", "opusenc")


class Peer:
    """One session."""

    def __init__(self, role: str, endpoint: str) -> None:
        self.loop = GLib.MainLoop()
        self.states: list[str] = []
        self.counts = {"video": 0, "audio": 0}
        self.error = ""
        self._role, self._endpoint = role, endpoint
        self._pipeline = Gst.Pipeline.new("whole")
        text = PUBLISH if role == "publish" else VIEW
        self._room = Gst.parse_bin_from_description(text, False)
        self._pipeline.add(self._room)
        self._peer = self._pipeline.get_by_name("peer")
        self._is_offered = False
        self._peer.connect("notify::connection-state", self._changed)
        self._peer.connect("notify::ice-gathering-state", self._gathered)
        self._peer.connect("pad-added", self._added)
        if role == "publish":
            self._peer.connect("on-negotiation-needed", self._negotiate)
        bus = self._pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)

    def run(self, seconds: float) -> None:
        """For so long from now on, or until an error."""
        self._pipeline.set_state(Gst.State.PLAYING)
        if self._role == "view":
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            for caps in RECEIVED:
                self._peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
            self._negotiate(self._peer)
        GLib.timeout_add(int(seconds * 1000), self.loop.quit)
        self.loop.run()
        self._pipeline.set_state(Gst.State.NULL)

    def _negotiate(self, peer: Any) -> None:
        promise = Gst.Promise.new_with_change_func(self._offer_made)
        peer.emit("create-offer", None, promise)

    def _offer_made(self, promise: Any) -> None:
        promise.wait()
        reply = promise.get_reply()  # to be kept: the offer is a part of it
        self._peer.emit("set-local-description", reply.get_value("offer"), None)

    def _gathered(self, peer: Any, _property: Any) -> None:
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if peer.get_property("ice-gathering-state") == complete and not self._is_offered:
            self._is_offered = True
            GLib.idle_add(self._ask)

    def _ask(self) -> bool:
        sdp = self._peer.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(
            self._endpoint, sdp.encode(), {"Content-Type": "application/sdp"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as response:
                text = response.read().decode()
        except OSError as error:
            self.error = f"{error}: {getattr(error, 'read', bytes)()!r}"
            self.loop.quit()
            return False
        _, answer = GstSdp.SDPMessage.new_from_text(text)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        promise = Gst.Promise.new()
        self._peer.emit("set-remote-description", described, promise)
        promise.wait()
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            self.error = str(reply.get_value("error"))
            self.loop.quit()
        return False

    def _changed(self, peer: Any, _property: Any) -> None:
        self.states.append(peer.get_property("connection-state").value_nick)

    def _added(self, _peer: Any, pad: Any) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(
            f"queue ! {DECODERS[kind]} ! fakesink name=out signal-handoffs=true sync=false", True
        )
        decoder.get_by_name("out").connect("handoff", lambda *_: self._count(kind))
        self._room.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def _count(self, kind: str) -> None:
        self.counts[kind] += 1

    def _failed(self, _bus: Any, message: Any) -> None:
        self.error = str(message.parse_error())
        self.loop.quit()


def main(arguments: list[str]) -> None:
    """See above."""
    Gst.init(None)
    if arguments == ["check"]:
        sys.exit(not all(map(Gst.ElementFactory.find, NEEDED)))
    role, endpoint, seconds = arguments[0], arguments[1], float(arguments[2])
    peer = Peer(role, endpoint)
    peer.run(seconds)
    print(json.dumps({"states": peer.states, "error": peer.error, **peer.counts}))


if __name__ == "__main__":
    main(sys.argv[1:])
