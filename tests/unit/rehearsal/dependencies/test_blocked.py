"""Dependencies that production keeps tasks from, by the templates' security groups."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.config import Dependency
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.dependencies.blocked import barred, is_used
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.dependencies.environment import Dependencies
from nova_infra.rehearsal.environment.revisions import Revisions
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition

SHUT = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
URL = "postgresql://{host}:{port}/shop"


def needed(hosts: tuple[str, ...] = (), **other: Any) -> Needed:
    about = {"name": "orders", "image": "postgres:17", "port": 5432, "provides": {"DATABASE_URL": URL}, **other}
    return Needed(Dependency.model_validate(about), "postgres:17", frozenset(hosts))


def template(*ports: int, secret: bool = True, **variables: str) -> dict[str, Any]:
    container = {
        "Name": "app",
        "Image": "shop:1",
        "Environment": [{"Name": name, "Value": value} for name, value in variables.items()],
        "Secrets": [{"Name": "DATABASE_URL", "ValueFrom": "arn"}] if secret else [],
    }
    network = {"SecurityGroups": [{"Fn::GetAtt": ["Tasks", "GroupId"]}], "Subnets": ["subnet-1"]}
    rules = [SHUT, *({**SHUT, "FromPort": each, "ToPort": each} for each in ports)]
    service = {"TaskDefinition": {"Ref": "Task"}, "NetworkConfiguration": {"AwsvpcConfiguration": network}}
    definition = {"Family": "shop", "Memory": "512", "ContainerDefinitions": [container]}
    return {
        "Resources": {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Tasks": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupEgress": rules}},
            "Service": {"Type": "AWS::ECS::Service", "Properties": service},
        }
    }


def played(template: dict[str, Any]) -> tuple[Any, dict[str, TaskDefinition]]:
    revisions = Revisions(Home())
    stack = revisions.resolve("dev-shop", template, {})
    return stack, {"Task": revisions[stack.revisions["Task"]]}


def kept_from(one: Needed, template: dict[str, Any]) -> dict[str, dict[str, str]]:
    stack, definitions = played(template)
    return barred([one], stack, {}, definitions)


WHY = {"shop:1": {"orders": "no rule of Tasks lets port 5432 out"}}


@pytest.mark.parametrize("secret", [True, False])
def test_what_stands_for_a_host_is_kept_from_tasks_that_may_not_get_out_to_its_port(secret: bool) -> None:
    one = needed(("orders.internal",))
    assert kept_from(one, template(6432, secret=secret)) == WHY
    assert kept_from(one, template(5432, secret=secret)) == {}


def test_the_port_of_a_variable_counts_and_not_that_of_the_container() -> None:
    leads = {"DATABASE_URL": "postgresql://orders.internal:6432/shop"}
    assert kept_from(needed(), template(5432, secret=False, **leads))["shop:1"]["orders"].endswith("port 6432 out")
    assert kept_from(needed(), template(6432, secret=False, **leads)) == {}


def test_a_secret_may_lead_to_any_port_but_those_of_the_web() -> None:
    why = {"shop:1": {"orders": "no rule of Tasks lets any port but 80 and 443 out"}}
    assert kept_from(needed(), template()) == why
    assert kept_from(needed(), template(15432)) == {}


def test_what_may_be_elsewhere_in_production_is_not_kept_from_anybody() -> None:
    assert kept_from(needed(), template(secret=False)) == {}, "nobody says where it is"
    api = needed(port=8080, provides={"DATABASE_URL": "http://{host}:{port}"})
    assert kept_from(api, template()) == {}, "there it may be behind HTTPS"
    aws = needed(("orders.internal",), provides={"AWS_ENDPOINT_URL": "http://{host}:{port}"})
    assert kept_from(aws, template()) == {}, "it stands for AWS"


def test_a_database_that_lets_nobody_in_closes_no_other_of_its_port() -> None:
    made = template(5432, secret=False)

    def host(name: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [name, "Endpoint.Address"]}

    names = {"ORDERS_HOST": host("Orders"), "CARTS_HOST": host("Carts"), "ELSEWHERE_HOST": "db.internal"}
    [container] = made["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    container["Environment"] = [{"Name": name, "Value": value} for name, value in names.items()]
    rule = {**SHUT, "FromPort": 5432, "ToPort": 5432, "SourceSecurityGroupId": {"Fn::GetAtt": ["Tasks", "GroupId"]}}
    for name, rules in {"Orders": [], "Carts": [{k: v for k, v in rule.items() if k != "CidrIp"}]}.items():
        group = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": rules}}
        about = {"Engine": "postgres", "VPCSecurityGroups": [{"Fn::GetAtt": [f"{name}Group", "GroupId"]}]}
        made["Resources"] |= {name: {"Type": "AWS::RDS::DBInstance", "Properties": about}, f"{name}Group": group}
    found = {name: kept_from(needed(provides={name: "{host}"}), made) for name in names}
    why = {"shop:1": {"orders": "no rule of OrdersGroup lets them in to port 5432"}}
    assert found == {"ORDERS_HOST": why, "CARTS_HOST": {}, "ELSEWHERE_HOST": {}}
    assert kept_from(needed(provides=dict.fromkeys(names, "{host}")), made) == {}, "it stands for Carts, too"
    assert kept_from(needed(("db.internal",)), made) == {}


async def answer(*_: str, **__: object) -> tuple[int, str, str]:
    return 0, "10.97.7.9", ""


@pytest.mark.parametrize("kind", ["images", "sources"])
def test_tasks_that_are_kept_from_it_are_led_to_nobody_and_the_release_is_told(kind: str) -> None:
    engine = SimpleNamespace(is_docker=False, attempt=answer)
    place = SimpleNamespace(network=ContainerNetwork("n", "10.97.7.1"), label="l=1", directory="/", engine=engine)
    runtime = SimpleNamespace(
        kind=kind, dependencies=(needed(("orders.internal",), ready=["pg_isready"]),), place=place
    )
    denied: dict[str, list[str]] = {}
    dependencies = Dependencies(cast(Any, runtime), "dev", [], {}, denied)
    asyncio.run(dependencies.start())
    stack, definitions = played(template())
    dependencies.bar(stack, {}, definitions, judged=False)
    assert denied == {}, "the baseline is not judged"
    for _ in range(2):
        dependencies.bar(stack, {}, definitions, judged=True)
    said = "connections to orders: no rule of Tasks lets port 5432 out: open its port (with Nova: connects_to)"
    assert denied == {"shop:1": [said]}
    led = dependencies.provide(definitions["Task"])
    nobody = "10.97.7.254"
    assert led.hosts == ({"orders": nobody, "orders.internal": nobody} if kind == "images" else {})
    leads = "orders:5432" if kind == "images" else "127.0.0.1:1"
    assert led.environment == {"DATABASE_URL": f"postgresql://{leads}/shop"}
    dependencies.bar(*played(template(5432, LEVEL="2"))[:1], {}, {}, judged=True)
    led = dependencies.provide(replace(definitions["Task"], revision="shop:2"))
    assert set(led.hosts.values()) == ({"10.97.7.9"} if kind == "images" else set())
    assert "127.0.0.1:1/" not in led.environment["DATABASE_URL"]


@pytest.mark.parametrize(
    ("before", "retired", "closed"),
    [(("orders.internal",), True, ()), (("orders.internal",), False, ()), (None, False, (6379,)), (None, False, ())],
    ids=["the release has it no longer", "the release calls it otherwise", "production closes it", "open"],
)
def test_a_port_that_only_the_rehearsal_opens_is_not_covered(
    before: tuple[str, ...] | None, retired: bool, closed: tuple[int, ...]
) -> None:
    cache = replace(needed(("orders.internal",), name="cache", port=6379, provides={}), retired=retired)
    if before and not retired:
        cache = replace(cache, hosts=frozenset({"cache.internal"}), before=replace(cache, hosts=frozenset(before)))
    place = SimpleNamespace(engine=SimpleNamespace(is_docker=False))
    runtime = SimpleNamespace(kind="images", dependencies=(needed(("orders.internal",)), cache), place=place)
    gaps: list[str] = []
    dependencies = Dependencies(cast(Any, runtime), "dev", gaps, {}, {})
    stack, definitions = played(template(*{5432, 6379}.difference(closed)))
    dependencies.bar(stack, {}, definitions, judged=False)
    assert gaps == [], "the baseline is not judged"
    dependencies.bar(stack, {}, definitions, judged=True)
    ports = {"orders.internal": 6379} | ({"cache.internal": 5432} if before and not retired else {})
    assert gaps == [
        f"nothing keeps tasks from port {port} of {host} here: what stands for it shares an address"
        for host, port in ports.items()
        if before or closed
    ]


def test_a_task_that_does_not_name_it_is_kept_from_it_and_nothing_is_said() -> None:
    one, (stack, definitions) = needed(("orders.internal",)), played(template(secret=False))
    assert barred([one], stack, {}, definitions)
    assert not is_used(one, definitions["Task"])
    _, named = played(template(secret=False, HOSTS="a.internal,orders.internal"))
    assert is_used(one, named["Task"])
