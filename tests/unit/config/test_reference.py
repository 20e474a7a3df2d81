"""docs/configuration.md: every key, and no example that TOML does not know."""

import tomllib
from pathlib import Path

from nova_infra.config import Config
from nova_infra.config.reference import example, keys, reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_every_key_has_a_row_with_a_type_and_a_default():
    page = reference()
    found = dict(keys(Config))
    assert len(found) > 120
    for path in found:
        name = path.rpartition(".")[2]
        assert f"| `{name}` |" in page or f"[[{path}]]" in page or f"## `[{path}]`" in page, path


def test_every_key_that_is_no_table_has_an_example():
    found = {path: example(path, info) for path, info in keys(Config)}
    tables = {path.rpartition(".")[0] for path in found}
    assert [path for path, shown in found.items() if not shown and path not in tables] == []
    for path, shown in found.items():
        name = path.rpartition(".")[2]
        if shown:
            assert list(tomllib.loads(f"{name} = {shown}")) == [name]


def test_keys_of_one_kind_of_service_say_so():
    rows = [line for line in reference().splitlines() if line.startswith(("| `schedule` |", "| `internal` |"))]
    assert any("*job only.*" in row for row in rows)
    assert any("*web only.*" in row for row in rows)
