"""``nova diff`` and the comment on a pull request: what a commit changes in the stacks, from two assemblies."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nova_infra.assembly import AssembledStack, Assembly, Template
from nova_infra.documents.markdown import as_block, as_markdown
from nova_infra.documents.model import Cell, Code, Document, Foreign, Line, Paragraph, Prose, Section, Table
from nova_infra.documents.text import shortened
from nova_infra.errors import RefusedError
from nova_infra.machine.parallel import threads
from nova_infra.machine.tools import run_cdk
from nova_infra.operations.changes.cost import difference
from nova_infra.operations.changes.differences import Difference, Kind, differences, settings_changed

WIDER = (Kind.WIDENS_ACCESS, Kind.OPENS_NETWORK)
"""Changes that need a reviewer's label."""

_THREADS = 2
# A comment on GitHub has at most 65,536 characters.
_COMMENT_CHARACTERS = 60_000
_STACK_CHARACTERS = 8_000


@dataclass(frozen=True)
class StackChange:
    """A stack that the assemblies deploy otherwise, or a list of assets.

    Attributes:
        name: Name of the stack, with its account where several have it.
        differences: What changes, most important first.
    """

    name: str
    differences: tuple[Difference, ...]
    text: str


def changes(before: Path, after: Path) -> list[StackChange]:
    """The stacks that differ, sorted by name; then what publishing their assets would newly run or upload.

    Raises:
        RefusedError: A directory is not an assembly, or ``cdk diff`` fails.
    """
    old, new = _by_name(Assembly(before), Assembly(after))
    # By their text first: to read and compare what is the same takes most of the time.
    other_text = [
        name for name in sorted(old.keys() | new.keys()) if _text(before, old.get(name)) != _text(after, new.get(name))
    ]
    common = sorted(old.keys() & new.keys())
    compared = {name: settings_changed(old[name].settings, new[name].settings) for name in common}
    other_settings = {name: each for name, each in compared.items() if each}

    def diff(name: str) -> str:
        return _cdk_diff(before, after, old.get(name), new.get(name))

    with threads(_THREADS) as pool:
        texts = dict(zip(other_text, pool.map(diff, other_text), strict=True))
    found = []
    for name in sorted(texts.keys() | other_settings.keys()):
        settings = other_settings.get(name, [])
        templates = _template(before, old.get(name)), _template(after, new.get(name)) or {}
        of_template = differences(*templates) if name in texts else []
        text = [*texts.get(name, "").splitlines(), *(f"The stack {each.what}" for each in settings)]
        found.append(StackChange(name, (*settings, *of_template), "\n".join(text)))
    return [*found, *_commands(before, after), *_contents(before, after), *_misled(after)]


def _commands(before: Path, after: Path) -> Iterator[StackChange]:
    """The lists of assets whose publishing runs commands that it did not run before."""
    known = Assembly(before).commands()
    for name, commands in Assembly(after).commands().items():
        if added := [f"runs {shortened(each)!r}" for each in commands if each not in known.get(name, [])]:
            found = (Difference("", "", Kind.WIDENS_ACCESS, what) for what in added)
            yield StackChange(name, tuple(found), "\n".join(f"Publishing its assets {what}" for what in added))


def _contents(before: Path, after: Path) -> Iterator[StackChange]:
    """What is uploaded under a name that stays, and is something else: no template shows it."""
    known = Assembly(before).uploads()
    for place, digests in sorted(Assembly(after).uploads().items()):
        what = "has other contents than before under the same name: if it is bundled, set AssetHashType.OUTPUT"
        if len(digests) > 1:
            what = "stands for several things: give each a name of its own"
        if len(digests | known.get(place, set())) > 1:
            yield StackChange(place, (Difference("", "", Kind.WIDENS_ACCESS, what),), f"The asset {what}")


def _misled(after: Path) -> Iterator[StackChange]:
    """The stacks of which this compares a template that is not the one that would be deployed."""
    for name in Assembly(after).misled():
        what = "would be deployed from another template than the one that is compared here: read its list of assets"
        yield StackChange(name, (Difference("", "", Kind.WIDENS_ACCESS, what),), f"The stack {what}")


