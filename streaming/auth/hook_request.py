"""One question to the authorization hook over HTTP, and what its answer means."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import Any, Final

from streaming.auth.hook import HookRules, NoAnswer, Question, Verdict

MOST_ANSWER_BYTES: Final = 16_384
MOST_REASON_CHARS: Final = 200


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Credentials go to where the configuration says, and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def post(rules: HookRules, question: Question) -> Verdict:
    """Asks; blocks for about the time-out at most. Raises NoAnswer."""
    headers = {"Content-Type": "application/json"}
    if rules.secret:
        headers["Authorization"] = f"Bearer {rules.secret}"
    body = json.dumps(asdict(question)).encode()
    try:
        request = urllib.request.Request(rules.url, data=body, headers=headers, method="POST")
        with _opener.open(request, timeout=rules.timeout_s) as answer:
            return read_verdict(answer.status, answer.read(MOST_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return read_verdict(error.code, error.read(MOST_ANSWER_BYTES))
    except (OSError, ValueError, EOFError) as error:
        raise NoAnswer(f"{getattr(error, 'reason', None) or error}") from None
    except Exception as error:  # http.client's own tree: a peer that speaks no HTTP
        raise NoAnswer(type(error).__name__) from None


def read_verdict(status: int, body: bytes) -> Verdict:
    """2xx is yes, unless it says {"allow": false}; 4xx is no. Raises NoAnswer for all else."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    reason = str(told.get("reason") or told.get("detail") or "not allowed")
    reason = "".join(c for c in reason if c.isprintable())[:MOST_REASON_CHARS]
    if 200 <= status < 300 and told.get("allow", True) is True:
        return Verdict()
    if 200 <= status < 300 or status in (401, 403):
        return Verdict(status if status in (401, 403) else 403, reason)
    if 400 <= status < 500 and status not in (404, 405, 408, 429):
        return Verdict(403, reason)
    raise NoAnswer(f"HTTP status {status}")
