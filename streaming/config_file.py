"""Reads the configuration: a TOML file, the environment over it, then what the API has set."""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec

from streaming.auth.publish_keys import check_hash
from streaming.config import DEMO_PATHS, Config, rtmp_certificate
from streaming.config_overlay import Overlay, lay_over, overlay_file, read_overlay
from streaming.config_paths import PathConfig
from streaming.config_values import PORT
from streaming.errors import ConfigError
from streaming.events.event_filter import EventFilter, FilterError
from streaming.path_name import name_error
from streaming.transcode.written_ladder import validate_ladder
from streaming.webhooks.signature import secret_error

ENVIRONMENT_PREFIX = "HEADWATER_"
MOST_WEBHOOKS = 100
"""Each has threads of its own, and its queue is counted every second."""
_HOOK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load_config(
    file: Path | None, environment: Mapping[str, str], overlay: Overlay | None = None
) -> Config:
    """The configuration from `file` (None: defaults and the demo path) and the environment.

    `overlay` is what the API has set; without it, what is kept beside the file.

    Raises ConfigError, whose message names the file or variable, the key, and the nearest known
    key or what would be right.
    """
    if file is None:
        config = _build({}, "the environment", environment)
        return config if config.paths else msgspec.structs.replace(config, paths=dict(DEMO_PATHS))
    values = _read_toml(file)
    _refuse_unknown(values, Config, (), str(file))
    overlay = overlay or read_overlay(file)
    _refuse_unknown({"paths": overlay.paths}, Config, (), str(overlay_file(file)))
    _refuse_unknown({"webhooks": [*overlay.webhooks.values()]}, Config, (), str(overlay_file(file)))
    return _build(values, str(file), environment, overlay)


def check_config(
    toml: str, environment: Mapping[str, str], overlay: Overlay | None = None
) -> Config:
    """What `toml` would be as the configuration file, under `overlay`. Raises ConfigError."""
    values = _parse_toml(toml, "the file")
    _refuse_unknown(values, Config, (), "the file")
    return _build(values, "the file", environment, overlay)


def _build(
    values: dict[str, Any],
    where: str,
    environment: Mapping[str, str],
    overlay: Overlay | None = None,
) -> Config:
    _overlay_environment(values, environment)
    if overlay is not None:
        lay_over(values, overlay)
    config = _convert(values, where)
    _check_listeners(config, where)
    _check_proxies(config, where)
    _check_webhooks(config, where)
    _check_certificates(config, where)
    for name, path in config.paths.items():
        _check_path(name, path, where, has_hook=bool(config.auth_hook.url))
    return config


def _check_proxies(config: Config, where: str) -> None:
    for text in config.http.trusted_proxies:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            reason = f"{text!r} is neither an address nor a network"
            raise ConfigError(f"{where}: http.trusted_proxies: {reason}") from None


def _check_listeners(config: Config, where: str) -> None:
    """Two cannot have one TCP port at one address."""
    listens = {"http.listen": config.http.listen, "rtmp.tls_listen": config.rtmp.tls_listen}
    listens |= {"rtmp.listen": config.rtmp.listen} if config.rtmp.enabled else {}
    webrtc = config.webrtc
    listens |= {"webrtc.listen": webrtc.listen} if webrtc.enabled and webrtc.tcp else {}
    for (key, one), (other_key, other) in itertools.combinations(listens.items(), 2):
        if one and one == other and not one.endswith(":0"):
            raise ConfigError(f"{where}: {other_key} and {key} are both {one}")


def _check_certificates(config: Config, where: str) -> None:
    for table, part in (("http", config.http), ("rtmp", config.rtmp)):
        if bool(part.tls_certificate) != bool(part.tls_key):
            raise ConfigError(
                f"{where}: {table}.tls_certificate and {table}.tls_key need each other"
            )
    if config.rtmp.tls_listen and not rtmp_certificate(config)[0]:
        raise ConfigError(f"{where}: rtmp.tls_listen needs rtmp.tls_certificate and rtmp.tls_key")


def _check_webhooks(config: Config, where: str) -> None:
    if len(config.webhooks) > MOST_WEBHOOKS:
        raise ConfigError(f"{where}: there are more than {MOST_WEBHOOKS} webhooks")
    names = [webhook.name for webhook in config.webhooks]
    for webhook in config.webhooks:
        place = f'{where}: webhooks "{webhook.name}"'
        if names.count(webhook.name) > 1:
            raise ConfigError(f"{place}: the name is there twice")
        for secret in webhook.secrets:
            reason = secret_error(secret)
            if reason:
                raise ConfigError(f"{place}: secrets: {reason}")
        try:
            EventFilter(webhook.paths, webhook.types)
        except FilterError as error:
            raise ConfigError(f"{place}: {error}") from error