def cost_difference(before: Path, after: Path) -> str:
    """How much more or less the change costs a month, in a sentence; empty if the same."""
    old, new = (
        [assembly.template(stack.template_path) for stack in assembly.stacks()]
        for assembly in (Assembly(before), Assembly(after))
    )
    return difference(old, new)


def as_comment(found: list[StackChange], cost: str = "") -> str:
    """The changes as a comment: what must not be missed first, then each stack in full as space allows.

    Args:
        cost: What :func:`cost_difference` says.
    """
    comment = as_markdown(Document("What this changes in AWS", sections=tuple(_sections(found, cost))), level=3)
    for change in found:
        text = change.text if len(change.text) <= _STACK_CHARACTERS else change.text[:_STACK_CHARACTERS] + "\n…"
        details = f"\n{as_block(Code(text, change.name))}\n"
        if len(comment) + len(details) > _COMMENT_CHARACTERS:
            return comment + "\nThis is too long for a comment: run `nova diff` to see all of it.\n"
        comment += details
    return comment


def _sections(found: list[StackChange], cost: str) -> Iterator[Section]:
    if not found:
        nothing = "Nothing: every template stays the same, and nothing would be deployed otherwise."
        yield Section("", (Paragraph.of(nothing),))
        return
    rows = tuple(map(_counts, found))
    yield Section("", (Table(rows, ("Stack", "Replaces data", "Widens access", "Opens network", "Other")),))
    important = [(change, d) for change in found for d in change.differences if d.kind != Kind.OTHER]
    if important:
        yield Section("Do not miss", tuple(_important(change, difference) for change, difference in important))
    if cost:
        yield Section("", (Paragraph.of(Prose(f"**Costs**: {cost}")),))


def _counts(change: StackChange) -> tuple[Cell, ...]:
    counts = (str(sum(d.kind == kind for d in change.differences) or "") for kind in Kind)
    return Line.of(Foreign(change.name)), *counts


def _important(change: StackChange, difference: Difference) -> Line:
    texts = (Foreign(text.strip() or "–") for text in (change.name, difference.resource, difference.what))
    name, resource, what = texts
    return Line.of(Prose(f"**{difference.kind}**"), ": ", name, " ", resource, ": ", what)


def _by_name(*assemblies: Assembly) -> list[dict[str, AssembledStack]]:
    """Every stack of each assembly by its name and account, and by its region as well where a name has several.

    Raises:
        RefusedError: An assembly has two stacks of one name and place, of which only one would be compared.
    """
    listed = [assembly.stacks() for assembly in assemblies]
    places = [Counter((stack.name, stack.account) for stack in stacks) for stacks in listed]
    found = []
    for assembly, stacks in zip(assemblies, listed, strict=True):
        by_name: dict[str, AssembledStack] = {}
        for stack in stacks:
            regions = max(place[stack.name, stack.account] for place in places)
            name = f"{stack.name} ({stack.account}{f', {stack.region}' if regions > 1 else ''})"
            if name in by_name:
                raise RefusedError(f"{assembly.directory}: has two stacks {name}: remove or rename one")
            by_name[name] = stack
        found.append(by_name)
    return found


def _text(assembly: Path, stack: AssembledStack | None) -> str | None:
    return (assembly / stack.template_path).read_text(encoding="utf-8") if stack is not None else None


def _template(assembly: Path, stack: AssembledStack | None) -> Template | None:
    return Assembly(assembly).template(stack.template_path) if stack is not None else None


def _cdk_diff(before: Path, after: Path, old: AssembledStack | None, new: AssembledStack | None) -> str:
    if new is None:
        assert old is not None, "a name comes from one of the two"
        return "No longer synthesized: the deployed stack stays until somebody deletes it."
    if old is None:
        return "A new stack."
    command = ["diff", f"--app={after.absolute()}", "--exclusively", new.display_name]
    command += [f"--template={(before / old.template_path).absolute()}"]
    command += ["--no-change-set", "--no-color", "--no-fail"]
    result = run_cdk(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise RefusedError(f"{new.name}: cdk diff exited with {result.returncode}: {result.stdout.strip()[-300:]}")
    return "\n".join(_lines(result.stdout))


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.startswith(("✨", "(NOTE:")):
            yield line
