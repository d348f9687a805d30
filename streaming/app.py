"""The composition root: everything the main process consists of, started and stopped in order.

The main process has ingest, timelines and packaging on one event loop and nothing else; HTTP is
in delivery processes and FFmpeg in workers, so that neither viewers nor encoders are felt here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from streaming import __version__
from streaming.auth.view_keys import access_rules
from streaming.command_messages import SendMessage
from streaming.commands import Commands
from streaming.config import Config, EventsConfig, RtmpConfig, rtmp_certificate
from streaming.errors import ConfigError
from streaming.events.event_log import LogBounds
from streaming.events.events import Events
from streaming.fork_server.fork_server import present as present_fork_server
from streaming.ingest.rtmp.server import RtmpServer
from streaming.listening import listening_socket, reason, webrtc_sockets
from streaming.live_config import LiveConfig
from streaming.live_state.live_state import LiveState
from streaming.media_store import MediaStore
from streaming.path_messages import PathMessages, logged_messages
from streaming.path_news import segment_news
from streaming.path_registry import ConfigChanges, PathRegistry
from streaming.rtc.figures import webrtc_metrics
from streaming.rtc.signal_messages import SignalEvent
from streaming.rtc.webrtc_process import WebrtcProcess
from streaming.server.processes import DeliveryProcesses, refuse_signal
from streaming.server_metrics import (
    clock_metric,
    event_metrics,
    fork_server_metrics,
    live_state_metrics,
    loop_metric,
    message_metrics,
    rtmp_metrics,
    store_metrics,
    webhook_metrics,
)
from streaming.session_commands import NoViewers, SessionCommands
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig, Metric
from streaming.tls import Certificate
from streaming.utc_clock import UtcClock
from streaming.webhook_commands import WebhookCommands
from streaming.webhooks.webhooks import Webhooks

logger = logging.getLogger(__name__)

TICK_S = 0.25
"""Timers of paths: a player's patience, stalls and expiries are measured in whole seconds."""
REPORT_TICKS = 4
"""States go to the delivery processes every so many ticks, once a second."""


