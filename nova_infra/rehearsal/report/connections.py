"""Compares tasks' connections to a database, times the most tasks of a rollout, with its limit."""

from nova_infra.rehearsal.record import DeploymentRecord, Record


def too_many_connections(record: Record) -> list[tuple[str, str]]:
    """Environment and clause for each dependency that would refuse connections during a rollout.

    The rehearsal's traffic opens few connections: what is too many here is too many in production, and the reverse
    does not hold.
    """
    found = []
    for environment, name, total, terms in _sums(record):
        held = record.connections[environment][name]
        if held.limit is not None and total > held.limit:
            clause = (
                f"{name} in {environment} allows {held.limit} connections ({held.origin}), but a rollout with the "
                f"most tasks needs {total}: {terms}"
            )
            found.append((environment, clause))
    return found


def counted_connections(record: Record) -> list[str]:
    """What was counted of dependencies whose limit is known and not passed, a clause each."""
    return [
        f"{name} in {environment}: {terms}, of {held.limit} ({held.origin})"
        for environment, name, total, terms in _sums(record)
        if (held := record.connections[environment][name]).limit is not None and total <= held.limit
    ]


def _sums(record: Record) -> list[tuple[str, str, int, str]]:
    """Environment, dependency, connections at the most tasks, and how they come to that."""
    found = []
    for environment, dependencies in record.connections.items():
        serving = _serving(record, environment)
        for name, held in dependencies.items():
            terms = [
                (service, held.most[each.new], each.most_tasks)
                for service, each in serving.items()
                if held.most.get(each.new)
            ]
            words = " + ".join(f"{most} per task of {service} × {tasks} tasks" for service, most, tasks in terms)
            total = sum(most * tasks for _, most, tasks in terms)
            if terms:
                found.append((environment, name, total, f"{words} = {total}"))
    return found


def _serving(record: Record, environment: str) -> dict[str, DeploymentRecord]:
    """Service to the deployment of what it runs at the end."""
    return {
        each.service: each
        for each in record.deployments
        if each.environment == environment and each.outcome == "completed"
    }
