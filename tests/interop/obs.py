"""OBS Studio on a screen of its own, streaming a scene of one colour.

    with obs_streaming(tmp_path, server="rtmp://127.0.0.1:1935/live", key="foo") as obs:
        obs.wait_log("Streaming Start")

A folder of its own takes the place of the home directory, so that nothing of the machine's user
shows. Everything blocks; an async test calls the waits through `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = "obs-studio xvfb"
START_S: Final = 40.0
"""OBS draws with the processor here; on an idle machine it streams after three."""
STOP_S: Final = 15.0
POLL_S: Final = 0.1

WIDTH, HEIGHT, RATE = 640, 360, 30
COLOUR = (0xE0, 0x80, 0x30)
"""What the scene shows: red, green, blue."""


def obs_lacks() -> str:
    """The program that is missing; empty when none is."""
    return next((name for name in ("obs", "Xvfb") if shutil.which(name) is None), "")


@dataclass
class Obs:
    """A running OBS; made by `obs_streaming`."""

    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Everything OBS has written so far."""
        return self.log_file.read_text("utf-8", "replace")

    def wait_log(self, pattern: str, within_s: float = START_S) -> re.Match[str]:
        """Waits until the regular expression `pattern` appears in its log."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log())
            if found is not None:
                return found
            assert self.process.poll() is None, f"OBS ended, waiting for {pattern!r}"
            time.sleep(POLL_S)
        raise AssertionError(f"{within_s} s were not enough for OBS to say {pattern!r}")

    def stop(self) -> None:
        """Ends OBS as a session's end does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def obs_streaming(folder: Path, *, server: str, key: str) -> Iterator[Obs]:
    """Starts OBS, which goes live on `server` with `key` by itself, and stops it at the end."""
    write_settings(folder / ".config" / "obs-studio", server, key)
    log_file = folder / "obs.log"
    with _screen() as display, log_file.open("wb") as output:
        process = subprocess.Popen(
            ["obs", "--multi", "--startstreaming", "--minimize-to-tray", "--verbose",
             "--unfiltered_log", "--profile", "Test", "--collection", "Test"],
            env=_environment(folder, display),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        obs = Obs(process, log_file)
        try:
            yield obs
            obs.stop()
        except BaseException:
            print(f"--- OBS's log ---\n{obs.log()[-6000:]}")
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def write_settings(folder: Path, server: str, key: str) -> None:
    """A profile and a scene collection, both named Test, as OBS 29 keeps them."""
    profile = folder / "basic" / "profiles" / "Test"
    scenes = folder / "basic" / "scenes"
    profile.mkdir(parents=True)
    scenes.mkdir(parents=True)
    (folder / "global.ini").write_text(GLOBAL)
    (profile / "basic.ini").write_text(PROFILE)
    settings = {"server": server, "key": key, "use_auth": False, "bwtest": False}
    service = {"type": "rtmp_custom", "settings": settings}
    (profile / "service.json").write_text(json.dumps(service))
    (scenes / "Test.json").write_text(json.dumps(_scene_collection()))


GLOBAL = """
[General]
FirstRun=true
LastVersion=486539266
EnableAutoUpdates=false
ConfirmOnExit=false
[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test
[BasicWindow]
SysTrayEnabled=true
"""

PROFILE = f"""
[General]
Name=Test
[Output]
Mode=Simple
Reconnect=false
[SimpleOutput]
VBitrate=800
ABitrate=96
UseAdvanced=true
Preset=ultrafast
x264Settings=keyint={RATE} scenecut=0
StreamEncoder=x264
[Video]
BaseCX={WIDTH}
BaseCY={HEIGHT}
OutputCX={WIDTH}
OutputCY={HEIGHT}
FPSCommon={RATE}
[Audio]
SampleRate=48000
ChannelSetup=Stereo
"""


def _scene_collection() -> dict[str, Any]:
    """One scene, filled by one coloured source."""
    red, green, blue = COLOUR
    colour = {
        "id": "color_source",
        "versioned_id": "color_source_v3",
        "name": "Colour",
        "settings": {
            "color": 0xFF << 24 | blue << 16 | green << 8 | red,
            "width": WIDTH,
            "height": HEIGHT,
        },
    }
    item = {"name": "Colour", "id": 1, "visible": True, "scale": {"x": 1.0, "y": 1.0}}
    scene = {
        "id": "scene",
        "name": "Scene",
        "settings": {"items": [item], "id_counter": 1, "custom_size": False},
    }
    return {
        "name": "Test",
        "current_scene": "Scene",
        "current_program_scene": "Scene",
        "scene_order": [{"name": "Scene"}],
        "sources": [colour, scene],
    }


@contextlib.contextmanager
def _screen() -> Iterator[str]:
    """A virtual screen of a number that is free; gives its DISPLAY."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    process = subprocess.Popen(
        command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write)
    try:
        with open(read, "rb") as number:
            yield f":{number.readline().decode().strip()}"
    finally:
        process.terminate()
        process.wait()


def _environment(folder: Path, display: str) -> dict[str, str]:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "XDG_RUNTIME_DIR": str(runtime),
        "DISPLAY": display,
        "LANG": "C.UTF-8",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "QT_QPA_PLATFORM": "xcb",
        # It asks for news of services at each start: nothing leaves this machine.
        "https_proxy": "http://127.0.0.1:9",
    }
