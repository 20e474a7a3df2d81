"""Which alarms an environment's stacks make, and which are named but made by none of them."""

import difflib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.alarms import read_alarm
from nova_infra.rehearsal.cloudwatch.composite import read_composite_alarm

STRANGE = "which no stack up to here makes"


class KnownAlarms:
    """Reads the alarms of stacks in their order. AWS evaluates more of them than the rehearsal can.

    Attributes:
        unevaluated: Alarms that the rehearsal cannot evaluate, and why.
    """

    def __init__(self) -> None:
        self.unevaluated: dict[str, str] = {}
        self._names: set[str] = set()
        self._strange: dict[str, str] = {}

    def read(self, stack: PlayedStack) -> None:
        """Read a stack's."""
        for logical_id in stack.resources("AWS::CloudWatch::Alarm"):
            properties = stack.required(logical_id, "AlarmName")
            self._names.add(str(properties["AlarmName"]))
            self._evaluated(str(properties["AlarmName"]), partial(read_alarm, properties))
        composites = {}
        for logical_id in stack.resources("AWS::CloudWatch::CompositeAlarm"):
            properties = stack.required(logical_id, "AlarmName", "AlarmRule")
            name = str(properties["AlarmName"])
            self._names.add(name)
            composites[logical_id] = self._evaluated(name, partial(read_composite_alarm, properties))
        for logical_id, composite in composites.items():
            for each in self.strange(composite.alarms, f"{stack.name}.{logical_id}.AlarmRule") if composite else ():
                self.unevaluated.setdefault(composite.name, f"{composite.name}: is over {each}, {STRANGE}")
        for _ in composites:  # one may be over another, in any order
            for composite in filter(None, composites.values()):
                if parts := [each for each in composite.alarms if each in self.unevaluated]:
                    self.unevaluated.setdefault(composite.name, f"{composite.name}: is over {parts[0]}")

    def strange(self, names: Iterable[str], where: str) -> list[str]:
        """Those of the alarms that no stack read so far makes.

        Args:
            where: What names them.
        """
        found = [each for each in names if each not in self._names]
        self._strange |= {each: self._strange.get(each, where) for each in found}
        return found

    def check(self, prefix: str, others: Iterable[str] = ()) -> None:
        """Refuse a misspelt name of the environment's own. Another name may be that of an alarm made elsewhere.

        Args:
            prefix: What the names of the environment begin with; empty if that is not known.
            others: The same of other environments.
        """
        longer = tuple(each for each in others if each.startswith(prefix) and each != prefix)
        for name, where in self._strange.items() if prefix else ():
            if name in self._names or not name.startswith(prefix) or name.startswith(longer):
                continue
            ends = [each.removeprefix(prefix) for each in self._names if each.startswith(prefix)]
            near = difflib.get_close_matches(name.removeprefix(prefix), ends, 1, cutoff=0.85)
            if near and _digits(near[0]) == _digits(name.removeprefix(prefix)):
                meant = f"{prefix}{near[0]}"
                raise UnresolvableError(f"{where}: {name!r} is not an alarm of this environment: write {meant!r}")

    def _evaluated(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except UnresolvableError as error:
            self.unevaluated[name] = str(error)
            return None


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))
