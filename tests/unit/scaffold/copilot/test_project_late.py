"""What Copilot takes in other forms, or knows at a deployment only: manifests as people have them."""

import tomllib

import pytest

from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.project import import_copilot

from .conftest import API, Write


def test_environments_that_only_services_name_are_delivered_to_as_well(write: Write) -> None:
    held = {**API, "environments": {"zeta": {"cpu": 512, "memory": 1024}, "Not-A-Name": {"count": 2}}}
    made = import_copilot(write(api=held, environments__alpha={"name": "alpha", "type": "Environment"}))
    data = tomllib.loads(made.text)
    assert [each["name"] for each in data["environments"]] == ["alpha", "zeta"]
    assert data["services"][0]["environments"] == {"zeta": {"cpu": 512, "memory": 1024}}
    assert made.text.count("TODO only manifests of services name it") == 1
    assert "Not-A-Name is not an environment: not converted." in made.text


def test_a_patched_stop_time_is_the_services_own(write: Write) -> None:
    patches = [
        {"path": "ContainerDefinitions[0].StopTimeout", "value": 90},
        {"path": "ContainerDefinitions[0].Ulimits", "value": 5},
    ]
    http = {"path": "/", "deregistration_delay": "40s"}
    made = import_copilot(write(api={**API, "http": http, "taskdef_overrides": patches}))
    assert tomllib.loads(made.text)["services"][0]["stop_seconds"] == 90
    assert "StopTimeout" not in made.text
    assert "Ulimits" in made.text


def test_values_that_only_a_deployment_knows_are_named(write: Write) -> None:
    text = """\
name: api
type: Load Balanced Web Service
image: {build: ./api/Dockerfile, port: 8081}
http: {path: api, version: GRPC}
count: {spot: 0}
variables: {BUCKET: !GetAtt Addons.Outputs.Bucket, LEVEL: info}
secrets: {AWS_ACCESS_KEY_ID: /shop/key, TOKEN: /shop/token}
"""
    made = import_copilot(write(api=text))
    [service] = tomllib.loads(made.text)["services"]
    assert service["environment"] == {"LEVEL": "info"}
    assert service["secrets"] == {"TOKEN": "ssm:/shop/token"}
    assert service["protocol"] == "grpc"
    for key, why in {
        "variables.BUCKET.!GetAtt = 'Addons.Outputs.Bucket'": "The value would be known at deployment only",
        "secrets.AWS_ACCESS_KEY_ID = '/shop/key'": "Nova sets this itself, or AWS does",
        "count.spot = 0": "Nova keeps at least one task",
    }.items():
        assert f"{key}: {why}" in made.text.replace("\n#  ", "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("http: {path: api, target_port: !Ref Port}", "http.target_port: !Ref Port is not a port: write its number"),
        ("http: {path: api, target_port: [8080]}", "http.target_port: [8080] is not a port: write its number"),
        ("cpu: !Ref Cpu", "cpu: !Ref Cpu is not a whole number: write one"),
        ("image: {build: {dockerfile: Dockerfile, args: !Ref Args}}", "image.build.args: !Ref Args is not a map"),
        ("http: {path: api, deregistration_delay: !Ref Delay}", "!Ref Delay is not a span of time: write one such as"),
    ],
)
def test_a_value_that_only_a_deployment_knows_is_shown_as_it_is_written(write: Write, line: str, said: str) -> None:
    with pytest.raises(NovaError) as refused:
        import_copilot(write(api=f"name: api\ntype: Load Balanced Web Service\n{line}\n"))
    assert said in str(refused.value)


def test_a_port_may_be_a_text(write: Write) -> None:
    made = import_copilot(write(api={**API, "http": {"path": "api", "target_port": "8090"}}))
    assert tomllib.loads(made.text)["services"][0]["port"] == 8090
