"""What a step has of the repository: what was checked out (depth, path), and the project's own actions."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from nova_infra.documents.yamls import compose, is_boundless, values
from nova_infra.rehearsal.delivery.workflows.job import JobStep
from nova_infra.rehearsal.delivery.workflows.language.expressions import EMBEDDED, ExpressionError, embedded, named
from nova_infra.rehearsal.delivery.workflows.language.values import Open, is_unknown

SIGNS_IN = ("sign-in", "aws-actions/configure-aws-credentials")
# What surely gives no credentials; somebody's own action may.
_HARMLESS = re.compile(
    r"actions/(checkout|download-artifact|upload-artifact|cache|setup-\w+)@|\./\.github/actions/setup$"
)
# https://github.blog/changelog/2024-04-16-deprecation-notice-v3-of-the-artifact-actions/, and the same of caches.
_SHUT_DOWN = re.compile(r"actions/(?:(?:up|down)load-artifact@v[123]|cache@v[12])(?:\.|$)")
# "The provided ref is the shortened version of a commit SHA, which is not supported": so says the runner. Digits alone
# may be a tag, and letters alone a branch.
_PART_OF_A_COMMIT = re.compile(r"(?=\d*[a-f])(?=[a-f]*\d)(?![0-9a-f]{40}$|[0-9a-f]{64}$)[0-9a-f]{7,}")
# All tags of these begin with a small v.
_NO_TAG = re.compile(
    r"actions/(?:checkout|cache|setup-\w+|(?:up|down)load-artifact)(?:/\w+)?@(?:V[\d.]+|\d{1,3}(?:\.\d+)*)"
)
# https://github.com/actions/toolkit/blob/main/packages/artifact/src/internal/upload/path-and-artifact-name-validation.ts
_NOT_IN_NAMES = re.compile(r'["<>|*?\r\n\\/:]')
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""
_FETCHES = re.compile(
    r"\b(git|gh(?! (?:run|pr|issue|workflow) (?:list|view)\b)|tar|unzip|curl|wget|aws s3|rsync|scp)\s"
)
# A line that ends a plain script if the command fails, and what makes a script another than a list of commands.
_OF_HISTORY = re.compile(
    r"^[ \t]*((?:\w+=[\"']?\$\()?(?:git|nova)(?![\w.-])[^\n|&;#<>]*?)(?=[ \t]*(?:$|#|\d?>))", re.MULTILINE
)
_FORMER = re.compile(r"(?<![\w/])(?:HEAD|@)((?:[~^]\d*(?!\{))+)")
_NOT_PLAIN = re.compile(
    r"\bset[ \t]+\+|<<|\(\)|^[ \t]*[{(]|\b(?:if|then|else|for|while|until|case|function|trap|exit|return|eval)\b",
    re.MULTILINE,
)
_HERE = ("", ".", "./")
_ELSEWHERE = r"(?![^\n]*\s(?:-\w*[Cf]|--(?:directory|file|makefile)\b))"
_OF_THE_CHECKOUT = re.compile(rf"^[ \t]*(?:(make)(?![\w.-]){_ELSEWHERE}|nova(?![\w.-])|\./([\w./-]+))", re.MULTILINE)
_LEADS = re.compile(r"(?:\s*(?:#[^\n]*|(?:set|echo)[ \t][^\n>;&|]*)\n)*\s*")
_FILES = ("action.yml", "action.yaml", "Dockerfile")
_KNOWN_IN_ACTIONS = {"github", "inputs", "steps", "job", "runner", "env", "strategy", "matrix", "needs"}
_KEYS = {"name", "id", "if", "run", "shell", "env", "working-directory", "continue-on-error", "uses", "with"}
"""What a step of a composite action may say:
https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax."""


def anything_may_be_done(steps: Sequence[JobStep]) -> bool:
    """Whether an action runs of which nothing is known: it may check out, sign in, or bring an assembly."""
    used = [each.uses for each in steps if each.uses]
    return not all(_HARMLESS.search(each) or any(name in each for name in SIGNS_IN) for each in used)


def why_not_there(step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    """What a step needs of the repository that is not there, or cannot be used; empty if it may be.

    Args:
        before: The job's steps that ran before it.
        root: The checkout.
    """
    return (
        _without_checkout(step, before)
        or _without_action(step, root)
        or _in_no_directory(step, before, root)
        or _without_history(step, before)
    )


def why_unresolved(uses: str) -> str:
    """Why GitHub finds no such version of an action, before a job's first step runs; empty if it may."""
    action, _, version = uses.partition("@")
    if not (_PART_OF_A_COMMIT.fullmatch(version) or _NO_TAG.fullmatch(uses)):
        return ""
    return f"GitHub finds no version {version!r} of {action}: write a tag as it is, or all 40 digits of a commit"