def _check_path(name: str, path: PathConfig, where: str, *, has_hook: bool) -> None:
    """What types alone cannot say."""
    try:
        wrong_name = "" if set(name) & set("*?[") else name_error(name)
        if wrong_name:
            raise ConfigError(wrong_name)
        validate_ladder(path.ladder)
        if path.view == "hook" and not has_hook:
            raise ConfigError('view = "hook" needs a url in [auth_hook]')
        for one in path.publish_keys:
            check_hash(one)
        if path.source and set(name) & set("*?["):
            raise ConfigError("a source belongs to one path, so its table cannot be a pattern")
        if path.slate_always and set(name) & set("*?["):
            raise ConfigError("slate_always belongs to one path, so its table cannot be a pattern")
        if path.slate_always and not path.slate:
            raise ConfigError("slate_always needs a slate")
        if path.slate_always and path.source_on_demand:
            raise ConfigError("slate_always leaves nothing to pull on demand for")
        if path.source_on_demand and not path.source:
            raise ConfigError("source_on_demand needs a source")
        if path.ladder == "none" and path.audio == "none":
            raise ConfigError('ladder = "none" and audio = "none" leave nothing to see or hear')
        if path.part_duration_s > path.segment_duration_s:
            lengths = f"{path.part_duration_s:g} is longer than segment_duration_s"
            raise ConfigError(f"part_duration_s {lengths} {path.segment_duration_s:g}")
        if path.frame_hook and not _HOOK.fullmatch(path.frame_hook):
            raise ConfigError(f'frame_hook "{path.frame_hook}" is not "module:function"')
    except ConfigError as error:
        raise ConfigError(f'{where}: paths."{name}": {error}') from error


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    return _parse_toml(text, str(file))


def _parse_toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of long numbers and brackets in brackets, too
        raise ConfigError(f"{where}: not TOML: {error}") from error


def _convert(values: dict[str, Any], where: str) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        name = _wrong_path(values.get("paths"))
        raise ConfigError(f"{where}: {_readable(str(error), name)}") from error


def _wrong_path(tables: Any) -> str:
    """Name of the path table that cannot be read, which msgspec does not tell; "" if none."""
    for name, table in tables.items() if isinstance(tables, dict) else ():
        try:
            msgspec.convert(table, PathConfig)
        except msgspec.ValidationError:
            return str(name)
    return ""


def _readable(message: str, path_name: str) -> str:
    text, separator, path = message.partition(" - at `$")
    if not separator:
        return text
    keys = path.rstrip("`").lstrip(".")
    if text.startswith("Invalid enum value"):
        text = f"{text.replace('enum ', '', 1)}; it may be {', '.join(_words_of(keys))}"
    elif "matching regex" in text and PORT in text:
        text = "Expected an address and a port up to 65535, such as 0.0.0.0:8080"
    table = f'paths."{path_name}"'
    return f"{keys.replace('paths[...]', table, 1)}: {text}"


def _words_of(keys: str) -> list[str]:
    """The words that the setting at these keys may be, each in quotes."""
    kinds: list[Any] = [Config]
    for key in re.sub(r"\[[^]]*\]", "", keys).split("."):
        structs = [kind for kind in kinds if _is_struct(kind)]
        fields = [one for struct in structs for one in msgspec.structs.fields(struct)]
        kinds = [
            kind for one in fields if one.encode_name == key for kind in _nested_types(one.type)
        ]
    return [f'"{kind}"' for kind in kinds if isinstance(kind, str)]


def _refuse_unknown(values: Any, kind: Any, at: tuple[str, ...], where: str) -> None:
    if isinstance(values, Mapping) and _is_struct(kind):
        types = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
        for key, value in values.items():
            if key not in types:
                raise ConfigError(f"{where}: {unknown_key(key, types, at)}")
            _refuse_unknown(value, types[key], (*at, key), where)
    elif isinstance(values, Mapping) and kind == dict[str, PathConfig]:
        for key, value in values.items():
            _refuse_unknown(value, PathConfig, (*at, f'"{key}"'), where)
    elif isinstance(values, list):
        for element in (s for s in _nested_types(kind) if _is_struct(s)):
            for index, value in enumerate(values):
                _refuse_unknown(value, element, (*at, f"[{index}]"), where)


def unknown_key(key: str, known: Mapping[str, Any], at: tuple[str, ...]) -> str:
    """The sentence that refuses `key` and names the nearest of the `known` keys."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(sorted(known))}"
    place = f" in [{'.'.join(at)}]" if at else ""
    return f'unknown key "{key}"{place}; {hint}'


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _nested_types(kind: Any) -> list[Any]:
    arguments = get_args(kind)
    return [kind] if not arguments else [n for a in arguments for n in _nested_types(a)]


def _overlay_environment(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    """HEADWATER_HTTP__LISTEN sets http.listen; HEADWATER_PATHS__<pattern>__<KEY> a path's key.

    Values are TOML where the key is not text: true, 12, ["a"], {...}.
    """
    for variable in sorted(environment):
        if variable.startswith(ENVIRONMENT_PREFIX):
            keys = variable.removeprefix(ENVIRONMENT_PREFIX).split("__")
            _set_from_environment(values, keys, variable, environment[variable])


def _set_from_environment(
    values: dict[str, Any], keys: list[str], variable: str, text: str
) -> None:
    kind: Any = Config
    at: tuple[str, ...] = ()
    table = values
    for position, raw in enumerate(keys):
        if _is_struct(kind):
            key = raw.lower()
            types = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
            if key not in types:
                raise ConfigError(f"{variable}: {unknown_key(key, types, at)}")
            kind = types[key]
        elif kind == dict[str, PathConfig]:
            key, kind = raw, PathConfig
        else:
            raise ConfigError(f"{variable}: {'.'.join(at)} has no keys of its own")
        at = (*at, key)
        if position == len(keys) - 1:
            table[key] = _environment_value(kind, text)
            _refuse_unknown(table[key], kind, at, variable)
        else:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{variable}: {'.'.join(at)} is set as a whole elsewhere")


def _environment_value(kind: Any, text: str) -> Any:
    """`text` as the key's type wants it; a bare word stays text for msgspec to judge."""
    if kind is str or (get_origin(kind) is Annotated and get_args(kind)[0] is str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
