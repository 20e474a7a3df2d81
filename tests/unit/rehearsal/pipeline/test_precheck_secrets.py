"""Secrets and parameters that a release needs, and that no template makes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import Assembly
from nova_infra.rehearsal.pipeline.precheck import precheck, taken_for_granted
from nova_infra.rehearsal.pipeline.release import Release

WriteAssembly = Callable[..., Path]
WHOLE_SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret:{}/db-AbC123"
SECRET = f"{WHOLE_SECRET}:password::"
PARAMETER = "arn:aws:ssm:us-east-1:111111111111:parameter/{}/mail/key"


def with_secrets(directory: Path, secrets: Mapping[str, Any], *, declared: Mapping[str, Any] | None = None) -> Release:
    for place in ("Dev", "Prod"):
        path = directory / f"{place}.json"
        template = json.loads(path.read_text())
        [container] = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        container["Secrets"] = [
            {"Name": name, "ValueFrom": origin.format(place.lower()) if isinstance(origin, str) else origin}
            for name, origin in secrets.items()
        ]
        template["Resources"] |= declared or {}
        path.write_text(json.dumps(template))
    return Release(directory.name, Assembly(directory), directory)


@pytest.mark.parametrize(
    ("after", "before", "provided", "said"),
    [
        (
            {"USER": f"{WHOLE_SECRET}:user::"},
            {"DB": SECRET},
            (),
            [
                "only AWS knows whether the secret dev/db-AbC123 has the field user, which USER comes from "
                "(also in Prod)"
            ],
        ),
        ({"ALL": WHOLE_SECRET}, {"DB": SECRET}, (), []),
        ({}, {}, (), []),
        ({"DB": SECRET}, {"DB": SECRET}, (), []),
        ({"OTHER": SECRET}, {"DB": SECRET}, (), []),
        (
            {"DB": SECRET},
            {},
            ("DB",),
            [
                "only AWS knows whether the secret dev/db-AbC123 exists and has the field password, which DB comes "
                "from (also in Prod)"
            ],
        ),
        (
            {"ALL": WHOLE_SECRET},
            {},
            ("ALL",),
            ["only AWS knows whether the secret dev/db-AbC123 exists, which ALL comes from (also in Prod)"],
        ),
        (
            {"DB": f"{WHOLE_SECRET}:passwort::"},
            {"DB": SECRET},
            ("DB",),
            [
                "only AWS knows whether the secret dev/db-AbC123 has the field passwort, which DB comes from "
                "(also in Prod)"
            ],
        ),
        (
            {"DB": SECRET, "ALSO": SECRET},
            {"KEY": PARAMETER},
            (),
            [
                "only AWS knows whether the secret dev/db-AbC123 exists and has the field password, which ALSO, DB "
                "comes from (also in Prod)"
            ],
        ),
        (
            {"KEY": PARAMETER},
            {"DB": SECRET},
            (),
            ["only AWS knows whether the parameter /dev/mail/key exists, which KEY comes from (also in Prod)"],
        ),
        (
            {"KEY": "mail-key"},
            {},
            (),
            ["only AWS knows whether the parameter mail-key exists, which KEY comes from (also in Prod)"],
        ),
    ],
    ids=[
        "another field",
        "all of it",
        "none",
        "as before",
        "another variable",
        "provided",
        "all of it, provided",
        "another field of what is provided",
        "a secret",
        "a parameter",
        "a parameter's name",
    ],
)
def test_what_no_template_makes_and_nothing_before_uses_is_taken_for_granted(
    write_assembly: WriteAssembly,
    tmp_path: Path,
    after: dict[str, str],
    before: dict[str, str],
    provided: tuple[str, ...],
    said: list[str],
) -> None:
    candidate = with_secrets(write_assembly(tmp_path / "new", release="two"), after)
    baseline = with_secrets(write_assembly(tmp_path / "old"), before)
    assert taken_for_granted(candidate, baseline) == said
    assert any("placeholder" in each for each in precheck(candidate, provided)) is bool(set(after) - set(provided))
    app = replace(candidate, app="python app.py", is_candidate=True)  # over itself: it may never have run
    assert bool(taken_for_granted(app, app)) is bool(after)


def test_what_its_own_stack_makes_is_there(write_assembly: WriteAssembly, tmp_path: Path) -> None:
    declared = {
        "Login": {"Type": "AWS::SecretsManager::Secret", "Properties": {}},
        "Key": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v", "Name": "/mail/key"}},
    }
    field = {"Fn::Join": ["", [{"Ref": "Login"}, ":password::"]]}
    wanted = {"DB": {"Ref": "Login"}, "PASSWORD": field, "KEY": {"Ref": "Key"}}
    candidate = with_secrets(write_assembly(tmp_path / "new"), wanted, declared=declared)
    baseline = with_secrets(write_assembly(tmp_path / "old"), {})
    assert taken_for_granted(candidate, baseline) == []


@pytest.mark.parametrize("text", ["[]", "no JSON"])
def test_a_secret_of_no_object_has_no_field(write_assembly: WriteAssembly, tmp_path: Path, text: str) -> None:
    made = {"SecretStringTemplate": text, "GenerateStringKey": "password"}
    login = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "acme/db", "GenerateSecretString": made}}
    name = f"{WHOLE_SECRET.replace('{}/db-AbC123', 'acme/db')}:user::"
    candidate = with_secrets(write_assembly(tmp_path / "new"), {"USER": name}, declared={"Login": login})
    [clause] = taken_for_granted(candidate, with_secrets(write_assembly(tmp_path / "old"), {}))
    assert clause.startswith("only AWS knows whether the secret acme/db has the field user")


@pytest.mark.parametrize(("more", "said"), [({}, True), ({"Filled": {"Type": "Custom::Filler"}}, False)])
def test_a_field_that_the_template_does_not_give_its_secret_is_taken_for_granted(
    write_assembly: WriteAssembly, tmp_path: Path, more: dict[str, Any], said: bool
) -> None:
    made = {"SecretStringTemplate": '{"user": "a"}', "GenerateStringKey": "password"}
    login = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "acme/db", "GenerateSecretString": made}}
    names = {
        name: f"{WHOLE_SECRET.replace('{}/db-AbC123', 'acme/db')}:{name}::" for name in ("user", "pass", "password")
    }
    candidate = with_secrets(write_assembly(tmp_path / "new"), names, declared={"Login": login, **more})
    baseline = with_secrets(write_assembly(tmp_path / "old"), {}, declared={"Login": login})
    clause = "only AWS knows whether the secret acme/db has the field pass, which pass comes from (also in Prod)"
    assert taken_for_granted(candidate, baseline) == ([clause] if said else [])
