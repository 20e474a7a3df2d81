"""The brief: what an approver reads before a release goes to an environment, on one screen.

It names two digests: the assembly's, which later steps compare, and the templates', which the preflight prints again
for a person.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nova_infra.deployed.aws.toolchain import PipelineAction
from nova_infra.deployed.model import Alarm
from nova_infra.deployed.stack import Template
from nova_infra.documents.model import Code, Document, Foreign, Line, Section, Tone
from nova_infra.documents.text import counted, shortened
from nova_infra.names import JOB_ALARMS
from nova_infra.operations.changes.differences import Difference, Kind
from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.records.ledger import Entry
from nova_infra.operations.records.lookup import short
from nova_infra.operations.reports.commits import Commit, Commits

_MOST_COMMITS = 15
_MOST_OTHERS = 12
_MOST_ALARMED = 40
_MAX_MESSAGE_BYTES = 256 * 1024
_CUT = "\n\nThe rest did not fit into the message: run `nova brief` to read it.\n"
_TASK_DEFINITION = "AWS::ECS::TaskDefinition"
# What a new image changes in a task definition by itself.
_IMAGE_PROPERTIES = ("Image", "Environment/NOVA_RELEASE/Value")
_GROUPS: dict[Kind, tuple[str, Tone]] = {
    Kind.REPLACES_DATA: ("Replaces data", "bad"),
    Kind.WIDENS_ACCESS: ("Widens access", "bad"),
    Kind.OPENS_NETWORK: ("Opens the network", "bad"),
    Kind.OTHER: ("Other changes", ""),
}


@dataclass(frozen=True)
class StackChanges:
    """What changes in one stack."""

    stack: str
    differences: tuple[Difference, ...]
    new: bool = False


@dataclass(frozen=True)
class Brief:
    """Everything that the brief says.

    Attributes:
        environment: Prefix of the environment's names, such as ``nova-prod``.
        running: The latest entry of the ledger; None where nothing was released.
        last_good: The release to go back to; None where there is none.
        images: Service to the tag that runs, None where it is new, and the tag that is to run.
        unseen: What could not be looked at, and why.
        cost: What it costs more, or less, a month; empty where that stays the same, or is not known.
        digest: What its templates are known by; the preflight says it again. Empty where that is not known.
        assembly: What the assembly was known by when it was built; the approval names it, preflight compares it, and
            the ledger keeps it. Empty outside of a delivery.
    """

    environment: str
    name: str
    candidate: str
    running: Entry | None
    last_good: Entry | None
    commits: Commits
    images: Mapping[str, tuple[str | None, str]]
    stacks: Sequence[StackChanges]
    tests: Sequence[PipelineAction] | None
    alarms: Sequence[Alarm]
    warnings: Sequence[str]
    unseen: Sequence[str]
    cost: str = ""
    digest: str = ""
    assembly: str = ""


def document(brief: Brief) -> Document:
    """The brief as a document."""
    before = f" over {short(brief.running.release)}" if brief.running else ""
    return Document(
        title=f"{brief.environment}: release {short(brief.candidate)}{before}",
        verdict=_verdict(brief),
        sections=tuple(_sections(brief)),
    )


def subject(brief: Brief) -> str:
    """A subject for an e-mail: at most 100 characters of ASCII on one line (SNS: API_Publish)."""
    words = [f"{brief.environment}: approve {short(brief.candidate)}?"]
    if count := len(_warnings(brief)):
        words.append(counted(count, "warning"))
    words += [f"{kind}" for kind in list(Kind)[:3] if any(d.kind is kind for s in brief.stacks for d in s.differences)]
    text = ", ".join(words).encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in text)[:100]


def message(text: str) -> str:
    """The brief as SNS takes it: at most 256 KB, as UTF-8.

    https://docs.aws.amazon.com/general/latest/gr/sns.html
    """
    data = text.encode()
    if len(data) <= _MAX_MESSAGE_BYTES:
        return text
    cut = data[: _MAX_MESSAGE_BYTES - len(_CUT.encode())].decode(errors="ignore")
    return cut + _CUT


def apart_from_images(changes: StackChanges) -> StackChanges:
    """The changes, without those that a new image causes: the lists of images and of commits show them."""
    by_resource: dict[str, list[Difference]] = {}
    for difference in changes.differences:
        by_resource.setdefault(difference.resource, []).append(difference)
    kept = [
        difference
        for differences in by_resource.values()
        if not all(d.type == _TASK_DEFINITION and _of_the_image(d) for d in differences)
        for difference in differences
    ]
    return StackChanges(changes.stack, tuple(kept), changes.new)


def _of_the_image(difference: Difference) -> bool:
    # Without a property, it says that the revision is replaced, which the other differences explain.
    return not changed_outside(difference) and difference.kind is Kind.OTHER


def changed_outside(difference: Difference) -> bool:
    """Whether a difference in a task definition is more than its image."""
    if not difference.property:
        return not difference.what.startswith("is replaced")
    container = difference.property.split("/", 2)
    return len(container) < 3 or container[0] != "ContainerDefinitions" or container[2] not in _IMAGE_PROPERTIES


def image_tags(template: Template | None) -> dict[str, str]:
    """Container to the tag of its image, in a service's template."""
    resources = (template or {}).get("Resources", {}).values()
    return {
        str(container.get("Name")): shown(container.get("Image", "")).rpartition(":")[2]
        for resource in resources
        if resource.get("Type") == _TASK_DEFINITION
        for container in resource.get("Properties", {}).get("ContainerDefinitions", ())
    }


