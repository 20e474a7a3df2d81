"""Names by which services find each other (Cloud Map, Service Connect), in variables and in containers' programs.

A program that runs from sources finds them in its variables alone. Service Connect's proxies are not played.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.load_balancer.client import bound, pass_on
from nova_infra.rehearsal.tasks.runtime import TaskRuntime

_MAP = "AWS::ServiceDiscovery"
_SPACES = ("PrivateDnsNamespace", "PublicDnsNamespace", "HttpNamespace")
_GROUP = "AWS::EC2::SecurityGroup"
_NOT_BY_TLS = "".join(f"(?<!{each}://)" for each in ("https", "wss", "rediss", "amqps", "grpcs"))
"""Precedes no address that a certificate is for: its name must stay."""
_NOWHERE = ("", 0)
"""The way to a service whose security groups do not let the caller in: nothing is ever answered there."""
_SILENT = "192.0.2.1"
"""An address that nobody has (RFC 5737, TEST-NET-1)."""
_FIRST_SECONDS = 5.0
"""How long a client may take to say which of several names it asks."""


@dataclass(frozen=True)
class _Name:
    """A name, the port that it is asked at, and who answers there.

    Attributes:
        space: Service Connect's namespace, whose members alone know the name; None for one that DNS knows.
    """

    host: str
    port: int
    service: str
    groups: tuple[str, ...]
    target_port: int
    space: str | None = None


class Discovery:
    """The names of one environment, each of which leads to an address of this machine."""

    def __init__(
        self, services: Mapping[str, PlayedService], called: dict[str, int], runtime: TaskRuntime, gaps: list[str]
    ) -> None:
        """Begin without any.

        Args:
            services: The environment's services by name.
            called: How often each was called by its name is noted here.
            gaps: A name that leads nowhere here is added to these sentences.
        """
        self._gaps = gaps
        self._entrances: set[int] = set()
        self._services = services
        self._called = called
        self._gateway = runtime.gateway
        self._here = runtime.on_this_machine("//127.0.0.1:").strip("/:")
        self._names: dict[tuple[str, int, str | None], _Name] = {}
        self._spaces: dict[str, str] = {}
        self._registered: dict[str, str] = {}
        self._ingress: dict[str, list[Mapping[str, Any]]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._joined: dict[str, str] = {}
        self._ports: dict[tuple[str, int], int] = {}
        self._servers: list[asyncio.Server] = []
        self._turns = itertools.count()

    async def apply(self, stack: PlayedStack) -> None:
        """Learn the names and security groups of a stack."""
        for space in (each for kind in _SPACES for each in _all(stack, f"{_MAP}::{kind}")):
            ref = space["Ref"]
            self._spaces |= dict.fromkeys((ref, f"{ref}.Id", f"{ref}.Arn"), str(space.get("Name")))
        for given in _all(stack, f"{_MAP}::Service"):
            space = given.get("NamespaceId") or given.get("DnsConfig", {}).get("NamespaceId")
            self._registered[f"{given['Ref']}.Arn"] = f"{given.get('Name')}.{self._spaces.get(str(space), space)}"
        for group in _all(stack, _GROUP):
            self._ingress[group["Ref"]] = [*group.get("SecurityGroupIngress", [])]
        for rule in _all(stack, f"{_GROUP}Ingress"):
            self._ingress.setdefault(_plain(rule.get("GroupId")), []).append(rule)
        for service in _all(stack, "AWS::ECS::Service"):
            task_definition = str(service.get("TaskDefinition"))
            self._groups[task_definition] = _groups(service)
            if (joined := self._space_of(service)) is not None:
                self._joined[task_definition] = joined
            for name in self._names_of(stack, service):
                self._names[name.host, name.port, name.space] = name
                for way in ((name.service, name.target_port), _NOWHERE):
                    if way not in self._ports:
                        await self._open(way)
                await self._enter(name)

    def _names_of(self, stack: PlayedStack, service: Mapping[str, Any]) -> Iterator[_Name]:
        tasks = {stack.ref(each): stack.properties(each) for each in stack.resources("AWS::ECS::TaskDefinition")}
        containers = tasks.get(str(service.get("TaskDefinition")), {}).get("ContainerDefinitions", [])
        mapped = [each for container in containers for each in container.get("PortMappings", [])]
        called = {str(each.get("Name")): int(each["ContainerPort"]) for each in mapped}
        owner = str(service.get("ServiceName")), _groups(service)
        for registry in service.get("ServiceRegistries", []):
            if (host := self._registered.get(str(registry.get("RegistryArn")))) is not None:
                yield from (
                    _Name(host, int(each["ContainerPort"]), *owner, int(each["ContainerPort"])) for each in mapped
                )
        space = self._space_of(service)
        for offered in service["ServiceConnectConfiguration"].get("Services", []) if space is not None else ():
            port = called.get(str(offered.get("PortName")))
            plain = f"{offered.get('DiscoveryName', offered.get('PortName'))}.{space}"
            for alias in offered.get("ClientAliases") or [{"Port": port}]:
                if port is not None:
                    yield _Name(str(alias.get("DnsName", plain)), int(alias["Port"]), *owner, port, space)

    def _space_of(self, service: Mapping[str, Any]) -> str | None:
        """The namespace of Service Connect that a service is in; empty for its cluster's, None for none."""
        connect = service.get("ServiceConnectConfiguration", {})
        given = str(connect.get("Namespace", ""))
        return self._spaces.get(given, given) if str(connect.get("Enabled")).lower() == "true" else None

    def lead(self, environment: Mapping[str, str], task_definition: str) -> dict[str, str]:
        """The variables of a service's tasks, with addresses of this machine for those names."""
        found = dict(environment)
        for name in self._names.values():
            if not self._is_known_to(name, task_definition):
                continue
            host = re.escape(name.host)
            bare = rf"|(?:(?<=http://)|(?<=ws://)){host}(?![\w.:-])" if name.port == 80 else ""
            pattern = re.compile(rf"{_NOT_BY_TLS}(?<![\w.-]){host}:{name.port}(?!\d){bare}")
            way = (name.service, name.target_port) if self._is_open(name, task_definition) else _NOWHERE
            found = {key: pattern.sub(f"{self._here}:{self._ports[way]}", value) for key, value in found.items()}
        return found

    def hosts(self, task_definition: str) -> dict[str, str]:
        """The names that a service's containers know, to the address that each leads to; none from sources."""
        known = [each for each in self._names.values() if each.port in self._entrances]
        known = [each for each in known if self._is_known_to(each, task_definition)]
        open_last = sorted((self._is_open(each, task_definition), each.host) for each in known)
        return {host: str(self._gateway) if is_open else _SILENT for is_open, host in open_last}

    def stop(self) -> None:
        """Close every port."""
        for server in self._servers:  # Not waited for: from Python 3.12 on, that takes as long as any connection.
            server.close()

    async def _open(self, way: tuple[str, int]) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                await (reader.read() if way == _NOWHERE else self._connect(way[0], reader, writer))

        listening = bound("127.0.0.1", 0)
        self._ports[way] = port = listening.getsockname()[1]
        self._servers.append(await asyncio.start_server(handle, sock=listening))
        if self._gateway is not None:
            self._servers.append(await asyncio.start_server(handle, sock=bound(self._gateway, port)))

    async def _enter(self, name: _Name) -> None:
        """Listen at a name's own port, where containers find this machine."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                meant = {each.host: each.service for each in self._names.values() if each.port == name.port}
                first, host = (b"", name.host) if len({*meant.values()}) == 1 else await _host_asked(reader)
                if host in meant:
                    await self._connect(meant[host], reader, writer, first)

        if self._gateway is None or name.port in self._entrances:
            return
        try:
            server = await asyncio.start_server(handle, sock=bound(self._gateway, name.port))
        except OSError as error:
            self._gaps.append(f"{name.host}:{name.port} leads nowhere here: {error.strerror}")
            return
        self._servers.append(server)
        self._entrances.add(name.port)

    def _is_known_to(self, name: _Name, task_definition: str) -> bool:
        if name.space is None:
            return True
        joined = self._joined.get(task_definition)
        return joined is not None and (joined == name.space or not joined or not name.space)

    def _is_open(self, name: _Name, task_definition: str) -> bool:
        """Whether the security groups of a service may let another in: those that no stack holds may."""
        callers = self._groups.get(task_definition, ())
        known = [self._ingress.get(group) for group in name.groups]
        return not known or any(
            rules is None or any(_opens(rule, callers, name.target_port) for rule in rules) for rules in known
        )

    async def _connect(
        self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b""
    ) -> None:
        played = self._services.get(service)
        entries = played.tasks if played is not None else []
        tasks = [each.task for each in entries if each.task.running and not each.target.draining]
        if not tasks:
            return
        self._called[service] = self._called.get(service, 0) + 1
        with contextlib.suppress(OSError):
            back, forth = await asyncio.open_connection("127.0.0.1", tasks[next(self._turns) % len(tasks)].port)
            with contextlib.closing(forth):
                forth.write(first)
                await gather(pass_on(reader, forth), pass_on(back, writer))


async def _host_asked(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """What a client of HTTP/1.1 sends first, and the host that it asks; empty for another protocol."""
    try:
        first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _FIRST_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
        return b"", ""
    found = re.search(rb"(?i)\r\nhost: *([^\s:]+)", first)
    return first, found[1].decode("latin-1").lower() if found else ""


def _opens(rule: Mapping[str, Any], callers: tuple[str, ...], port: int) -> bool:
    """Whether a rule may be for a port and for one of the callers' groups; in doubt, yes."""
    first, last = (str(rule.get(key, "")) for key in ("FromPort", "ToPort"))
    limited = str(rule.get("IpProtocol", "-1")) != "-1" and first.isdigit() and last.isdigit()
    if limited and not int(first) <= port <= int(last):
        return False
    source = rule.get("SourceSecurityGroupId")
    if source is not None:
        return _plain(source) in callers
    with contextlib.suppress(ValueError):  # a single address is no task's: nobody knows those beforehand
        address, _, bits = str(rule.get("CidrIp", "")).partition("/")
        return not (ip_address(address).is_global and bits != "0")
    return True


def _all(stack: PlayedStack, kind: str) -> Iterator[dict[str, Any]]:
    """What each resource of a type says, and its Ref. One that only CloudFormation can read tells nothing here."""
    for each in stack.resources(kind):
        with contextlib.suppress(UnresolvableError):
            yield {**stack.properties(each), "Ref": stack.ref(each)}


def _groups(service: Mapping[str, Any]) -> tuple[str, ...]:
    network = service.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
    return tuple(_plain(each) for each in network.get("SecurityGroups", []))


def _plain(group: Any) -> str:
    return str(group).removesuffix(".GroupId")
