"""Finds dependencies that security groups or network ACLs would keep a task from in production."""

from collections.abc import Collection, Iterable, Mapping

from nova_infra.config.rules.addresses import addresses
from nova_infra.operations.planner import StackKey, StackTemplate, Ways, World
from nova_infra.operations.planner.blockers.network.closed_ports import STORE_PORTS
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.tasks.definition import TaskDefinition

_AWS = "AWS_ENDPOINT_URL"


def barred(
    needed: Iterable[Needed],
    stack: PlayedStack,
    others: Mapping[str, PlayedStack],
    definitions: Mapping[str, TaskDefinition],
) -> dict[str, dict[str, str]]:
    """Revision to the dependencies that its tasks do not reach, each with why, in a clause.

    Args:
        others: The other stacks of the environment, by name.
        definitions: Logical id of each task definition of the stack to the definition.
    """
    home = stack.home
    stacks = {**others, stack.name: stack}
    templates = {
        name: StackTemplate(StackKey(home.account, home.region, name), each.template) for name, each in stacks.items()
    }
    ways = Ways(World(templates.values()), templates[stack.name])
    found: dict[str, dict[str, str]] = {}
    for task, definition in definitions.items():
        stores = ways.stores(task)
        for each in needed:
            leads = {} if _stands_for_aws(each) else {k: why for k, why in stores.items() if k in each.wanted.provides}
            places = _places(each, definition, leads)
            why = [*leads.values(), *(ways.closed(task, port, host) for host, port in places)]
            if why and all(why):
                found.setdefault(definition.revision, {})[each.wanted.name] = why[0]
    return found


def _stands_for_aws(needed: Needed) -> bool:
    return any(name.startswith(_AWS) for name in needed.wanted.provides)


def _places(needed: Needed, definition: TaskDefinition, known: Collection[str]) -> list[tuple[str, int | None]]:
    """The hosts and ports that a dependency has in production, as far as nova.toml or the task's variables say.

    Where a secret leads to a database, its port is unknown, and none but those of the web will do.

    Args:
        known: Variables that lead to stores of the templates, which are left out.
    """
    wanted = needed.wanted
    if _stands_for_aws(needed):
        return []
    if needed.hosts:
        return [(host, wanted.port) for host in sorted(needed.hosts)]
    named = wanted.provides.keys() - set(known)
    led = {name: definition.environment[name] for name in named if name in definition.environment}
    if led or known or wanted.port not in STORE_PORTS or not definition.secrets.keys() & named:
        return [(each.host, each.port) for each in addresses(led)]
    return [("", None)]


def is_used(needed: Needed, definition: TaskDefinition) -> bool:
    """Whether a task definition itself names a dependency, by a variable that it provides or by one of its hosts."""
    named = {*definition.environment, *definition.secrets} & needed.wanted.provides.keys()
    return bool(named) or any(host in value for host in needed.hosts for value in definition.environment.values())