class App:
    """Owns every part of the main process; `run` is all that a command needs."""

    def __init__(
        self, config: Config, file: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """`file` and `environment` are where `config` came from, to be read again."""
        self._config = config
        self._store = MediaStore(config.store_bytes)
        self._feed = ShelfFeed(self._store)
        self._live_state = LiveState(config.state_dir, os.environ, self._store.open_reader())
        self._delivery_processes: DeliveryProcesses | None = None
        self._fork_server = present_fork_server()
        self._clock = UtcClock(self._live_state.started_utc)
        self._events = Events(self._live_state.root, self._clock, log_bounds(config.events))
        self._live_config = LiveConfig(
            config, file, environment or {}, self._apply, self._events.emit
        )
        self._webrtc = self._webrtc_process() if config.webrtc.enabled else None
        self._registry = PathRegistry(
            config,
            self._feed,
            self._clock,
            self._live_state,
            self._webrtc,
            self._events.emit,
            logged_messages(self._events.log.entries),
        )
        self._messages = PathMessages(self._registry.spoken, self._events.emit)
        self._reloads: set[asyncio.Task[None]] = set()
        self._restarts: dict[str, int] = {}
        self._lag_s = 0.0
        self._webhooks = self._webhook_process()
        self._rtmp = RtmpServer(config.rtmp, self._registry, clock=self._clock)
        self._signal = self._webrtc.signal if self._webrtc is not None else refuse_signal
        self._commands = Commands(
            self._registry,
            self._live_config,
            SessionCommands(self._registry, self._webrtc or NoViewers(), self._signal),
            self._send_message,
            WebhookCommands(self._live_config, self._webhooks, self._events.log),
        )

    def _webrtc_process(self) -> WebrtcProcess:
        return WebrtcProcess(
            self._config.webrtc,
            self._config.log_level,
            self._utc_ahead_s,
            self._tell,
            self._events.emit,
            self._send_message,
        )

    def _webhook_process(self) -> Webhooks:
        return Webhooks(
            self._config.webhooks,
            self._live_state.root,
            self._events.log,
            self._events.feed,
            self._config.log_level,
            lambda reason: self._events.emit(
                "worker.restarted", data={"worker": "webhooks", "reason": reason}
            ),
        )

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serves until SIGINT or SIGTERM; `ready` is called once both ports listen.

        Raises ConfigError when an address cannot be listened on.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            ready()
            await stop.wait()
            logger.info("stopping")

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        if self._fork_server is not None:
            stack.push_async_callback(self._fork_server.close)
        stack.callback(self._store.close)
        stack.callback(self._live_state.close)
        if self._config.events.segments:
            self._feed.on_segment = segment_news(self._events.emit)
        self._events.start({"name": self._config.name, "version": __version__})
        stack.callback(self._events.close)
        stack.callback(self._live_config.close)
        stack.push_async_callback(self._commands.close)
        http = stack.enter_context(listening_socket(self._config.http.listen, "http.listen"))
        delivery = self._delivery_processes = self._delivery(http)
        stack.push_async_callback(delivery.close)
        stack.push_async_callback(self._registry.close)
        self._registry.start()
        if self._config.rtmp.enabled:
            stack.push_async_callback(self._rtmp.close)
            await start_listening(self._rtmp, self._config.rtmp, self._rtmps_context(stack))
        if self._webrtc is not None:
            stack.push_async_callback(self._webrtc.close)
            udp, tcp = webrtc_sockets(self._config.webrtc)
            self._webrtc.start(self._registry, self._registry, udp, tcp)
        stack.push_async_callback(self._webhooks.close)
        self._webhooks.start()
        ticking = asyncio.create_task(self._tick(), name="ticks")
        stack.push_async_callback(cancelled, ticking)
        await delivery.start()

    def _rtmps_context(self, stack: contextlib.AsyncExitStack) -> ssl.SSLContext | None:
        """What RTMPS is encrypted by, following its files; None where there is no RTMPS."""
        if not self._config.rtmp.tls_listen:
            return None
        chain, key = rtmp_certificate(self._config)
        certificate = Certificate(Path(chain), Path(key), "rtmp", protocols=())
        following = asyncio.create_task(certificate.follow(), name="RTMPS certificate")
        stack.push_async_callback(cancelled, following)
        return certificate.context

    def _delivery(self, http: socket.socket) -> DeliveryProcesses:
        config = self._config
        if config.http.tls_certificate:  # here, where the reason reaches the operator
            Certificate(Path(config.http.tls_certificate), Path(config.http.tls_key))
        return DeliveryProcesses(
            DeliveryConfig(
                name=config.name,
                rtmp_listen=config.rtmp.listen if config.rtmp.enabled else "",
                allow_origins=config.http.allow_origins,
                max_connections=config.http.max_connections,
                drain_s=config.http.drain_s,
                cache_bytes=config.http.cache_bytes,
                log_level=config.log_level,
                webrtc=self._webrtc is not None,
                utc_ahead_s=self._utc_ahead_s(),
                tls_certificate=config.http.tls_certificate,
                tls_key=config.http.tls_key,
                access=access_rules(config),
            ),
            http,
            self._feed,
            processes=config.http.processes,
            on_path_wanted=self._registry.want,
            on_viewers=self._registry.set_viewers,
            other_viewers=self._webrtc_viewers,
            on_signal=self._signal,
            on_command=self._commands.execute,
            metrics=self._metrics,
            utc_ahead_s=self._utc_ahead_s,
            events=self._events.feed,
        )

    def _apply(self, config: Config) -> ConfigChanges:
        """Another configuration holds from now on, as far as it can without a restart."""
        rules = access_rules(config)
        self._config = config
        changes = self._registry.apply(config)
        self._webhooks.apply(config.webhooks)
        if self._delivery_processes is not None:
            self._delivery_processes.apply(rules)
        return changes

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._read_again())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _read_again(self) -> None:
        try:
            await self._live_config.reload()
        except ConfigError as error:
            logger.error("the configuration is not read again: %s", error)

    def _tell(self, event: SignalEvent) -> None:
        if self._delivery_processes is not None:
            self._delivery_processes.tell(event)

    def _send_message(self, wish: SendMessage) -> dict[str, Any]:
        return self._messages.send(wish, self._clock())

    def _utc_ahead_s(self) -> float:
        return self._clock.ahead_of_monotonic_s

    def _webrtc_viewers(self) -> Mapping[str, int]:
        return self._webrtc.viewers if self._webrtc is not None else {}

    def _metrics(self) -> list[Metric]:
        return [
            *rtmp_metrics(self._rtmp.statistics()),
            *store_metrics(self._store.statistics()),
            *live_state_metrics(self._live_state.statistics()),
            *event_metrics(self._events.statistics()),
            *message_metrics(self._messages.statistics()),
            *webhook_metrics(self._webhooks.statistics()),
            clock_metric(self._clock.offset_s),
            loop_metric(self._take_lag_s()),
            *(webrtc_metrics(self._webrtc.statistics()) if self._webrtc is not None else ()),
            *self._registry.metrics(),
            *(fork_server_metrics(self._fork_server.statistics()) if self._fork_server else ()),
        ]

    def _tell_restarts(self) -> None:
        """Of processes that serve all paths."""
        assert self._delivery_processes is not None
        starts = {"delivery": self._delivery_processes.statistics().restarts}
        if self._webrtc is not None:
            starts["webrtc"] = max(0, self._webrtc.statistics().worker.starts - 1)
        if self._fork_server is not None:
            starts["fork-server"] = self._fork_server.statistics().restarts
        for worker, count in starts.items():
            if count > self._restarts.get(worker, 0):
                self._events.emit("worker.restarted", data={"worker": worker, "restarts": count})
        self._restarts = starts

    def _take_lag_s(self) -> float:
        """The worst delay of a tick since this was asked last."""
        lag_s, self._lag_s = self._lag_s, 0.0
        return lag_s

    async def _tick(self) -> None:
        ticks, loop = 0, asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag_s = max(self._lag_s, loop.time() - due)
            ticks += 1
            try:
                await self._registry.handle_timer()
                if self._webrtc is not None:
                    self._webrtc.handle_timer()
                if ticks % REPORT_TICKS == 0:
                    self._clock.follow(is_idle=self._registry.is_idle)
                    self._registry.publish_states()
                    self._live_state.handle_timer(self._clock())
                    self._events.handle_timer()
                    self._tell_restarts()
            except Exception:
                logger.exception("a timer failed")


def log_bounds(config: EventsConfig) -> LogBounds:
    """How much of the past is kept."""
    return LogBounds(config.keep_count, config.keep_bytes, config.keep_s)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancels `task` and waits until it has gone."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def start_listening(
    server: RtmpServer, config: RtmpConfig, tls: ssl.SSLContext | None
) -> None:
    """Starts the RTMP server; raises ConfigError when it cannot listen."""
    try:
        await server.start(tls)
    except (OSError, OverflowError) as error:
        places = f"rtmp.listen = {config.listen!r}"
        if config.tls_listen:
            places += f", rtmp.tls_listen = {config.tls_listen!r}"
        raise ConfigError(f"{places}: {reason(error)}") from error


def serve(
    config: Config,
    ready: Callable[[], None],
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs the origin until it is told to stop; see App."""
    gc.freeze()
    uvloop.run(App(config, file, environment).run(ready))