def text_of(action: Path) -> str:
    """What the project's own action says; empty where there is none."""
    path = action / "action.yml"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def why_inputs_refused(step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    """What an action, or one that the project's own action uses, refuses of what it is given; empty if nothing."""
    if isinstance(step.inputs, Open):
        return ""
    # Who signs in once sets the region for all steps that follow.
    sets_more = anything_may_be_done(before) or any("GITHUB_ENV" in each.script for each in before)
    sets_more = sets_more or any(name in each.uses for each in before for name in (*SIGNS_IN, "./"))
    variables = {*step.variables, *(["AWS_REGION"] if sets_more else [])}
    inner = _content(root / step.uses / "action.yml") if step.uses.startswith("./") else {}
    steps = inner["runs"].get("steps") if isinstance(inner.get("runs"), dict) else []
    steps = [each for each in steps if isinstance(each, Mapping)] if isinstance(steps, list) else []
    if re.search("GITHUB_ENV|AWS_REGION", str(steps)):
        variables.add("AWS_REGION")
    for each in ({"uses": step.uses, "with": step.inputs}, *(each for each in steps if "if" not in each)):
        found = each.get("with")
        given = {str(k).lower(): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}
        if why := _refused(str(each.get("uses", "")), given, variables):
            return why
    return ""


def _refused(uses: str, given: Mapping[str, str], variables: Collection[str]) -> str:
    action = uses.partition("@")[0]
    name, version = EMBEDDED.sub("x", given.get("name", "")), given.get("python-version", "")
    if action == "actions/upload-artifact" and (sign := _NOT_IN_NAMES.search(name)):
        return f"GitHub takes no {sign[0]} in an artifact's name {name!r}"
    if action == "actions/setup-python" and re.fullmatch(r"3\.[1-6]", version):
        return f"GitHub has no Python {version}: write the version between quotes, or YAML reads 3.10 as 3.1"
    if action != "aws-actions/configure-aws-credentials" or is_unknown(dict(given)):
        return ""
    seconds, audience = given.get("role-duration-seconds", ""), given.get("audience", "")
    session = EMBEDDED.sub("xx", given.get("role-session-name", "xx"))
    if "aws-region" not in given and "AWS_REGION" not in variables:
        return f"{action} says no aws-region, which it needs"
    if seconds.isdigit() and int(seconds) and not 900 <= int(seconds) <= 43200:
        return f"{action} asks for a session of {seconds} s, and AWS gives 900 to 43200"
    if audience and "${{" not in audience and not audience.startswith("sts.amazonaws.com"):
        return f"{action} signs in as audience {audience}, and the roles trust sts.amazonaws.com"
    if not _SESSION.fullmatch(session):
        return (
            f"{action} calls its session {given['role-session-name']!r}: AWS takes 2 to 64 letters, digits and +=,.@_-"
        )
    return ""


def first_commands(step: JobStep) -> str:
    """A step's commands from the first one on that does anything."""
    return _LEADS.sub("", step.commands.replace("\\\n", " "), count=1)


def _without_checkout(step: JobStep, before: Sequence[JobStep]) -> str:
    commands = step.commands.replace("\\\n", " ")
    runs = None if re.search(r"\b(?:cd|pushd)\s", commands) else _OF_THE_CHECKOUT.search(commands)
    wanted = PurePosixPath(step.uses or step.directory) / _file_of(step, runs)
    downloads = [each.inputs.get("path", ".") for each in before if "actions/download-artifact@" in each.uses]
    fetched = any(_FETCHES.search(each.script) for each in before) or any(map(wanted.is_relative_to, downloads))
    own = step.uses.startswith("./") and not step.comes_along
    if anything_may_be_done(before) or fetched or not (runs or own):
        return ""  # It may bring the sources, or needs none.
    checkouts = [each for each in before if "actions/checkout@" in each.uses]
    if not checkouts:
        what = f"{step.uses} is not there" if step.uses else "there is nothing to run"
        return f"no step before it checks the repository out, so {what}"
    first = _OF_THE_CHECKOUT.match(first_commands(step))
    made = any(each.script for each in before) or not (step.uses or (first and (first[1] or first[2])))
    unknown = made or wanted.is_absolute() or ".." in wanted.parts or is_unknown([step.uses, step.directory])
    if unknown or any(_brings(each, wanted) for each in checkouts):
        return ""
    last = checkouts[-1].inputs
    how = "sparse-checkout" if last.get("path", "") in _HERE else f"path: {last['path']}"
    return f"the checkout ({how}) does not bring {step.uses or wanted} where it is looked for"


def _file_of(step: JobStep, runs: re.Match[str] | None) -> str:
    """The file that a step needs, below the directory of its action or of its commands."""
    if step.uses or runs is None:
        return "action.yml"
    return "Makefile" if runs[1] else runs[2] or ""


def _brings(checkout: JobStep, file: PurePosixPath) -> bool:
    """Whether a checkout may bring a file: in cone mode with all files of the directories above what it names."""
    if checkout.inputs.get("repository") or is_unknown(dict(checkout.inputs)):
        return True
    place = PurePosixPath(checkout.inputs.get("path", ""))
    if place.is_absolute() or not file.is_relative_to(place):
        return place.is_absolute()
    parent = file.relative_to(place).parent
    named_there = checkout.inputs.get("sparse-checkout", "")
    names = [PurePosixPath(each.strip().strip("/")) for each in named_there.splitlines()]
    is_cone = checkout.inputs.get("sparse-checkout-cone-mode") != "false" and not re.search(r"[*?!\[]", named_there)
    if not names or not is_cone:
        return True
    return any(parent.is_relative_to(each) or each.is_relative_to(parent) for each in names)


def _without_action(step: JobStep, root: Path) -> str:
    if _SHUT_DOWN.match(step.uses):
        return f"GitHub has shut {step.uses} down: use a newer version of it"
    own = step.uses.startswith("./") and (root / ".github/actions").is_dir() and not is_unknown(step.uses)
    if not own:
        return ""
    found = next((root / step.uses / name for name in _FILES if (root / step.uses / name).is_file()), None)
    if found is None:
        return f"{step.uses} holds no action.yml"
    fault = "" if found.name == "Dockerfile" else next(_faults(found), "")
    return f"{step.uses}/{found.name}: {fault}, so GitHub does not load it" if fault else ""


def _in_no_directory(step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    place = PurePosixPath(step.directory)
    if not step.script or place.is_absolute() or place.parts[:1] in ((), ("..",)) or (root / place).is_dir():
        return ""
    made = [PurePosixPath(each.inputs.get("path", "")) for each in before if each.uses]
    made = [each for each in made if each.parts]
    if is_unknown(step.directory) or any(each.script for each in before):
        return ""
    if anything_may_be_done(before) or any(each == place or each in place.parents for each in made):
        return ""
    return f"its working directory {step.directory} does not exist"


def _without_history(step: JobStep, before: Sequence[JobStep]) -> str:
    """Commits that a command needs and the checkout leaves out: it brings one unless it says more."""
    checkouts = [each for each in before if "actions/checkout@" in each.uses]
    if not checkouts or anything_may_be_done(before) or any(_FETCHES.search(each.script) for each in before):
        return ""
    given = checkouts[-1].inputs
    depth = given.get("fetch-depth", "1")
    if len(checkouts) > 1 or is_unknown(dict(given)) or not depth.isdigit() or depth == "0":
        return ""
    commands = step.commands.partition("git fetch")[0].replace("\\\n", " ")
    if step.shell not in ("", "bash") or _NOT_PLAIN.search(commands) or _odd_quotes(commands):
        return ""
    for line in _OF_HISTORY.findall(commands):
        needed = max((_depth(steps) for steps in _FORMER.findall(line)), default=1)
        if needed > int(depth):
            return f"its checkout brings {depth} of the last commits, not {needed} (fetch-depth): {line.strip()}"
    return ""


def _odd_quotes(commands: str) -> bool:
    """Whether a text between quotes goes on in another line, which then is no command."""
    return any(line.count(quote) % 2 for line in commands.splitlines() for quote in ("'", '"'))


def _depth(steps: str) -> int:
    """How many commits a revision such as HEAD^^ or HEAD~3 reaches over, with both ends."""
    return 1 + sum(int(number or 1) if sign == "~" else 1 for sign, number in re.findall(r"([\^~])(\d*)", steps))


def _faults(path: Path) -> Iterator[str]:
    """What GitHub refuses in an action's file when it reaches the step that uses it."""
    content = _content(path)
    if isinstance(content.get(""), str):
        yield content[""]
        return
    runs = content.get("runs")
    if not isinstance(runs, dict) or not isinstance(runs.get("using"), str):
        yield "says no runs: using:"
    elif runs["using"].lower() == "composite":
        steps = runs.get("steps")
        if not isinstance(steps, list):
            yield "is composite and has no steps:"
        for number, each in enumerate(steps if isinstance(steps, list) else (), start=1):
            yield from (f"step {number} {fault}" for fault in _faults_of_a_step(each))
    elif (needed := "image" if runs["using"].lower() == "docker" else "main") not in runs:
        yield f"says no runs: {needed}:"


def _content(path: Path) -> dict[Any, Any]:
    """What an action's file holds; under an empty key why it cannot be read."""
    import yaml

    try:
        root = compose(path.read_text(encoding="utf-8"))
        content = None if is_boundless(root) else values(root)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return {"": f"cannot be read ({getattr(error, 'problem', None) or 'it is not YAML'})"}
    return content if isinstance(content, dict) else {}


def _faults_of_a_step(step: Any) -> Iterator[str]:
    if not isinstance(step, Mapping) or ("run" in step) == ("uses" in step):
        yield "needs one of run and uses"
        return
    if "run" in step and not step.get("shell"):
        yield "has no shell:, which a composite action needs for every run:"
    if why := why_unresolved(str(step.get("uses", ""))):
        yield f"cannot be loaded: {why}"
    yield from (f"has {key}, which is no key of a step there" for key in step if key not in _KEYS)
    texts = [*step.values(), *(value for each in step.values() if isinstance(each, Mapping) for value in each.values())]
    for expression in (found for text in texts if isinstance(text, str) for found in embedded(text)):
        try:
            unknown = sorted(named(expression)[0] - _KNOWN_IN_ACTIONS)
        except ExpressionError as error:
            yield f"says {error}"
        else:
            yield from (f"names {name}, which actions do not know" for name in unknown)
