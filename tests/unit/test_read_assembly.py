"""What the tests of the synthesis read: of stacks that have one name in several places, each."""

import json
from pathlib import Path
from typing import Any

from helpers.assembly import read_assembly

PLACES = ("111111111111/us-east-1", "222222222222/us-east-1", "222222222222/eu-west-1")


def write(directory: Path, stacks: dict[str, dict[str, Any]]) -> None:
    """An assembly, or a part of one, whose templates say which stack they are of."""
    directory.mkdir(exist_ok=True)
    (directory / "manifest.json").write_text(json.dumps({"artifacts": stacks}))
    for key in stacks:
        (directory / f"{key}.json").write_text(json.dumps({"Description": key}))


def stack(key: str, place: str, *needs: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://{place}",
        "properties": {"templateFile": f"{key}.json", **properties},
        "dependencies": [*needs],
    }


def test_stacks_of_one_name_are_told_apart_by_where_they_are(tmp_path: Path) -> None:
    alike = {f"Roles{n}": stack(f"Roles{n}", place, stackName="roles") for n, place in enumerate(PLACES)}
    alike["Roles2"]["properties"]["terminationProtection"] = True
    write(tmp_path, alike | {"Last": stack("Last", PLACES[0], "Roles0", "Roles2", "Last.assets")})
    write(tmp_path / "assembly-Stage", {"Inner": stack("Inner", PLACES[2], stackName="Last")})
    (tmp_path / "validation-report.json").write_text("{}")
    found = read_assembly(tmp_path)
    assert {name: template["Description"] for name, template in found.templates.items()} == {
        "roles": "Roles0",
        "roles-in-222222222222-us-east-1": "Roles1",
        "roles-in-222222222222-eu-west-1": "Roles2",
        "Last": "Last",
        "Last-in-222222222222-eu-west-1": "Inner",
    }
    assert found.order["Last"] == {"roles", "roles-in-222222222222-eu-west-1"}
    assert found.protected == {"roles-in-222222222222-eu-west-1"}
