"""Services that find each other by names of Cloud Map and Service Connect."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.service_definition import in_order
from nova_infra.rehearsal.environment.discovery import Discovery
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

SPACE = {"Type": "AWS::ServiceDiscovery::PrivateDnsNamespace", "Properties": {"Name": "farm.internal"}}
ENTRY = {"Type": "AWS::ServiceDiscovery::Service", "Properties": {"Name": "eggs", "NamespaceId": {"Ref": "Space"}}}
REGISTRY = {"ServiceRegistries": [{"RegistryArn": {"Fn::GetAtt": ["Entry", "Arn"]}}]}
LOGIN = ":".join(("hen", "cluck"))
FROM_SHOP: dict[str, Any] = {
    "Type": "AWS::EC2::SecurityGroupIngress",
    "Properties": {
        "GroupId": {"Fn::GetAtt": ["EggsGroup", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": 9000,
        "ToPort": 9000,
        "SourceSecurityGroupId": {"Fn::GetAtt": ["ShopGroup", "GroupId"]},
    },
}


def connect(**alias: Any) -> dict[str, Any]:
    offered: dict[str, Any] = {"PortName": "web", **({"ClientAliases": [alias]} if alias else {})}
    joined = {"Enabled": True, "Namespace": {"Fn::GetAtt": ["Space", "Arn"]}}
    return {"ServiceConnectConfiguration": {**joined, "Services": [offered]}}


def service(name: str, **properties: Any) -> dict[str, Any]:
    groups = {"SecurityGroups": [{"Fn::GetAtt": [f"{name}Group", "GroupId"]}]}
    task = {"Name": name, "Image": "x", "PortMappings": [{"ContainerPort": 9000, "Name": "web"}]}
    given = {"ServiceName": name.lower(), "TaskDefinition": {"Ref": f"{name}Task"}, **properties}
    return {
        name: {
            "Type": "AWS::ECS::Service",
            "Properties": {**given, "NetworkConfiguration": {"AwsvpcConfiguration": groups}},
        },
        f"{name}Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"Cpu": "256", "Memory": "512", "ContainerDefinitions": [task]},
        },
        f"{name}Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": name}},
    }


def stack(*, found_by: dict[str, Any], **more: Any) -> PlayedStack:
    joined = {"ServiceConnectConfiguration": {"Enabled": True}} if "ServiceConnectConfiguration" in found_by else {}
    resources = {"Space": SPACE, "Entry": ENTRY, **service("Eggs", **found_by), **service("Shop", **joined), **more}
    return PlayedStack("farm", {"Resources": resources}, exports={}, revisions={"EggsTask": "e:1", "ShopTask": "s:1"})


async def asked(value: str, played: PlayedStack, called: dict[str, int]) -> str:
    """What the address in a variable of the shop answers; its value where nothing leads to the other service."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"a dozen")
        writer.close()

    target = await asyncio.start_server(answer, "127.0.0.1", 0)
    task = SimpleNamespace(running=True, port=target.sockets[0].getsockname()[1])
    leaving = SimpleNamespace(task=SimpleNamespace(running=True, port=1), target=SimpleNamespace(draining=True))
    eggs: Any = SimpleNamespace(tasks=[leaving, SimpleNamespace(task=task, target=SimpleNamespace(draining=False))])
    discovery = Discovery({"eggs": eggs}, called, SourceRuntime(), [])
    try:
        await discovery.apply(played)
        led = discovery.lead({"EGGS": value}, "s:1")["EGGS"]
        if led == value:
            return led
        host, _, port = led.removesuffix("/all").rpartition("/")[2].rpartition("@")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"how many\n")
        said = await asyncio.wait_for(reader.read(), 0.5)
        writer.close()
        return said.decode()
    except TimeoutError:
        return "silence"
    finally:
        target.close()
        discovery.stop()


def answered(value: str, played: PlayedStack, called: dict[str, int]) -> str:
    return asyncio.run(asked(value, played, called))


@pytest.mark.parametrize(
    ("found_by", "value"),
    [
        (REGISTRY, "http://eggs.farm.internal:9000/all"),
        (REGISTRY, "eggs.farm.internal:9000"),
        (connect(DnsName="eggs", Port=80), "http://eggs/all"),
        (connect(DnsName="eggs", Port=80), "http://eggs:80"),
        (connect(DnsName="eggs", Port=8080), "http://eggs:8080/all"),
        (connect(), "http://web.farm.internal:9000"),
        (REGISTRY, f"redis://{LOGIN}@eggs.farm.internal:9000"),
        (REGISTRY, "grpc://eggs.farm.internal:9000"),
        (connect(DnsName="eggs", Port=80), "ws://eggs"),
    ],
)
def test_an_address_in_a_variable_leads_to_the_service(found_by: dict[str, Any], value: str) -> None:
    called: dict[str, int] = {}
    assert answered(value, stack(found_by=found_by, Way=FROM_SHOP), called) == "a dozen"
    assert called == {"eggs": 1}


@pytest.mark.parametrize(
    "value",
    ["http://eggs.farm.internal", "http://eggs.farm.internal:9001", "https://eggs.farm.internal:9000", "eggs", "x"],
)
def test_what_leads_nowhere_in_aws_leads_nowhere_here(value: str) -> None:
    assert answered(value, stack(found_by=REGISTRY, Way=FROM_SHOP), {}) == value