def _verdict(brief: Brief) -> Line:
    counts = {kind: sum(d.kind is kind for s in brief.stacks for d in s.differences) for kind in list(Kind)[:3]}
    grave = [f"{count} {kind}" for kind, count in counts.items() if count]
    warnings = _warnings(brief)
    if grave or warnings:
        parts = [*grave, *([counted(len(warnings), "warning")] if warnings else [])]
        return Line.of("Read before you approve: ", ", ".join(parts), tone="bad")
    if brief.unseen:
        return Line.of("Nothing that could be read warns against it.", tone="warn")
    return Line.of("It replaces no data, widens no access, opens no network.", tone="good")


def _warnings(brief: Brief) -> list[Line]:
    found = [Line.of(Foreign(warning), tone="bad") for warning in brief.warnings]
    if brief.commits.lost:
        text = (
            f"It leaves out {len(brief.commits.lost)} of the commits that run now: it comes from another branch of "
            "history"
        )
        found.append(Line.of(text, tone="bad"))
    red = [alarm for alarm in brief.alarms if alarm.state == "ALARM"]
    found += [Line.of(Foreign(alarm.name), f" is red: {_what_follows(alarm)}", tone="bad") for alarm in red]
    failed = [action for action in brief.tests or () if action.status == "Failed"]
    found += [Line.of(Foreign(action.full_name), " failed for this commit", tone="bad") for action in failed]
    return found


def _what_follows(alarm: Alarm) -> str:
    if alarm.name.endswith(tuple(f"-{kind}" for kind in JOB_ALARMS)):
        return "a job's run failed or is missing, which `nova explain` looks into; it stops no deployment"
    return "if it is a deployment alarm, ECS will watch none of its service's alarms during this deployment"


def _sections(brief: Brief) -> Iterator[Section]:
    if warnings := _warnings(brief):
        yield Section("Warnings", tuple(warnings))
    for kind in list(Kind)[:3]:
        if lines := list(_told(brief.stacks, kind)):
            title, _ = _GROUPS[kind]
            yield Section(f"{title} ({len(lines)})", _first(lines, _MOST_ALARMED))
    yield Section(*_commits(brief.commits))
    yield Section(*_images(brief))
    others = list(_told([apart_from_images(changes) for changes in brief.stacks], Kind.OTHER))
    if others:
        yield Section(f"{_GROUPS[Kind.OTHER][0]} ({len(others)})", _first(others, _MOST_OTHERS))
    elif brief.stacks:
        yield Section("Other changes", (Line.of("none: only images change"),))
    if brief.cost:
        yield Section("Costs", (Line.of(brief.cost),))
    if brief.digest:
        built = (Line.of("assembly ", brief.assembly, ": the preflight accepts no other"),) if brief.assembly else ()
        templates = Line.of("templates ", brief.digest, ": the preflight says it again")
        yield Section("Approved with this", (templates, *built))
    yield Section("Tested", tuple(_tests(brief.tests)))
    yield Section("Alarms now", tuple(_alarms(brief.alarms)))
    yield _way_back(brief)
    if brief.unseen:
        yield Section("Not seen", tuple(Line.of(Foreign(line), tone="warn") for line in brief.unseen))


