"""The dependencies of one environment: a container for each, and the names that lead tasks to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.dependencies.blocked import barred, is_used
from nova_infra.rehearsal.dependencies.container import DependencyContainer, share_addresses
from nova_infra.rehearsal.dependencies.limits import limit_of
from nova_infra.rehearsal.record import ConnectionsRecord
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import TaskRuntime
from nova_infra.rehearsal.tasks.task import Task
from nova_infra.rehearsal.usage.connections import connections

ENDPOINT = "AWS_ENDPOINT_URL"


class Dependencies:
    """The dependencies of one environment: each has its own, as in AWS."""

    def __init__(
        self,
        runtime: TaskRuntime,
        environment: str,
        gaps: list[str],
        records: dict[str, ConnectionsRecord],
        denied: dict[str, list[str]],
    ) -> None:
        """Prepare.

        Args:
            records: Name of a dependency to the connections to it, which are noted there.
            denied: What tasks of the release cannot reach is written here, by their revision.
        """
        self._environment = environment
        self._gaps = gaps
        self._records = records
        self._denied = denied
        self._barred: dict[str, dict[str, str]] = {}
        self._released: set[str] = set()
        self._in_network = runtime.kind == "images"
        self._containers: list[DependencyContainer] = []
        for needed in runtime.dependencies:
            assert runtime.place is not None, "a runtime with dependencies has a place for them"
            container = DependencyContainer(needed, runtime.place, in_network=self._in_network)
            self._containers.append(container)
            limit = limit_of(needed.wanted)
            self._records.setdefault(
                needed.wanted.name,
                ConnectionsRecord(limit.connections, limit.origin) if limit else ConnectionsRecord(None),
            )
        if self._in_network:
            share_addresses(self._containers)

    async def start(self) -> None:
        """Start all of them, and wait until they are ready."""
        for guests in (False, True):
            await gather(*(each.start() for each in self._containers if bool(each.holder) is guests))
        for container in self._containers:
            if hosts := container.out_of_reach if self._in_network else sorted(container.needed.hosts):
                self._gap(
                    f"nothing answers at {' and '.join(hosts)} itself: {container.name} is reached only by the "
                    "variables that it provides"
                )

    async def stop(self) -> None:
        """Remove them, and note which had ended before. Safe to call twice."""
        for guests in (True, False):  # An engine keeps an address while another container shares it.
            containers = [each for each in self._containers if bool(each.holder) is guests]
            ended = await gather(*(container.stop() for container in containers))
            for container, how in zip(containers, ended, strict=True):
                if how:
                    self._gap(f"{container.name}, on which services depend, {how} in {self._environment}")

    def note_connections(self, tasks: Sequence[Task]) -> None:
        """Note the connections that tasks hold to each of them now, where this machine shows them."""
        for container in self._containers:
            most = self._records[container.name].most
            address, port = container.reached_at
            for task in tasks if address else ():
                held = connections(task.pid, address, port, own_network=self._in_network) if task.pid else None
                if held:
                    most[task.definition.revision] = max(most.get(task.definition.revision, 0), held)

    def bar(
        self,
        stack: PlayedStack,
        others: Mapping[str, PlayedStack],
        definitions: Mapping[str, TaskDefinition],
        *,
        judged: bool,
    ) -> None:
        """Keep the tasks of a stack from what its templates keep them from.

        Args:
            others: The other stacks of the environment, by name.
            definitions: Logical id of each task definition of the stack to the definition.
            judged: Whether it is the release's.
        """
        self._released |= {each.revision for each in definitions.values()} if judged else set()
        needed = [each.needed for each in self._known(released=judged)]
        self._barred |= barred(needed, stack, others, definitions) if needed else {}
        for definition in definitions.values() if judged else ():
            self._note_open_ports(self._barred.get(definition.revision, {}))
            for each in needed:
                why = self._barred.get(definition.revision, {}).get(each.wanted.name)
                said = self._denied.setdefault(definition.revision, []) if why and is_used(each, definition) else None
                clause = f"connections to {each.wanted.name}: {why}: open its port (with Nova: connects_to)"
                if said is not None and clause not in said:
                    said.append(clause)

    def provide(self, definition: TaskDefinition) -> TaskDefinition:
        """The definition with hosts and variables that lead to them; a forbidden one leads to nobody."""
        if not self._containers:
            return definition
        closed = self._barred.get(definition.revision, {})
        known = self._known(released=definition.revision in self._released)
        provided = _provided(known, closed=closed)
        return replace(
            definition,
            environment={**definition.environment, **provided},
            secrets={name: value for name, value in definition.secrets.items() if name not in provided},
            hosts=_hosts(known, closed) if self._in_network else {},
        )

    @property
    def aws_endpoint(self) -> tuple[str, str]:
        """The address of the one that stands for AWS, from this machine and from tasks; empty if none does."""
        known = self._known(released=True)
        return _provided(known, on_this_machine=True).get(ENDPOINT, ""), _provided(known).get(ENDPOINT, "")

    def _known(self, *, released: bool) -> list[DependencyContainer]:
        """The dependencies as the release's tasks know them, or as those of the baseline do."""
        if released:
            return [each for each in self._containers if not each.needed.retired]
        return [replace(each, needed=each.needed.before or each.needed) for each in self._containers]

    def _note_open_ports(self, closed: Collection[str]) -> None:
        """Note the ports of hosts that are open to the release's tasks here alone, as an address has those of all."""
        opened: dict[str, list[DependencyContainer]] = {}
        for each in self._known(released=True) if self._in_network else ():
            for host in each.hosts[1:] if each.name not in closed else ():
                opened.setdefault(host, []).append(each)
        for host, meant in opened.items():
            known = {port for each in meant for port in each.needed.wanted.ports}
            for port in sorted((meant[0].holder or meant[0]).ports - known):
                self._gap(f"nothing keeps tasks from port {port} of {host} here: what stands for it shares an address")

    def _gap(self, sentence: str) -> None:
        if sentence not in self._gaps:
            self._gaps.append(sentence)


def _hosts(containers: Iterable[DependencyContainer], closed: Collection[str]) -> dict[str, str]:
    """Host to address: where one port of it is reached, whatever is closed at others, and where most ports are."""
    best_last = sorted(containers, key=lambda each: (each.name not in closed, len((each.holder or each).ports)))
    return {host: each.nobody if each.name in closed else each.address for each in best_last for host in each.hosts}


def _provided(
    containers: Iterable[DependencyContainer], *, on_this_machine: bool = False, closed: Collection[str] = ()
) -> dict[str, str]:
    found: dict[str, str] = {}
    for container in containers:
        found |= container.provided(on_this_machine=on_this_machine, closed=container.name in closed)
    return found
