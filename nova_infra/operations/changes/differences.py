"""Compares a new template with the deployed one: what changes, and what a create-only property replaces.

Resource by resource and property by property, in four groups that an approver reads in this order: what replaces or
deletes data, what widens access, what opens the network, and the rest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nova_infra.documents.text import shortened
from nova_infra.operations.changes.access import granted
from nova_infra.operations.changes.exposure import closed, opened
from nova_infra.operations.changes.policies import Policy, is_policy, parsed, widened
from nova_infra.operations.changes.resource_types import replaced_by, resource_type
from nova_infra.operations.changes.template_values import properties, references, same, shown, value_at

Template = Mapping[str, Any]
Path = tuple[str, ...]
Leaf = tuple[Path, Any, Any]

_IGNORED_TYPES = {"AWS::CDK::Metadata"}
_RULES = {"SecurityGroupIngress", "SecurityGroupEgress"}


class Kind(StrEnum):
    """The groups, most important first."""

    REPLACES_DATA = "replaces data"
    WIDENS_ACCESS = "widens access"
    OPENS_NETWORK = "opens network"
    OTHER = "other"


@dataclass(frozen=True)
class Difference:
    """A change.

    Attributes:
        resource: Logical id; empty for what is said of the template.
        what: A sentence whose subject is the resource.
        property: Path of the property, empty where the whole resource is meant.
    """

    resource: str
    type: str
    kind: Kind
    what: str
    property: str = ""


def differences(before: Template | None, after: Template) -> list[Difference]:
    """What changes, sorted by group.

    Args:
        before: The deployed template; None where the stack does not exist yet.
    """
    old, new = _resources(before or {}), _resources(after)
    found = [*_removed(old, new), *_added(old, new), *_changed(old, new)]
    for logical_id, sentence in granted(old, new):
        found.append(Difference(logical_id, _type(new, old, logical_id), Kind.WIDENS_ACCESS, sentence))
    for logical_id, sentence in opened(old, new):
        found.append(Difference(logical_id, _type(new, old, logical_id), Kind.OPENS_NETWORK, sentence))
    for logical_id, sentence in closed(old, new):
        found.append(Difference(logical_id, _type(new, old, logical_id), Kind.OTHER, sentence))
    found += _sections(before or {}, after)
    order = list(Kind)
    return sorted(dict.fromkeys(found), key=lambda d: (order.index(d.kind), d.resource, d.property))


def settings_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Changes in how a stack is deployed, which no template says: roles, protection, topics and tags."""
    return [
        Difference("", "", _of_setting(path[0], becomes), _from_to(path, was, becomes), "/".join(path))
        for path, was, becomes in _leaves(before, after, ())
    ]


def _of_setting(name: str, becomes: Any) -> Kind:
    harmless = name in ("region", "tags", "parameters") or (name == "terminationProtection" and becomes is True)
    return Kind.OTHER if harmless else Kind.WIDENS_ACCESS


def _resources(template: Template) -> dict[str, Any]:
    resources = template.get("Resources", {})
    return {
        logical_id: resource
        for logical_id, resource in resources.items()
        if isinstance(resource, dict) and isinstance(kind := resource.get("Type"), str) and kind not in _IGNORED_TYPES
    }


def _removed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for logical_id, resource in old.items():
        if logical_id in new and new[logical_id]["Type"] == resource["Type"]:
            continue
        kind, what = Kind.OTHER, "is deleted"
        policy = resource.get("DeletionPolicy")
        if policy in ("Retain", "RetainExceptOnCreate"):
            what = "leaves the stack but is kept"
        elif resource_type(resource["Type"]).stateful:
            kind = Kind.REPLACES_DATA
            what = "is deleted, and its data with it" if policy != "Snapshot" else "is deleted; a snapshot is kept"
        yield Difference(logical_id, resource["Type"], kind, what)


def _added(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for logical_id, resource in new.items():
        if logical_id not in old or old[logical_id]["Type"] != resource["Type"]:
            yield Difference(logical_id, resource["Type"], Kind.OTHER, "is created")


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    changes = changed_leaves(old, new)
    for logical_id, replacement in replacements(new, changes).items():
        yield _replaced(logical_id, new[logical_id], replacement)
    for logical_id in changes:
        kind = new[logical_id]["Type"]
        for path, was, becomes in changes[logical_id]:
            if path[0] in _RULES:
                continue  # told in words, by what is opened and closed
            if is_policy(parsed(was)) or is_policy(parsed(becomes)):
                if widened(_policy(becomes), _policy(was)):
                    yield Difference(logical_id, kind, Kind.OTHER, f"{path[-1]} allows less", "/".join(path))
                continue
            yield Difference(logical_id, kind, Kind.OTHER, _from_to(path, was, becomes), "/".join(path))
        yield from _kept_less(logical_id, old[logical_id], new[logical_id])


@dataclass(frozen=True)
class Replacement:
    """Why a resource is replaced.

    Attributes:
        follows: Logical id of the resource whose replacement is the reason, if one is.
    """

    certain: bool
    because: str
    follows: str | None = None


def changed_leaves(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Leaf]]:
    """Each resource that both templates have, by logical id and type, to the properties that differ in meaning."""
    common = {key: old[key] for key, each in new.items() if key in old and old[key]["Type"] == each["Type"]}
    return {
        key: [] if each == new[key] else list(_leaves(properties(each), properties(new[key]), ()))
        for key, each in common.items()
    }