def _told(stacks: Sequence[StackChanges], kind: Kind) -> Iterator[Line]:
    tone = _GROUPS[kind][1]
    for changes in stacks:
        if changes.new and kind is Kind.OTHER:
            yield Line.of(f"{changes.stack}: is created, with {counted(len(changes.differences), 'resource')}")
            continue
        for difference in changes.differences:
            if difference.kind is kind:
                kind_of = difference.type.removeprefix("AWS::")
                where = f"{changes.stack}: " + (f"{difference.resource} ({kind_of}) " if difference.resource else "")
                yield Line.of(where, Foreign(shortened(difference.what, 300)), tone=tone)


def _first(lines: Sequence[Line], most: int) -> tuple[Line, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:most], Line.of(f"and {len(lines) - most} more: `cdk diff` shows them"))


def _commits(commits: Commits) -> tuple[str, tuple[Line, ...]]:
    if commits.unknown:
        return "Commits", (Line.of("not known: ", Foreign(commits.unknown), tone="warn"),)
    lines = [_commit(commit) for commit in commits.new]
    lost = [_commit(commit, "left out: ", tone="bad") for commit in commits.lost[:_MOST_COMMITS]]
    if len(lines) > _MOST_COMMITS:
        lines = [*lines[:_MOST_COMMITS], Line.of(f"and {len(commits.new) - _MOST_COMMITS} more")]
    if not lines and not lost:
        lines = [Line.of("none: this commit already runs")]
    return f"Commits ({len(commits.new)})", (*lost, *lines)


def _commit(commit: Commit, before: str = "", tone: Tone = "") -> Line:
    subject = textwrap.shorten(commit.subject, 72, placeholder=" …") or "(no message)"
    return Line.of(before, Foreign(f"{commit.id} {subject}"), " by ", Foreign(commit.author), tone=tone)


def _images(brief: Brief) -> tuple[str, tuple[Line, ...]]:
    changed = {name: tags for name, tags in brief.images.items() if tags[0] != tags[1]}
    lines = [
        Line.of(f"{name}: ", Foreign(before) if before else "not deployed yet", " → ", Foreign(after))
        for name, (before, after) in sorted(changed.items())
    ]
    same = len(brief.images) - len(changed)
    if same:
        lines.append(Line.of(f"{same} service{'s keep their' if same != 1 else ' keeps its'} image"))
    return f"Images ({len(changed)} of {len(brief.images)} change)", tuple(lines)


def _tests(tests: Sequence[PipelineAction] | None) -> Iterator[Line]:
    if tests is None:
        yield Line.of("not known: the pipeline could not be read", tone="warn")
        return
    tones: dict[str, Tone] = {"Succeeded": "good", "Failed": "bad"}
    for action in tests:
        said = {"Succeeded": "passed", "Failed": "failed"}.get(action.status, action.status or "not run")
        yield Line.of(Foreign(action.full_name), f" {said}", tone=tones.get(action.status, "warn"))
    if not tests:
        yield Line.of("nothing: the pipeline has run no build or test for this commit", tone="warn")


def _alarms(alarms: Sequence[Alarm]) -> Iterator[Line]:
    by_state = {state: [a.name for a in alarms if a.state == state] for state in ("ALARM", "INSUFFICIENT_DATA", "OK")}
    yield from (Line.of(Foreign(name), " is in ALARM", tone="bad") for name in by_state["ALARM"])
    if missing := by_state["INSUFFICIENT_DATA"]:
        yield Line.of(f"{len(missing)} have no data, such as ", Foreign(missing[0]), tone="warn")
    if calm := by_state["OK"]:
        yield Line.of(f"{len(calm)} {'are' if len(calm) != 1 else 'is'} OK", tone="good")
    if not alarms:
        yield Line.of("there are none", tone="warn")


def _way_back(brief: Brief) -> Section:
    if brief.last_good is None:
        line = Line.of("there is no release to roll back to; a failed deployment only restores what ran before")
        return Section("If it goes wrong", (line,))
    command = f"nova rollback {brief.name} --to {short(brief.last_good.release)}"
    return Section("If it goes wrong", (Code(command),))
