"""Converts ``count``: how many tasks a service has, its scaling, and how many are on Spot."""

from collections.abc import Mapping, Sequence
from typing import Any

from nova_infra.scaffold.copilot.reading.part import Part, TomlTable
from nova_infra.scaffold.copilot.reading.values import task_range

_NONE = "Nova keeps at least one task: remove a service that is not to run."


def convert(part: Part, table: TomlTable) -> None:
    """The number of tasks, and what it follows."""
    count = part.peek("count")
    if isinstance(count, int) and not isinstance(count, bool):
        if number := part.take("count", kind=int):
            table.put("scaling", {"min_tasks": number, "max_tasks": number})
        else:
            table.notes.append(part.note("count", what=_NONE))
        return
    if isinstance(count, str) and part.manifest.letter == "R":
        part.take("count", kind=str)
        table.notes.append(part.note("count", what="App Runner's configuration does not count tasks: set `scaling`."))
        return
    if count is not None and not isinstance(count, dict):
        part.fault("count", what="is neither a number of tasks nor a map: write one of them")
        return
    if (spot := part.take("count", "spot", kind=int)) == 0:
        table.notes.append(part.note("count", "spot", what=_NONE))
    elif spot:
        table.put("scaling", {"min_tasks": spot, "max_tasks": spot, "spot": {"percent": 100, "base": 0}})
    if isinstance(part.peek("count", "range"), dict):
        fewest, most = part.take("count", "range", "min", kind=int), part.take("count", "range", "max", kind=int)
        if fewest is None or most is None or fewest > most:
            part.fault("count", "range", what="has no min up to max: write both")
            return
        table.put("scaling", {"min_tasks": fewest, "max_tasks": most})
        if first_spot := part.take("count", "range", "spot_from", kind=int):
            table.put("scaling.spot", {"percent": 100, "base": max(0, first_spot - 1)})
    elif (bounds := part.take("count", "range", kind=object, convert=task_range)) is not None:
        table.put("scaling", {"min_tasks": bounds[0], "max_tasks": bounds[1]})
    _target(part, table, "cpu_percentage", "targets.cpu_percent")
    _target(part, table, "requests", "targets.requests_per_minute")


def _target(part: Part, table: TomlTable, theirs: str, ours: str) -> None:
    nested = isinstance(part.peek("count", theirs), dict)
    value = part.take("count", theirs, *(["value"] if nested else []), kind=int)
    if value is not None and ours.endswith("percent") and not 10 <= value <= 90:
        table.notes.append(
            part.note("count", theirs, what=f"Nova holds tasks between 10 and 90 %: {ours} is left out.")
        )
    else:
        table.put(ours, value)


def separate_spot(
    part: Part, table: TomlTable, inner: dict[str, Any], counts: Mapping[str, Any], environments: Sequence[str]
) -> None:
    """Move what a service says of Spot to those environments that it applies to.

    A count of an environment takes the place of the manifest's own, unless both are ranges by keys, which are merged.
    Here tables are always merged, so that such a count would keep the Spot of the service.

    Args:
        inner: Environment to the table of its overrides; tables are added.
        counts: Environment to the count that its override says, or None.
    """
    own = table.values.get("scaling") or {}
    merged = {name for name, count in counts.items() if count is None or _is_map_of_range(count)}
    replaced = counts.keys() - merged
    if "spot" not in own or not replaced:
        return
    spot = own.pop("spot")
    if replaced.issuperset(environments):
        where = ("count", "range", "spot_from") if part.has("count", "range", "spot_from") else ("count", "spot")
        table.notes.append(part.note(*where, what="Each environment has a count of its own, which takes its place."))
    for name in environments:
        if name not in replaced:
            others = inner.setdefault(name, TomlTable())
            others.put("scaling.spot", {**spot, **(others.values.get("scaling", {}).get("spot") or {})})


def _is_map_of_range(count: Any) -> bool:
    return isinstance(count, dict) and isinstance(count.get("range", {}), dict) and "spot" not in count
