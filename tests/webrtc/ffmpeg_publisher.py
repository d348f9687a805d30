"""Publishes moving pictures and silence by FFmpeg's whip muxer, until it is ended.

A program of its own, since PyAV keeps the GIL through the muxer's handshakes:
`python -m tests.webrtc.ffmpeg_publisher URL FOLDER`, where the folder is for the certificate.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import av
from cryptography.hazmat.primitives import serialization

from webrtc.dtls import Certificate

WIDTH, HEIGHT, RATE = 320, 180, 30


def push(url: str, folder: Path) -> None:
    """Encode and send in real time."""
    options = {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}
    with av.open(url, "w", format="whip", options=options) as out:
        encoder = {"profile": "baseline", "tune": "zerolatency", "g": "30", "bf": "0"}
        stream = out.add_stream("libx264", rate=RATE, options=encoder)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = out.add_stream("libopus", rate=48_000, layout="stereo")
        began, number = time.monotonic(), 0
        while True:
            picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in picture.planes:
                plane.update(bytes([number * 3 % 200]) * plane.buffer_size)
            picture.pts = number
            out.mux(stream.encode(picture))
            silence = av.AudioFrame("flt", "stereo", 1_600)
            silence.planes[0].update(bytes(silence.planes[0].buffer_size))
            silence.sample_rate, silence.pts = 48_000, number * 1_600
            out.mux(sound.encode(silence))
            number += 1
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))


def write_certificate(folder: Path) -> None:
    """P-256: the muxer's own is on a curve that OpenSSL refuses."""
    certificate, encoding = Certificate.generateCertificate(), serialization.Encoding.PEM
    key = certificate._key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(certificate._cert.public_bytes(encoding))


if __name__ == "__main__":
    av.logging.set_level(av.logging.VERBOSE)
    write_certificate(Path(sys.argv[2]))
    push(sys.argv[1], Path(sys.argv[2]))
