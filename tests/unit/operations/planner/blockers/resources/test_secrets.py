"""Keys of secrets that tasks name by the secrets' own names, as nova.toml does."""

import json
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

HERE = ("210987654321", "eu-north-1")
PLACE = ["arn:", {"Ref": "AWS::Partition"}, ":secretsmanager:"]
LOGIN = {"GenerateSecretString": {"SecretStringTemplate": '{"user": "shop"}', "GenerateStringKey": "password"}}


def stack(name: str, *, secret: Any = None, value: Any = None, **more: Any) -> StackTemplate:
    """A stack with a secret, with a task that reads a value, or with both."""
    resources: dict[str, Any] = dict(more)
    if secret is not None:
        properties = {"Name": "shop/login", **secret}
        resources["Login"] = {"Type": "AWS::SecretsManager::Secret", "Properties": properties}
    if value is not None:
        containers = [{"Name": "app", "Image": "a/b:1", "Secrets": [{"Name": "LOGIN", "ValueFrom": value}]}]
        resources["Task"] = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": containers}}
    return StackTemplate(StackKey(*HERE, name), {"Resources": resources})


def key_of_login(key: str, *place: Any) -> Any:
    return {"Fn::Join": ["", [*PLACE, *(place or (f"{HERE[1]}:{HERE[0]}",)), f":secret:shop/login:{key}::"]]}


def said(before: list[StackTemplate], *release: StackTemplate) -> list[str]:
    refused = [str(each) for each in plan(before, [release]).refusals]
    return [each for each in refused if "ResourceInitializationError" in each]


@pytest.mark.parametrize("place", [(), ({"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"})])
def test_a_key_that_a_secret_of_that_name_will_lack_is_refused(place: tuple[Any, ...]) -> None:
    [line] = said([], stack("web", secret=LOGIN, value=key_of_login("passwort", *place)))
    assert "LOGIN is the key passwort of Login, which has password and user, so no task starts" in line


def test_the_secret_may_be_made_by_a_neighbour_of_the_same_release() -> None:
    [line] = said([], stack("data", secret=LOGIN), stack("web", value=key_of_login("passwort")))
    assert "LOGIN is the key passwort of data.Login" in line


@pytest.mark.parametrize(
    ("before", "release"),
    [
        pytest.param([], [stack("web", secret=LOGIN, value=key_of_login("password"))], id="a key that it has"),
        pytest.param(
            [], [stack("web", secret=LOGIN, value=key_of_login("x", f"{HERE[1]}:000000000000"))], id="another account's"
        ),
        pytest.param(
            [stack("web", secret=LOGIN)],
            [stack("web", secret=LOGIN, value=key_of_login("x"))],
            id="deployed already: somebody may have changed it",
        ),
        pytest.param(
            [stack("data", secret=LOGIN)],
            [stack("data", secret=LOGIN), stack("web", value=key_of_login("x"))],
            id="deployed already in another stack",
        ),
        pytest.param([], [stack("web", secret={}, value=key_of_login("x"))], id="no template says what it holds"),
        pytest.param(
            [],
            [
                stack(
                    "web",
                    secret=LOGIN,
                    value=key_of_login("x"),
                    Filler={"Type": "Custom::Filler", "Properties": {"Secret": "shop/login"}},
                )
            ],
            id="filled by something of the stack",
        ),
    ],
)
def test_what_only_aws_knows_is_left_to_it(before: list[StackTemplate], release: list[StackTemplate]) -> None:
    assert said(before, *release) == []
    assert "shop/login" in json.dumps([each.template for each in release])


def test_a_key_that_nothing_read_before_is_named_unless_the_release_makes_its_secret() -> None:
    def named(*keys: str, release: tuple[StackTemplate, ...] = ()) -> list[str]:
        [before, after] = (stack("web", value=key_of_login(key)) for key in keys)
        found = plan([before], [[after, *release]]).stacks
        return [str(each) for planned in found for each in planned.consequences if "only its value" in each.what]

    [line] = named("password", "db_password")
    assert line.startswith("web: LOGIN will be the key db_password of shop/login: only its value shows whether it is")
    assert named("password", "password") == []
    assert named("password", "user", release=(stack("data", secret=LOGIN),)) == []
