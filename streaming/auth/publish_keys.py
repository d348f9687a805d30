"""Whether a publisher's key is one of its path's: plain or hashed, never on the event loop's time.

Argon2 takes tens of milliseconds by intent, so a thread does it, one key at a time, and a key that
was right is remembered as an HMAC under a secret of this process: an encoder that comes back costs
microseconds, and nothing in memory can be tried against but through that secret.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final

from streaming.auth.failure_limit import FailureLimit
from streaming.config_paths import PathConfig
from streaming.errors import ConfigError, PublishRejected
from streaming.ingest.source import PublishRequest
from streaming.publish_codes import BAD_NAME

if TYPE_CHECKING:  # a sixth of a second, which an origin without hashed keys starts faster by
    from argon2 import PasswordHasher

MOST_REMEMBERED: Final = 10_000
"""Keys that were right, 2 MB; the publishers of a large installation and then some."""
MOST_WAITING: Final = 50
"""Keys that wait for the thread: some two seconds' work. Encoders wait for ten."""
MAX_KEY_CHARS: Final = 512
"""Longer ones are wrong unseen. Ours have 43."""
MAX_MEMORY_KIB: Final = 1 << 20
"""Of one verification. Argon2's own recommendation for servers is 2 GiB and less."""


@cache
def _hasher() -> PasswordHasher:
    """OWASP's smallest choice, 19 MiB: our own keys are random and need no stretching."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def new_key() -> str:
    """A key of 256 random bits that fits in URLs and encoders' fields."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What to write into the configuration for `key`."""
    return _hasher().hash(key)


def check_hash(text: str) -> None:
    """Raises ConfigError where `text` is not an argon2 hash that we would verify by."""
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        parameters = extract_parameters(text)
    except InvalidHashError:
        raise ConfigError(
            "publish_keys holds what is not an argon2 hash; `headwater key new` makes them"
        ) from None
    if parameters.memory_cost > MAX_MEMORY_KIB:
        raise ConfigError(f"publish_keys: a hash wants over {MAX_MEMORY_KIB} KiB to verify by")


class PublishKeys:
    """Owns the thread that verifies, what it found, and who was wrong how often.

    The registry asks before it gives a slot away, and closes it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = FailureLimit()
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()
        """Keyed digest of a key to the hash it was right for; latest last."""
        self._thread = ThreadPoolExecutor(1, "publish keys")
        self._waiting = 0
        self.verifications = 0
        """Argon2 runs so far."""

    async def check(self, request: PublishRequest, settings: PathConfig) -> None:
        """Returns where the key is right or none is needed.

        Raises PublishRejected with a reason that never says what would have been right.
        """
        if not settings.publish_key and not settings.publish_keys:
            return
        wait_s = self._failures.wait_s(request.remote, self._monotonic())
        if wait_s > 0:
            raise PublishRejected(
                BAD_NAME,
                f"too many wrong publish keys from this address; try again in {wait_s:.0f} s",
                http_status=429,
            )
        if not await self._is_right(request.key, settings):
            self._failures.fail(request.remote, self._monotonic())
            raise PublishRejected(
                BAD_NAME, f"wrong or missing publish key for {request.path}", http_status=401
            )

    def close(self) -> None:
        """Nobody is waited for any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _is_right(self, key: str, settings: PathConfig) -> bool:
        plain = settings.publish_key.encode()
        if plain and hmac.compare_digest(plain, key.encode()):
            return True
        if not key or len(key) > MAX_KEY_CHARS or not settings.publish_keys:
            return False
        digest = hmac.digest(self._secret, key.encode(), "sha256")
        if self._right.get(digest) in settings.publish_keys:
            self._right.move_to_end(digest)
            return True
        found = await self._verify(key, settings.publish_keys)
        if found is None:
            return False
        self._right[digest] = found
        while len(self._right) > MOST_REMEMBERED:
            self._right.popitem(last=False)
        return True

    async def _verify(self, key: str, hashes: tuple[str, ...]) -> str | None:
        if self._waiting >= MOST_WAITING:
            raise PublishRejected(
                BAD_NAME, "too many publish keys are being verified; try again", http_status=503
            )
        self._waiting += 1
        self.verifications += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, matching_hash, key, hashes)
        finally:
            self._waiting -= 1


def matching_hash(key: str, hashes: tuple[str, ...]) -> str | None:
    """Which of the `hashes` is of `key`; takes tens of milliseconds for each."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    for one in hashes:
        try:
            _hasher().verify(one, key)
        except (Argon2Error, InvalidHashError):
            continue
        return one
    return None
