"""Finds what a release removes from its own delivery (approvals, tests), and tests of the wrong environment."""

import re
from collections.abc import Iterator

from nova_infra.documents.text import listed
from nova_infra.rehearsal.delivery.definition import ApprovalAction, BuildAction, DeployAction, Pipeline, Stage

# A workflow's step without a name is called by its number, which another one gets when it is gone.
_UNNAMED = re.compile(r": \d+$")


_OUTPUT = re.compile(r"#\{([^}.]+)\.[^}]+\}")
_ADDRESS = re.compile(r"://\w")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_MAKES = re.compile(r"\bmake((?:[ \t]+[\w=./$\"'{}()-]+)+)")
_CHECK = re.compile(r"(?:unit-?)?tests?|check|audit|lint|types|integration|e2e|verify|preflight|gate")
_CHECKS_NOTHING = {"make", "echo", "printf", "true", ":", "cd", "export", "set", "exit", "date", "sleep", "mkdir"}
_BEFORE = re.compile(r"[@\s-]*(?:(?:timeout[ \t]+\S+|time|nice|env|exec|\w+=\S*)[ \t]+)*")
"""What stands before a command and changes nothing of what it is."""


_SHELL = re.compile(r"\s*(?:ba|da)?sh(?:\s+(?:--noprofile|--norc|--login|-[eulx]+o?|pipefail))*?\s+-[eulx]*c\s+")
"""A shell that runs the rest as its commands, all of them: with ``-n``, say, it runs none."""


def weakened(before: Pipeline, after: Pipeline, *, makefile: str = "") -> list[str]:
    """What used to stop bad releases and no longer does, a clause each.

    Args:
        after: The pipeline that the release brings; it updates itself before it deploys anything else.
        makefile: The release's Makefile.
    """
    return list(_weakened(before, after, makefile))


def _weakened(before: Pipeline, after: Pipeline, makefile: str) -> Iterator[str]:
    said: set[str] = set()
    for stage in after.stages:
        earlier = next((each for each in before.stages if each.name == stage.name), None)
        if earlier is None or not _deploys(stage):
            continue
        first, now = _before(before, stage.name), _before(after, stage.name)
        if gone := [each.name for each in first if _deploys(each) and each.name not in {one.name for one in now}]:
            yield f"{stage.name} is deployed without {listed(gone, 3)} before it"
        if _approvals([*first, earlier]) and not _approvals([*now, stage]):
            yield f"nobody approves {stage.name} any more"
        if tests := _lost(_tests(earlier), _tests(stage)):
            yield f"{stage.name} is no longer tested by {listed(tests, 3)}"
        first_checks = [each for each in earlier.actions if isinstance(each, BuildAction)]
        first_checks = [each for each in first_checks if each not in _tests(earlier)]
        if checks := _lost(first_checks, [each for each in stage.actions if isinstance(each, BuildAction)]):
            yield f"{stage.name} is deployed without {listed(checks, 3)}"
        targets = sorted(_targets_lost([*first, earlier], [*now, stage], makefile) - said)
        said |= {*targets}
        if targets and not tests and not checks:
            yield f"nothing runs make {listed(targets, 3)} any more before {stage.name} or after it"


def misdirected(pipeline: Pipeline) -> list[str]:
    """Environments whose tests ask only another one for its address, a clause each.

    What runs beside or before a deployment may be for another environment. A test with an address of its own, which
    nobody here can tell apart, may be for this one.
    """
    deploying = [stage for stage in pipeline.stages if _deploys(stage)]
    of = {each.namespace: stage.name for stage in deploying for each in stage.actions if isinstance(each, DeployAction)}
    found = []
    for stage, following in zip(deploying, [*deploying[1:], None], strict=True):
        asked = [{of[name] for name in _asked(each) if name in of} for each in _tests(stage)]
        builds = [each for each in stage.actions if isinstance(each, BuildAction)]
        own = any(of.get(name) == stage.name for each in builds for name in _asked(each))
        if own or not any(asked) or any(map(_has_address, _tests(stage))):
            continue
        before = f" before {following.name}" if following is not None else ""
        others = listed(sorted(set().union(*asked)), 3)
        found.append(f"the tests of {stage.name} ask {others}, so none tests {stage.name}{before}")
    return found


