"""The configuration: defaults, files, the environment, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streaming.auth.publish_keys import hash_key
from streaming.config import Config, EventsConfig, HttpConfig, RtmpConfig, WebrtcConfig, path_config
from streaming.config_access import ApiConfig, AuthHookConfig, ViewConfig
from streaming.config_example import render_example
from streaming.config_file import check_config, load_config
from streaming.config_paths import PathConfig, RungConfig
from streaming.errors import ConfigError
from streaming.ingest.rtmp.limits import BITRATE_WINDOW_S

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, text: str, **environment: str) -> Config:
    file = tmp_path / "headwater.toml"
    file.write_text(text)
    return load_config(file, environment)


def test_without_a_file_the_demo_path_is_pulled_from_the_test_source() -> None:
    assert load_config(None, {}).paths["demo"].source == "test:"


def test_by_default_latency_is_low_windows_outlive_the_origin_and_publishers_may_return() -> None:
    config = load_config(None, {})
    path = path_config(config, "live/foo")
    assert (path.segment_duration_s, path.part_duration_s) == (2.0, 0.2)
    assert path.linger_s == 60
    assert config.state_dir != "memory"


def test_nothing_listens_beyond_loopback_by_default() -> None:
    config = load_config(None, {})
    assert config.http.listen == "127.0.0.1:8080"
    assert config.rtmp.listen == "127.0.0.1:1935"


def test_an_unknown_key_is_refused_with_file_key_and_nearest_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, "[http]\nlisten_adress = 'x'\n")
    message = str(refusal.value)
    assert "headwater.toml" in message
    assert '"listen_adress" in [http]' in message
    assert 'did you mean "listen"?' in message


def test_an_unknown_key_of_a_path_names_the_pattern(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"windows_s" in \[paths\."live/\*"\].*"window_s"'):
        load(tmp_path, '[paths."live/*"]\nwindows_s = 10\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[paths.a]\n[paths."b/*"]\nladder = "cpy"', r'paths\."b/\*"\.ladder: Invalid value .cpy.'),
        ('[paths.a]\nladder = "cpy"', 'it may be "auto", "copy", "none"'),
        ('[paths.a]\nladder = [{name = "b", codec = "vp8"}]', '"h264", "hevc", "av1", "vp9"'),
        ('log_level = "loud"', 'log_level: .* "debug", "info"'),
        ("[paths.api]", r'paths\."api": .* reserved'),
        ('[paths."a b"]', "cannot be a path"),
        ("[paths.a]\n[paths.b]\nwindow_s = 1", r'paths\."b"\.window_s: Expected'),
        ('[http]\nlisten = "0.0.0.0:65536"', r"http\.listen: Expected an address and a port up to"),
        ('[rtmp]\nlisten = "localhost"', r"rtmp\.listen: Expected an address and a port"),
    ],
)
def test_a_wrong_value_is_told_with_its_table_and_what_would_be_right(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)


def test_every_port_that_there_is_can_be_listened_at(tmp_path: Path) -> None:
    for port in (0, 1, 80, 8080, 59_999, 60_000, 64_999, 65_499, 65_529, 65_535):
        listen = f"[::]:{port}"
        assert load(tmp_path, f'[http]\nlisten = "{listen}"').http.listen == listen


def test_an_unknown_key_of_a_rung_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"hight".*"height"'):
        load(tmp_path, '[paths.a]\nladder = [{ name = "720p", hight = 720 }]\n')


def test_a_value_of_the_wrong_type_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"http\.processes: Expected `int`"):
        load(tmp_path, "[http]\nprocesses = 'two'\n")


def test_text_that_is_no_toml_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"headwater\.toml: not TOML"):
        load(tmp_path, "[http\n")


@pytest.mark.parametrize(
    "toml", ["a = " + "[" * 20_000, "a = {" * 5_000, "a = " + "9" * 5_000, "a = 1 = 2"],
    ids=["arrays", "tables", "number", "twice"],
)  # fmt: skip
def test_what_no_parser_can_read_is_not_toml(toml: str) -> None:
    with pytest.raises(ConfigError, match="the file: not TOML"):
        check_config(toml, {})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load_config(Path("nowhere.toml"), {})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path, "[http]\nlisten = '127.0.0.1:1'\n", HEADWATER_HTTP__LISTEN="0.0.0.0:9090"
    )
    assert config.http.listen == "0.0.0.0:9090"


def test_the_environment_reaches_numbers_words_lists_and_paths(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "",
        HEADWATER_HTTP__PROCESSES="2",
        HEADWATER_LOG_LEVEL="debug",
        HEADWATER_HTTP__ALLOW_ORIGINS='["https://example.org"]',
        HEADWATER_PATHS__demo__PUBLISH_KEY="123",
        HEADWATER_PATHS__demo__LADDER='[{name = "480p", height = 480}]',
        UNRELATED="1",
    )
    assert config.http.processes == 2
    assert config.log_level == "debug"
    assert config.http.allow_origins == ("https://example.org",)
    assert config.paths["demo"].publish_key == "123"
    assert config.paths["demo"].ladder == (RungConfig(name="480p", height=480),)


def test_a_table_set_as_a_whole_and_in_part_is_refused_by_the_variable_name() -> None:
    with pytest.raises(ConfigError, match="HEADWATER_PATHS__demo__LADDER: paths is set as a whole"):
        load_config(None, {"HEADWATER_PATHS": "", "HEADWATER_PATHS__demo__LADDER": "copy"})


def test_an_unknown_environment_key_is_refused_by_the_variable_name() -> None:
    with pytest.raises(ConfigError, match=r'HEADWATER_HTTP__LISTE: unknown key "liste".*"listen"'):
        load_config(None, {"HEADWATER_HTTP__LISTE": "x"})


ANOTHER = {
    "http.listen": "[::1]:7",
    "http.trusted_proxies": '["10.0.0.1"]',
    "rtmp.listen": "[::1]:7",
    "rtmp.tls_listen": "[::1]:7",
    "webrtc.listen": "[::1]:7",
    "webrtc.stun_server": "stun.example.org:3478",
    "webrtc.ice_servers": '[{ urls = ["stun:example.org:3478"] }]',
    "api.tokens": f'[{{ name = "a", hash = "sha256:{"0" * 64}" }}]',
    "view.keys": '[{ id = "a" }]',
    "auth_hook.url": "https://example.org/",
    "webhooks": f'[{{ name = "a", url = "https://a.example/", secrets = ["whsec_{"A" * 32}"] }}]',
    "path.publish_keys": f"['{hash_key('a')}']",
    "path.view": "token",
    "path.ladder": "copy",
    "path.frame_hook": "module:function",
}
"""Values other than the default where those that `another` makes are refused."""
COMPANIONS = {
    "http.tls_certificate": {"HTTP__TLS_KEY": "b"},
    "http.tls_key": {"HTTP__TLS_CERTIFICATE": "b"},
    "rtmp.tls_certificate": {"RTMP__TLS_KEY": "b"},
    "rtmp.tls_key": {"RTMP__TLS_CERTIFICATE": "b"},
    "rtmp.tls_listen": {"RTMP__TLS_CERTIFICATE": "b", "RTMP__TLS_KEY": "b"},
    "path.source_on_demand": {"PATHS__demo__SOURCE": "test:"},
    "path.slate_always": {"PATHS__demo__SLATE": "card"},
}
"""What has to be set as well."""
TABLES = {
    name: (kind, f"{prefix}__" if prefix else "")
    for name, kind, prefix in (
        ("", Config, ""),
        ("http", HttpConfig, "HTTP"),
        ("rtmp", RtmpConfig, "RTMP"),
        ("webrtc", WebrtcConfig, "WEBRTC"),
        ("events", EventsConfig, "EVENTS"),
        ("api", ApiConfig, "API"),
        ("view", ViewConfig, "VIEW"),
        ("auth_hook", AuthHookConfig, "AUTH_HOOK"),
        ("path", PathConfig, "PATHS__demo"),
    )
}
KEYS = [
    f"{table}.{field.name}".lstrip(".")
    for table, (kind, _) in TABLES.items()
    for field in msgspec.structs.fields(kind)
    if table or field.name not in {*TABLES, "paths"}
]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_come_from_the_environment(key: str) -> None:
    table, _, name = key.rpartition(".")
    kind, prefix = TABLES[table]
    (field,) = (field for field in msgspec.structs.fields(kind) if field.name == name)
    before = getattr(kind(), name)
    text = ANOTHER.get(key) or another(field.type, before)
    told = {f"{prefix}{name.upper()}": text, **COMPANIONS.get(key, {})}
    config = load_config(None, {f"HEADWATER_{variable}": value for variable, value in told.items()})
    owner = config.paths["demo"] if table == "path" else getattr(config, table) if table else config
    assert getattr(owner, name) != before


def another(kind: object, default: object) -> str:
    """What the environment has to say for a value that is not the default."""
    told = msgspec.inspect.type_info(kind)
    if isinstance(told, msgspec.inspect.LiteralType):
        return str(next(value for value in told.values if value != default))
    if isinstance(told, msgspec.inspect.VarTupleType):
        return '["publish"]'
    if isinstance(default, bool):
        return str(not default).lower()
    if isinstance(default, int | float):
        return str(default + 1)
    return "another"


def test_the_example_file_is_in_step_with_the_code() -> None:
    assert (ROOT / "headwater.example.toml").read_text() == render_example()


def test_the_example_says_over_how_long_a_publishers_bit_rate_is_taken() -> None:
    said = render_example().split("max_bitrate_kbps =")[0].splitlines()[-1]
    assert f"over {BITRATE_WINDOW_S:g} s" in said


def test_the_example_decodes_to_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, render_example()).paths == {"live/*": PathConfig()}


def test_the_exact_path_wins_over_patterns_and_the_longest_pattern_over_others() -> None:
    tables = {
        "*": PathConfig(window_s=10),
        "live/*": PathConfig(window_s=20),
        "live/a": PathConfig(window_s=40),
    }
    config = Config(paths=tables)
    assert path_config(config, "live/a").window_s == 40
    assert path_config(config, "live/b").window_s == 20
    assert path_config(config, "other").window_s == 10


def test_a_path_needs_no_configuration_to_exist() -> None:
    assert path_config(Config(), "live/foo") == PathConfig()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('[paths."live/*"]\nslate = "card"\nslate_always = true', "cannot be a pattern"),
        ("[paths.a]\nslate_always = true", "needs a slate"),
        (
            '[paths.a]\nslate = "card"\nslate_always = true\nsource = "x"\nsource_on_demand = true',
            "leaves nothing to pull on demand for",
        ),
    ],
)
def test_a_slate_that_is_always_there_belongs_to_one_path(
    tmp_path: Path, table: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        load(tmp_path, table)
