"""What a release needs and only AWS knows of, read from its templates before anything starts."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import valid_resources, valid_services
from helpers.exhaustive import one_of_each
from nova_infra.assembly import Assembly
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import PLAYED
from nova_infra.rehearsal.pipeline.precheck import StageReading, precheck, taken_for_granted
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.report.verdict import verdict

WriteAssembly = Callable[..., Path]


def test_an_assumption_earns_no_tick(rehearsed: Callable[..., Record]) -> None:
    record = rehearsed()
    assert verdict(record).sign == "✓"
    record.granted = ["only AWS knows whether the secret acme/db exists, which DB comes from"]
    said = verdict(record)
    assert (said.sign, said.next_step) == (
        "!",
        "Look for it in the account and region of its environment: nova doctor",
    )
    assert "succeeded, but only AWS knows whether the secret acme/db exists" in said.why


def of_prod(directory: Path, edit: Callable[[dict[str, Any]], None]) -> Release:
    path = directory / "Prod.json"
    template = json.loads(path.read_text())
    edit(template["Resources"])
    path.write_text(json.dumps(template))
    return Release(directory.name, Assembly(directory), directory)


def sticky_group(resources: dict[str, Any]) -> None:
    attributes = [{"Key": "stickiness.enabled", "Value": "true"}, {"Key": "stickiness.type", "Value": "lb_cookie"}]
    resources["Blue"]["Properties"]["TargetGroupAttributes"] = attributes


def sticky_rule(resources: dict[str, Any]) -> None:
    forward = resources["Rule"]["Properties"]["Actions"][0]["ForwardConfig"]
    forward["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 90}


def shared_files(resources: dict[str, Any]) -> None:
    given = resources["Task"]["Properties"]
    given["Volumes"] = [{"Name": "files", "EFSVolumeConfiguration": {"FilesystemId": "fs-1"}}]
    given["ContainerDefinitions"][0]["EnvironmentFiles"] = [{}]


def tagged(resources: dict[str, Any]) -> None:
    for resource in resources.values():
        resource["Properties"]["Tags"] = [{"Key": "team", "Value": "greeters"}]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (sticky_group, "sticky sessions"),
        (sticky_rule, "sticky sessions"),
        (shared_files, "what file systems of EFS hold"),
        (tagged, ""),
    ],
)
def test_what_is_played_without_a_part_says_so(
    tmp_path: Path, write_assembly: WriteAssembly, edit: Callable[[dict[str, Any]], None], said: str
) -> None:
    plain = precheck(of_prod(write_assembly(tmp_path / "plain"), lambda _: None))
    edited = precheck(of_prod(write_assembly(tmp_path / "edited"), edit))
    assert not any("sticky" in note or "EFS" in note for note in plain)
    assert any(said in note for note in edited) if said else edited == plain
    assert ("environment files: a task lacks the variables that are in them" in edited) is (edit is shared_files)


INSTANCES = [{"CapacityProvider": "instances", "Weight": 1}]
SPOT = [{"CapacityProvider": "FARGATE", "Weight": 1}, {"CapacityProvider": "FARGATE_SPOT", "Weight": 3}]
BY_ARN = "arn:aws:ecs:eu-west-1:222222222222:cluster/shop"


def on_cluster(default: list[Any], cluster: Any, *, associated: bool = False, **service: Any) -> dict[str, Any]:
    """A template of a service on a cluster with a default strategy."""
    made: dict[str, Any] = {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "shop"}}
    properties = {"TaskDefinition": "shop:1", "Cluster": cluster, **service}
    resources = {"Cluster": made, "Service": {"Type": "AWS::ECS::Service", "Properties": properties}}
    if associated:
        association = {"Cluster": {"Ref": "Cluster"}, "DefaultCapacityProviderStrategy": default}
        kind = "AWS::ECS::ClusterCapacityProviderAssociations"
        resources["Providers"] = {"Type": kind, "Properties": association}
    else:
        made["Properties"]["DefaultCapacityProviderStrategy"] = default
    return {"Resources": resources}


@pytest.mark.parametrize("associated", [False, True])
@pytest.mark.parametrize("cluster", [{"Ref": "Cluster"}, {"Fn::GetAtt": ["Cluster", "Arn"]}, "shop", BY_ARN])
def test_a_service_that_says_nothing_runs_by_the_default_of_its_cluster(cluster: Any, associated: bool) -> None:
    reading = StageReading()
    reading.read("prod", on_cluster(INSTANCES, cluster, associated=associated))
    assert reading.unknown == {"prod-Service, which runs on instances by the default of its cluster,"}
    reading.read("prod", on_cluster(SPOT, cluster, associated=associated))
    assert "Spot and its interruptions" in reading.areas


@pytest.mark.parametrize("own", [{"LaunchType": "FARGATE"}, {"CapacityProviderStrategy": SPOT[:1]}])
@pytest.mark.parametrize("default", [INSTANCES, SPOT])
def test_a_service_that_says_what_it_runs_on_takes_no_default(own: dict[str, Any], default: list[Any]) -> None:
    reading = StageReading()
    reading.read("prod", on_cluster(default, {"Ref": "Cluster"}, **own))
    assert "Spot and its interruptions" not in reading.areas


def under_condition(value: Any) -> Any:
    return {"Fn::If": ["Met", value, {"Ref": "AWS::NoValue"}]}


def each_under_condition(value: Any) -> Any:
    """A value of a template with every part of it under a condition that is met, but for functions."""
    if isinstance(value, dict):
        is_function = any(key == "Ref" or key.startswith("Fn::") for key in value)
        return value if is_function else {key: under_condition(each_under_condition(v)) for key, v in value.items()}
    return [under_condition(each_under_condition(each)) for each in value] if isinstance(value, list) else value


def only_outer_under_condition(value: dict[str, Any]) -> dict[str, Any]:
    return {key: under_condition(each) for key, each in value.items()}


@pytest.mark.parametrize("wrap", [each_under_condition, only_outer_under_condition])
def test_a_condition_that_is_met_changes_nothing_of_what_is_read(
    tmp_path: Path, write_assembly: WriteAssembly, wrap: Callable[[Any], Any]
) -> None:
    function = {"Code": {"S3Bucket": "code", "S3Key": "notify"}, "Handler": "index.handler", "Runtime": "python3.13"}
    targets = [{"Id": "nightly", "Arn": "cluster", "EcsParameters": {"TaskDefinitionArn": {"Ref": "Task"}}}]

    def with_all(resources: dict[str, Any]) -> None:
        for edit in (sticky_group, sticky_rule, shared_files):
            edit(resources)
        resources["Notify"] = {"Type": "AWS::Lambda::Function", "Properties": function}
        resources["Nightly"] = {"Type": "AWS::Events::Rule", "Properties": {"Targets": targets}}
        [app] = resources["Task"]["Properties"]["ContainerDefinitions"]
        proxy = {"Name": "proxy", "Image": "proxy:1", "PortMappings": [{"ContainerPort": 81}]}
        resources["Task"]["Properties"]["ContainerDefinitions"] = [proxy, {**app, "Name": "app"}]
        service = resources["Service"]["Properties"]
        service["LoadBalancers"][0].update(ContainerName="app", ContainerPort=8080)
        service["CapacityProviderStrategy"] = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]

    def wrapped(resources: dict[str, Any]) -> None:
        with_all(resources)
        for resource in resources.values():
            resource["Properties"] = wrap(resource["Properties"])

    plain = precheck(of_prod(write_assembly(tmp_path / "plain"), with_all))
    edited = write_assembly(tmp_path / "edited")
    template = json.loads((edited / "Prod.json").read_text())
    (edited / "Prod.json").write_text(json.dumps(template | {"Conditions": {"Met": {"Fn::Equals": ["1", "1"]}}}))
    for part in ("Lambda functions", "Spot", "tasks that events start", "sticky", "EFS", "sidecars: proxy"):
        assert any(part in note for note in plain), part
    assert precheck(of_prod(edited, wrapped)) == plain


def test_the_container_that_a_load_balancer_names_runs_and_the_others_do_not(
    tmp_path: Path, write_assembly: WriteAssembly
) -> None:
    def with_proxy(resources: dict[str, Any]) -> None:
        [app] = resources["Task"]["Properties"]["ContainerDefinitions"]
        app["Name"] = "app"
        proxy = {"Name": "proxy", "Image": "proxy:1", "PortMappings": [{"ContainerPort": 81}]}
        resources["Task"]["Properties"]["ContainerDefinitions"] = [proxy, app]
        resources["Service"]["Properties"]["LoadBalancers"][0].update(ContainerName="app", ContainerPort=8080)

    notes = precheck(of_prod(write_assembly(tmp_path / "proxied"), with_proxy))
    assert "sidecars: proxy did not run, and nothing answered in their place" in notes


ODD = [None, True, 7, "x", [], [[7]], {"a": [7]}]
STACKS = {**valid_services.STACKS, **valid_resources.STACKS}
PLAYABLE = {name: resources for name, resources in STACKS.items() if resources["It"]["Type"] in PLAYED}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(part, (*path, key))


@pytest.mark.parametrize("first", one_of_each(range(5)))
@pytest.mark.parametrize("name", one_of_each(PLAYABLE, kind=lambda name: PLAYABLE[name]["It"]["Type"]))
def test_a_value_of_another_type_is_refused_or_of_no_matter(name: str, first: int) -> None:
    for path in list(places(PLAYABLE[name]["It"]["Properties"]))[first::5]:
        for put in ODD:
            resources = copy.deepcopy(PLAYABLE[name])
            inner = resources["It"]["Properties"]
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = put
            with contextlib.suppress(UnresolvableError):
                StageReading().read("prod", {"Resources": resources})


def checked_on(port: str, *sidecars: str) -> Callable[[dict[str, Any]], None]:
    def edit(resources: dict[str, Any]) -> None:
        resources["Blue"]["Properties"].update(HealthCheckPort=port)
        resources["Task"]["Properties"]["ContainerDefinitions"] += [{"Name": each, "Image": each} for each in sidecars]

    return edit


@pytest.mark.parametrize(
    ("before", "after", "sidecars", "said"),
    [
        ("traffic-port", "9000", ["agent"], ["answers health checks on port 9000, which no container maps"]),
        ("traffic-port", "9000", [], []),
        ("traffic-port", "8080", ["agent"], []),
        ("9000", "9000", ["agent"], []),
    ],
)
def test_only_aws_knows_whether_a_sidecar_answers_health_checks_on_a_port_that_no_container_maps(
    tmp_path: Path, write_assembly: WriteAssembly, before: str, after: str, sidecars: list[str], said: list[str]
) -> None:
    baseline = of_prod(write_assembly(tmp_path / "old"), checked_on(before, *sidecars))
    found = taken_for_granted(of_prod(write_assembly(tmp_path / "new"), checked_on(after, *sidecars)), baseline)
    assert all(part in each for part, each in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], [{"Name": "warm", "Image": "a"}], ["the sidecar warm, with which prod ends, stays up"]),
        ([{"Name": "warm", "Image": "a"}], [{"Name": "warm", "Image": "b", "Environment": []}], []),
        ([{"Name": "warm", "Image": "a"}], [{"Name": "warm", "Image": "a", "Command": ["b"]}], ["the sidecar warm"]),
        ([{"Name": "warm", "Image": "a"}], [{"Name": "warm", "Image": "a", "User": "b"}], ["the sidecar warm"]),
        ([{"Name": "warm", "Image": "a", "Essential": False}], [{"Name": "warm", "Image": "a"}], ["the sidecar warm"]),
        ([{"Name": "warm", "Image": "a"}], [{"Name": "warm", "Image": "a"}], []),
        ([], [{"Name": "warm", "Image": "a", "Essential": False}], []),
    ],
)
def test_only_aws_knows_whether_a_new_sidecar_that_ends_its_task_stays_up(
    tmp_path: Path, write_assembly: WriteAssembly, before: list[Any], after: list[Any], said: list[str]
) -> None:
    def beside(sidecars: list[Any]) -> Callable[[dict[str, Any]], None]:
        return lambda resources: resources["Task"]["Properties"]["ContainerDefinitions"].extend(sidecars)

    baseline = of_prod(write_assembly(tmp_path / "old"), beside(before))
    found = taken_for_granted(of_prod(write_assembly(tmp_path / "new"), beside(after)), baseline)
    assert len(found) == len(said)
    assert all(part in each for part, each in zip(said, found, strict=True))
