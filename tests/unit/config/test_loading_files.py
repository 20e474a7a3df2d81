"""Files that nobody could use, and values of any shape: lines that say so, and never a traceback."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import examples
from nova_infra.config import Config, load_config, parse_config
from nova_infra.errors import ConfigError

EXAMPLE = (Path(__file__).parents[1] / "nova.toml").read_bytes()
FILES = {
    "three thousand dotted keys": (b".".join([b"a"] * 3000) + b" = 1", "is nested too deeply"),
    "three thousand tables": (b"[" + b".".join([b"a"] * 3000) + b"]", "is nested too deeply"),
    "nested inline tables": (b"a = " + b"{a=" * 300 + b"1" + b"}" * 300, "nested too deeply|not valid TOML"),
    "a decimal of 5,000 digits": (b"a = " + b"7" * 5000, "thousands of digits"),
    "a hexadecimal of 5,000 digits": (b"a = 0x" + b"7" * 5000, "more than 64 bits"),
    "UTF-16": ("a = 1".encode("utf-16"), "is not UTF-8"),
    "two MiB": (b"#" * 2**21, "has 2 MiB, which is more than 1: shorten it"),
    "NUL": (b"a = 1\0", "is not valid TOML"),
    "nothing": (b"", "toolchain: is missing"),
}


@pytest.mark.parametrize(("content", "fault"), FILES.values(), ids=FILES.keys())
def test_a_file_that_nobody_could_use_is_refused_in_lines(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "nova.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=fault) as raised:
        load_config(tmp_path)
    assert all(line.startswith("nova.toml: ") and len(line) < 300 for line in str(raised.value).splitlines())


def test_a_directory_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "nova.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^nova.toml: is not a file: replace it by one$"):
        load_config(tmp_path)


def test_a_link_to_itself_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "nova.toml").symlink_to("nova.toml")
    with pytest.raises(ConfigError, match=r"^nova.toml: cannot be read \(.*\): replace it by a file$"):
        load_config(tmp_path)


def test_a_byte_order_mark_and_line_ends_of_windows_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "nova.toml").write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace(b"\n", b"\r\n"))
    for service in tomllib.loads(EXAMPLE.decode())["services"]:
        (tmp_path / "services" / service["name"]).mkdir(parents=True)
        (tmp_path / "services" / service["name"] / "Dockerfile").touch()
    assert load_config(tmp_path) == parse_config(tomllib.loads(EXAMPLE.decode()))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3),
)


@pytest.mark.exhaustive("test_a_file_that_nobody_could_use_is_refused_in_lines")
@settings(max_examples=examples(200), derandomize=True, deadline=None, database=None)
@given(data=st.dictionaries(st.sampled_from(sorted(Config.model_fields)) | st.text(max_size=3), _VALUES, max_size=7))
def test_nothing_of_any_shape_is_a_traceback(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(data)
    assert all(line.startswith("nova.toml: ") for line in str(raised.value).split("\n"))