def replacements(new: Mapping[str, Any], changes: Mapping[str, list[Leaf]]) -> dict[str, Replacement]:
    """Logical id to why it is replaced, including resources that refer to it by an immutable property."""
    found: dict[str, Replacement] = {}
    for logical_id, leaves in changes.items():
        kind, always = resource_type(new[logical_id]["Type"]), replaced_by(new[logical_id])
        for path, _, _ in leaves:
            name = "/".join(path)
            if any(_touches(path, fixed) for fixed in always):
                found[logical_id] = Replacement(True, f"{name} cannot be changed in place")
                break
            if not kind.known or any(_touches(path, fixed) for fixed in kind.perhaps_replaced_by):
                found.setdefault(logical_id, Replacement(False, f"a change of {name} may replace it"))
    following = list(found)
    while following:
        replaced = following.pop()
        for logical_id in changes:
            if logical_id in found and (found[logical_id].certain or not found[replaced].certain):
                continue
            values, fixed = properties(new[logical_id]), replaced_by(new[logical_id])
            if any(replaced in references(value_at(values, path)) for path in fixed):
                because = f"it refers to {replaced}, which is replaced"
                found[logical_id] = Replacement(found[replaced].certain, because, follows=replaced)
                following.append(logical_id)
    return found


def _replaced(logical_id: str, resource: Mapping[str, Any], replacement: Replacement) -> Difference:
    verb = "is replaced" if replacement.certain else "may be replaced"
    what, kind = f"{verb}: {replacement.because}", Kind.OTHER
    if resource_type(resource["Type"]).stateful:
        policy = resource.get("UpdateReplacePolicy", "Delete")
        after = {
            "Retain": "the new one starts empty; the old one is kept outside the stack",
            "Snapshot": "the new one starts empty; a snapshot of the old one is kept",
        }.get(policy, "the old one is deleted with its data")
        what, kind = f"{what}; {after}", Kind.REPLACES_DATA
    return Difference(logical_id, resource["Type"], kind, what)


def _kept_less(logical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Attributes other than properties and metadata; those that protect a resource from deletion come first."""
    stateful = resource_type(new["Type"]).stateful
    for name in sorted({*old, *new} - {"Type", "Properties", "Metadata"}):
        was, becomes = old.get(name), new.get(name)
        if same(was, becomes):
            continue
        protected = name in ("DeletionPolicy", "UpdateReplacePolicy")
        # A snapshot keeps less than the resource, and nothing less than a snapshot.
        rank = ["Retain", "RetainExceptOnCreate", "Snapshot", "Delete"]
        weaker = protected and _rank(rank, becomes or "Delete") > _rank(rank, was or "Delete")
        kind = Kind.REPLACES_DATA if weaker and stateful else Kind.OTHER
        yield Difference(logical_id, new["Type"], kind, _from_to((name,), was, becomes), name)


def _rank(order: list[str], value: Any) -> int:
    return order.index(value) if value in order else len(order)


def _policy(value: Any) -> Policy:
    return Policy.of([] if value is None else [parsed(value)])


def _leaves_by_key(was: Mapping[str, Any], becomes: Mapping[str, Any], path: Path) -> Iterator[Leaf]:
    for key in sorted({*was, *becomes}):
        yield from _leaves(was.get(key), becomes.get(key), (*path, key))


def _leaves(was: Any, becomes: Any, path: Path) -> Iterator[Leaf]:
    """Path, old and new value of everything that differs in meaning; None stands for an absent value."""
    if same(was, becomes):
        return
    if is_policy(parsed(was)) or is_policy(parsed(becomes)):
        before, after = _policy(was), _policy(becomes)
        if widened(before, after) or widened(after, before):
            yield path, was, becomes
        return
    if _plain(was) and _plain(becomes):
        yield from _leaves_by_key(was or {}, becomes or {}, path)
        return
    if isinstance(was, list | None) and isinstance(becomes, list | None):
        before_by_name, after_by_name = _by_name(was or []), _by_name(becomes or [])
        if before_by_name is not None and after_by_name is not None:
            yield from _leaves_by_key(before_by_name, after_by_name, path)
            return
        if was is not None and becomes is not None and len(was) == len(becomes):
            for index, (left, right) in enumerate(zip(was, becomes, strict=True)):
                yield from _leaves(left, right, (*path, str(index)))
            return
    yield path, was, becomes


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """Items by their identifying key; None if they have none."""
    for key in ("Name", "Key", "Id", "PolicyName", "SourceVolume"):
        names = [item.get(key) if isinstance(item, dict) else None for item in items]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip(map(str, names), items, strict=True))
    return None


def _plain(value: Any) -> bool:
    """Whether a value is an object, or missing, and no intrinsic function."""
    if not isinstance(value, dict | None):
        return False
    return not value or len(value) > 1 or not next(iter(value)).startswith(("Ref", "Fn::"))


def _touches(path: Path, fixed: str) -> bool:
    """Whether a change at a path changes the property that a schema names."""
    return all(mine == theirs or theirs == "*" for mine, theirs in zip(path, fixed.split("/"), strict=False))


def _from_to(path: Path, was: Any, becomes: Any) -> str:
    name = ".".join(path)
    if was is None:
        return f"sets {name} to {shortened(shown(becomes))}"
    if becomes is None:
        return f"no longer sets {name} ({shortened(shown(was))})"
    return f"changes {name} from {shortened(shown(was))} to {shortened(shown(becomes))}"


def _sections(before: Template, after: Template) -> Iterator[Difference]:
    for section in ("Parameters", "Mappings", "Conditions", "Outputs", "Transform", "Rules"):
        for path, was, becomes in _leaves(before.get(section), after.get(section), (section,)):
            yield Difference("", section, Kind.OTHER, _from_to(path, was, becomes), "/".join(path))


def _type(new: Mapping[str, Any], old: Mapping[str, Any], logical_id: str) -> str:
    resource = new.get(logical_id) or old.get(logical_id) or {}
    kind: str = resource.get("Type", "")
    return kind