def test_who_is_not_in_service_connect_knows_none_of_its_names() -> None:
    played = stack(found_by=connect(DnsName="eggs", Port=80), Way=FROM_SHOP)
    del played.template["Resources"]["Shop"]["Properties"]["ServiceConnectConfiguration"]
    assert answered("http://eggs", played, {}) == "http://eggs"


def test_a_service_that_lets_nobody_in_does_not_answer() -> None:
    called: dict[str, int] = {}
    assert answered("http://eggs.farm.internal:9000", stack(found_by=REGISTRY), called) == "silence"
    other = {**FROM_SHOP, "Properties": {**FROM_SHOP["Properties"], "FromPort": 80, "ToPort": 80}}
    assert answered("http://eggs.farm.internal:9000", stack(found_by=REGISTRY, Way=other), called) == "silence"
    assert called == {}


def test_a_service_is_deployed_after_those_that_it_depends_on() -> None:
    played = stack(found_by=REGISTRY)
    assert [[each.name for each in wave] for wave in in_order(played)] == [["eggs", "shop"]]
    played.template["Resources"]["Eggs"]["DependsOn"] = ["Shop"]
    assert [[each.name for each in wave] for wave in in_order(played)] == [["shop"], ["eggs"]]


def test_one_name_in_two_namespaces_leads_each_to_its_own() -> None:
    joined = {"ServiceConnectConfiguration": {"Enabled": True, "Namespace": "other"}}
    offered = {
        **joined["ServiceConnectConfiguration"],
        "Services": [{"PortName": "web", "ClientAliases": [{"Port": 80, "DnsName": "eggs"}]}],
    }
    geese = service("Geese", ServiceConnectConfiguration=offered)
    played = stack(found_by=connect(DnsName="eggs", Port=80), Way=FROM_SHOP, **geese)
    played.revisions = {**played.revisions, "GeeseTask": "g:1"}
    shop = played.template["Resources"]["Shop"]["Properties"]["ServiceConnectConfiguration"]
    shop["Namespace"] = {"Fn::GetAtt": ["Space", "Arn"]}
    assert answered("http://eggs", played, {}) == "a dozen"


GATEWAY = "127.0.0.9"


async def asked_by_name(played: PlayedStack, host: str, port: int, gaps: list[str]) -> tuple[dict[str, str], bytes]:
    """The hosts of the shop's containers, and what answers there."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a dozen: " + (await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        writer.close()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"none")
        writer.close()

    servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in (answer, refuse)]
    eggs, shop = (
        SimpleNamespace(
            tasks=[
                SimpleNamespace(
                    task=SimpleNamespace(running=True, port=each.sockets[0].getsockname()[1]),
                    target=SimpleNamespace(draining=False),
                )
            ]
        )
        for each in servers
    )
    runtime: Any = SimpleNamespace(gateway=GATEWAY, on_this_machine=lambda url: url)
    services: Any = {"eggs": eggs, "shop": shop}
    discovery = Discovery(services, {}, runtime, gaps)
    try:
        await discovery.apply(played)
        hosts = discovery.hosts("s:1")
        if hosts.get(host) != GATEWAY:
            return hosts, b""
        reader, writer = await asyncio.open_connection(GATEWAY, port)
        writer.write(f"GET /all HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        said = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return hosts, said
    finally:
        discovery.stop()
        for server in servers:
            server.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind((GATEWAY, 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("both", [False, True])
def test_a_program_in_a_container_asks_a_name_itself(both: bool) -> None:
    """Services that share a port are distinguished by the Host header of the request."""
    port, gaps = free_port(), list[str]()
    more = {"Way": FROM_SHOP}
    if both:
        more |= {"Shop": service("Shop", **connect(DnsName="shop", Port=port))["Shop"]}
    played = stack(found_by=connect(DnsName="eggs", Port=port), **more)
    hosts, said = asyncio.run(asked_by_name(played, "eggs", port, gaps))
    assert hosts == {"eggs": GATEWAY, **({"shop": "192.0.2.1"} if both else {})}
    assert said == b"a dozen: GET /all HTTP/1.1"
    assert gaps == []


def test_a_name_is_known_to_members_of_its_namespace_alone() -> None:
    port = free_port()
    outside = service("Shop")["Shop"]
    played = stack(found_by=connect(DnsName="eggs", Port=port), Way=FROM_SHOP, Shop=outside)
    assert asyncio.run(asked_by_name(played, "eggs", port, [])) == ({}, b"")


def test_a_name_whose_security_group_is_closed_leads_to_nobody() -> None:
    port = free_port()
    hosts, _ = asyncio.run(asked_by_name(stack(found_by=connect(DnsName="eggs", Port=port)), "eggs", port, []))
    assert hosts == {"eggs": "192.0.2.1"}


def test_a_port_that_this_machine_needs_itself_is_said() -> None:
    gaps = list[str]()
    with socket.socket() as taken:
        taken.bind((GATEWAY, 0))
        taken.listen()
        port = taken.getsockname()[1]
        played = stack(found_by=connect(DnsName="eggs", Port=port), Way=FROM_SHOP)
        assert asyncio.run(asked_by_name(played, "eggs", port, gaps)) == ({}, b"")
    assert gaps == [f"eggs:{port} leads nowhere here: Address already in use"]