def _asked(test: BuildAction) -> set[str]:
    """The namespaces of the stacks whose outputs it gets."""
    return {name for value in test.environment.values() for name in _OUTPUT.findall(value)}


def _has_address(test: BuildAction) -> bool:
    return any(_ADDRESS.search(each) for each in (*test.commands, *test.environment.values()))


def _targets_lost(before: list[Stage], after: list[Stage], makefile: str) -> set[str]:
    """Checks that make ran, and nothing runs now. In doubt none: another program or target may do the same."""
    then, now = (
        [
            line.strip()
            for stage in stages
            for each in stage.actions
            if isinstance(each, BuildAction)
            for script in each.commands
            for line in re.split(r"\n|&&|\|\||;", script.replace("\\\n", " "))
        ]
        for stages in (before, after)
    )
    if any(map(_may_check, (line for line in now if line not in then))):
        return set()
    ran, runs = (
        {word for line in lines for found in _MAKES.findall(line) for word in found.split()} for lines in (then, now)
    )
    lost = {word for word in ran - runs if _CHECK.fullmatch(word)}
    for target in (word for word in runs - ran if "=" not in word):
        rule = re.search(rf"^{re.escape(target)}[ \t]*:([^\n#]*)[^\n]*((?:\n\t[^\n]*)*)", makefile, re.MULTILINE)
        if rule is None or "$" in target:
            return set()
        made = {*rule[1].split(), *re.findall(r"make\)?(?:[ \t]+-\S+)*[ \t]+([\w-]+)", rule[2], re.IGNORECASE)}
        may_check = any(map(_may_check, rule[2].splitlines()))
        lost -= {each for each in lost if each in made or (may_check and target.startswith(each))}
    return lost


def _may_check(line: str) -> bool:
    """Whether a line calls a program that may check anything."""
    words = _BEFORE.sub("", line, count=1).split()
    return bool(words) and words[0] not in _CHECKS_NOTHING


def _lost(before: list[BuildAction], after: list[BuildAction]) -> list[str]:
    """Names of the steps that are gone: no other one has the same name or runs the same commands."""
    names = {each.name for each in after if not _UNNAMED.search(each.name)}
    commands = {_as_run(each) for each in after}
    gone = [each for each in before if each.name not in names and _as_run(each) not in commands]
    return [
        f"{each.name} ({' '.join(each.commands).partition(chr(10))[0]})" if _UNNAMED.search(each.name) else each.name
        for each in gone
    ]


def _as_run(action: BuildAction) -> tuple[str, ...]:
    """The commands of an action with the variables that it sets put in, without quotes and their shell."""
    known = action.environment
    filled = (_VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), each) for each in action.commands)
    return tuple(_SHELL.sub("", re.sub("[\"']", "", each), count=1).strip() for each in filled)


def _before(pipeline: Pipeline, name: str) -> list[Stage]:
    names = [stage.name for stage in pipeline.stages]
    return list(pipeline.stages[: names.index(name)])


def _deploys(stage: Stage) -> bool:
    return any(isinstance(action, DeployAction) for action in stage.actions)


def _approvals(stages: list[Stage]) -> bool:
    return any(isinstance(action, ApprovalAction) for stage in stages for action in stage.actions)


def _tests(stage: Stage) -> list[BuildAction]:
    """The actions that run after a stage's deployments."""
    last = max((each.run_order for each in stage.actions if isinstance(each, DeployAction)), default=0)
    return [each for each in stage.actions if isinstance(each, BuildAction) and each.run_order > last]
