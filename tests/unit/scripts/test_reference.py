"""docs/configuration.md: every key, and no example that TOML does not know."""

import functools
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from helpers.scripts import load_script
from nova_infra.config import Config

_SCRIPT = load_script("reference")
example, keys, reference = _SCRIPT.example, _SCRIPT.keys, functools.cache(_SCRIPT.reference)
PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_every_key_has_a_row_with_a_type_and_a_default() -> None:
    page = reference()
    found = dict(keys(Config))
    assert len(found) > 120
    for path in found:
        name = path.rpartition(".")[2]
        assert f"| `{name}` |" in page or f"[[{path}]]" in page or f"## `[{path}]`" in page, path


def test_every_key_that_is_no_table_has_an_example() -> None:
    found = {path: example(path, info) for path, info in keys(Config)}
    tables = {path.rpartition(".")[0] for path in found}
    assert [path for path, shown in found.items() if not shown and path not in tables] == []
    for path, shown in found.items():
        name = path.rpartition(".")[2]
        if shown:
            assert list(tomllib.loads(f"{name} = {shown}")) == [name]


def test_keys_of_one_kind_of_service_say_so() -> None:
    rows = [line for line in reference().splitlines() if line.startswith(("| `schedule` |", "| `internal` |"))]
    assert any("*job only.*" in row for row in rows)
    assert any("*web only.*" in row for row in rows)


EDITOR = jsonschema_rs.validator_for(Config.model_json_schema())


def accepted_by_the_schema(path: str, toml: str) -> bool:
    """Whether an editor that has the schema finds nothing wrong with the value of one key."""
    *tables, name = path.split(".")
    document: dict[str, object] = tomllib.loads(f"{name} = {toml}")
    for table in reversed(tables):
        document = {table: [document] if table in LISTS else document}
    keys_at_fault = (
        [part for part in fault.instance_path if isinstance(part, str)] for fault in EDITOR.iter_errors(document)
    )
    return path.split(".") not in keys_at_fault


LISTS = {"environments", "services", "sidecars", "dependencies", "permissions", "schedules"}


def test_an_editor_accepts_the_example_of_every_key() -> None:
    examples = {path: example(path, info) for path, info in keys(Config) if path != "environments"}  # it has a heading
    whole = {
        path: shown.replace("sha256:…", f"sha256:{'0' * 64}").replace("/…", "/01234567-89ab-4cde-8f01-23456789abcd")
        for path, shown in examples.items()
    }
    assert [path for path, shown in whole.items() if shown and not accepted_by_the_schema(path, shown)] == []


@pytest.mark.parametrize(
    ("path", "toml", "accepted"),
    [
        ("services.secrets", '{ TOKEN = "nova/database:password" }', True),
        ("services.secrets", '{ TOKEN = { parameter = "/nova/token" } }', True),
        ("services.sidecars.credentials", '"nova/registry"', True),
        ("services.credentials", "7", False),
        ("rehearsal.dependencies.ready", '["pg_isready"]', True),
        ("rehearsal.dependencies.ready", '"/health"', True),
        ("rehearsal.dependencies.ready", "5432", True),
        ("rehearsal.dependencies.ready", "true", False),
    ],
)
def test_an_editor_accepts_the_short_forms_of_tables(path: str, toml: str, accepted: bool) -> None:
    assert accepted_by_the_schema(path, toml) is accepted
