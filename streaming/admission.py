"""Who may publish on a path, and as what."""

from __future__ import annotations

import logging
from typing import Literal

from streaming.auth.addresses import address_of
from streaming.auth.hook import AuthHook, Question
from streaming.auth.publish_keys import PublishKeys
from streaming.auth.view_keys import hook_rules
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import ROLE, PublishRequest
from streaming.path_name import name_error
from streaming.publish_codes import BAD_NAME
from streaming.publisher_slot import Rank

logger = logging.getLogger(__name__)


class Admission:
    """Owns what checks keys and asks the operator's server; the registry is its only caller."""

    def __init__(self, config: Config) -> None:
        self._keys = PublishKeys()
        self._hook = AuthHook(hook_rules(config))

    def apply(self, config: Config) -> None:
        """Another configuration from now on."""
        if hook_rules(config) != self._hook.rules:
            self._hook.close()
            self._hook = AuthHook(hook_rules(config))

    def has_to_ask(self, request: PublishRequest, settings: PathConfig) -> bool:
        """Whether `check` looks at keys or asks somebody, which takes time."""
        if request.protocol == "pull":
            return False
        has_keys = bool(settings.publish_key or settings.publish_keys)
        return has_keys or self._hook.wants(_action(request))

    async def check(self, request: PublishRequest, settings: PathConfig) -> Rank:
        """The rank that the publisher may have. Raises PublishRejected."""
        reason = name_error(request.path)
        if reason:
            raise PublishRejected(BAD_NAME, reason, http_status=400)
        if request.protocol == "pull":
            return Rank.PRIMARY
        try:
            await self._keys.check(request, settings)
            await self._ask_hook(request)
        except PublishRejected as refusal:
            logger.warning("%s: %s refused: %s", request.path, request.remote, refusal)
            raise
        rank = _rank_of(request)
        if settings.source and rank is Rank.PRIMARY:
            raise PublishRejected(BAD_NAME, f"{request.path} pulls its own source", http_status=409)
        return rank

    def close(self) -> None:
        """Nobody is checked any more."""
        self._keys.close()
        self._hook.close()

    async def _ask_hook(self, request: PublishRequest) -> None:
        """Raises PublishRejected with the reason that the auth hook gives."""
        action = _action(request)
        if not self._hook.wants(action):
            return
        address = address_of(request.remote)
        verdict = await self._hook.ask(
            Question(action, request.path, request.protocol, address, request.key)
        )
        if verdict.status:
            raise PublishRejected(BAD_NAME, verdict.reason, http_status=verdict.status)


def _action(request: PublishRequest) -> Literal["whip", "publish"]:
    return "whip" if request.protocol == "whip" else "publish"


def _rank_of(request: PublishRequest) -> Rank:
    role = request.query.get(ROLE, Rank.PRIMARY.value)
    for rank in (Rank.PRIMARY, Rank.BACKUP):
        if role == rank.value:
            return rank
    reason = f"role={role[:32]!r} is neither primary nor backup"
    raise PublishRejected(BAD_NAME, reason, http_status=400)
