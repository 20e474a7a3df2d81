"""Why a step or job is sure to fail on GitHub: no token, no role, no artifact, no runner, time limit."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from nova_infra.names import REGISTRY_ENVIRONMENT
from nova_infra.rehearsal.delivery.definition import DeployAction, Stage
from nova_infra.rehearsal.delivery.workflows.job import JobStep, WorkflowJob, deployed, may_sign, why_not_permitted
from nova_infra.rehearsal.delivery.workflows.language.values import is_unknown
from nova_infra.rehearsal.delivery.workflows.sources import (
    SIGNS_IN,
    anything_may_be_done,
    first_commands,
    text_of,
    why_inputs_refused,
    why_not_there,
    why_unresolved,
)

_SET_UP = "./.github/actions/setup"
_SIGN_IN = "./.github/actions/sign-in"
# What it signs in with instead of a token.
_OTHER_WAYS = {"aws-access-key-id", "role-chaining", "web-identity-token-file", "use-existing-credentials"}
_ASKS_AWS = re.compile(r"^\s*make (?:verify|preflight) ENVIRONMENT=[\"']?([\w-]+)", re.MULTILINE)
_USES_AWS = re.compile(
    r"^\s*(?:aws\s(?!configure)|nova (?:deploy|registry|rollback|verify|preflight|status)\b"
    r"|make (?:image|verify|preflight)\b)",
    re.MULTILINE,
)
_STARTS = re.compile(r"docker|podman|localstack|moto|&[ \t]*$", re.MULTILINE)
_CALLS_NOVA = re.compile(r"^[ \t]*(?:-[ \t]+)?(?:run:[ \t]*)?nova[ \t]", re.MULTILINE)
_ASSEMBLY = re.compile(r"--assembly[= ][\"']?([^\s\"']+)")
_DIGEST = re.compile(r"--digest[= ][\"']?\$\{?(\w+)")
_SEVERAL_LINES = re.compile(
    r"echo\s+[\"']?([\w-]+)=[\"']?\$\([^)\n]*\b(?:jq(?:\s+-[^\sc]+)*(?:\s+[\"']?\.[\"']?)?|json\.tool)[\"']?\s*\)[\"']?\s*>>\s*[\"']?\$\{?GITHUB_OUTPUT"
)
_GONE = {"ubuntu": 22, "windows": 2022, "macos": 14}
"""The oldest image of each system that GitHub still has: it took the older ones away."""

_LIBRARY = r"(?:docker\.io/)?(?:library/)?"
_HAS_NO_MAKE = re.compile(
    rf"{_LIBRARY}(?:(?:alpine|busybox|debian|ubuntu)(?:[:@].*)?|(?:python|node|ruby|golang):\S*(?:slim|alpine)\S*)"
)
_WANTS_ONE_OF = {
    "postgres": r"POSTGRES_(?:PASSWORD(?:_FILE)?|HOST_AUTH_METHOD)",
    **dict.fromkeys(("mysql", "mariadb"), r"(?:MYSQL|MARIADB)_\w*(?:ROOT_PASSWORD|EMPTY)\w*"),
}
"""Official images that end at once without one of these variables: their pages on Docker Hub say so."""

_SYNTHESIZES = re.compile(r"\b(make synth|cdk synth)\b")
GO_ON = "they go on, and nobody waits for them"
"""What becomes of deployments in AWS whose job GitHub ends."""
_TIMEOUT_MINUTES = 360
"""What GitHub gives a job that says nothing."""


def why_doomed(
    job: WorkflowJob,
    step: JobStep,
    before: Sequence[JobStep],
    *,
    environment: str,
    uploads: Collection[str] | None,
    root: Path,
) -> str:
    """Why a step is sure to fail; empty if it may succeed.

    Args:
        before: The job's steps that ran before it.
        environment: The GitHub environment that the job runs in; empty for none.
        uploads: Names of the artifacts that jobs before it upload; None if that is not known.
        root: The checkout.
    """
    return next(
        filter(
            None,
            (
                why_not_there(step, before, root),
                why_inputs_refused(step, before, root),
                why_not_permitted(job, step, before),
                _without_make(job, step, before, root),
                _without_nova(job, step, before, root),
                _without_shell(step),
                *_without_token(job, step, environment),
                *_without_credentials(job, step, before),
                _with_a_laptops_settings(job, step, before, root),
                _without_artifact(step, uploads),
                _of_several_lines(step),
                _without_assembly(step, before),
            ),
        ),
        "",
    )


def _without_token(job: WorkflowJob, step: JobStep, environment: str) -> Iterator[str]:
    if not any(name in step.uses for name in SIGNS_IN):
        return
    if not may_sign(job.permissions) and not _OTHER_WAYS & step.inputs.keys():
        yield "the job has no permission id-token: write, so AWS gives it no role"
    if step.uses == _SIGN_IN:
        wanted = step.inputs.get("environment", "")
        if is_unknown(wanted) and not (environment or is_unknown(environment)):
            yield "the role for an environment is only for that environment's jobs, and the job names none"
        if is_unknown(wanted) or is_unknown(environment):
            return
        own = f"runs in the environment {environment}" if environment else "names no environment"
        if wanted and environment != wanted:
            yield f"the role for {wanted} is only for jobs of the environment {wanted}, and the job {own}"
        if not wanted and environment:
            yield f"the role that publishes images is only for jobs without an environment, and the job {own}"


def _without_credentials(job: WorkflowJob, step: JobStep, before: Sequence[JobStep]) -> Iterator[str]:
    asked = [*deployed(step.commands), *_ASKS_AWS.findall(step.commands)]
    if not asked or "self-hosted" in str(job.content.get("runs-on")):
        return
    used = [each for each in before if each.uses]
    signed = [each for each in used if any(name in each.uses for name in SIGNS_IN)]
    if not signed and not anything_may_be_done(before):
        if not any(name.startswith("AWS_") for name in step.variables):
            yield "no step before it signs in to AWS"
    elif signed and signed[-1].uses == _SIGN_IN:
        taken = signed[-1].inputs.get("environment", "")
        if taken not in (asked[0], REGISTRY_ENVIRONMENT) and not is_unknown(taken) and "$" not in asked[0]:
            role = f"the role for {taken}" if taken else "the role that publishes images"
            yield f"{role}, which the job takes, may not touch {asked[0]}"


def _with_a_laptops_settings(job: WorkflowJob, step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    """What the environment names and GitHub's machines do not have: a profile, or a stand-in for AWS."""
    done = [each.script for each in before] + [text_of(root / e.uses) for e in before if e.uses.startswith("./")]
    done += [step.script]
    used = {key: value for each in before for key, value in each.inputs.items()}
    if not job.on_githubs_machine or not _USES_AWS.search(step.commands):
        return ""
    if (
        anything_may_be_done(before)
        or "aws-profile" in used
        or re.search(r"\.aws\b|aws configure|AWS_", " ".join(done))
    ):
        return ""
    for name, value in step.variables.items():
        if is_unknown(value) or not value or "AWS_CONFIG_FILE" in step.variables or name in step.script:
            continue
        if name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            return f"{name} names a profile {value!r}, which GitHub's machines do not have: remove the variable"
        is_near = re.match(r"https?://(?:localhost|127\.0\.0\.1)\b", value)
        started = job.content.get("services") or any(each.script for each in before) or _STARTS.search(step.script)
        if name.startswith("AWS_ENDPOINT_URL") and is_near and not started:
            return f"{name} leads to {value}, where nothing answers on GitHub's machine: remove the variable"
    return ""


def _without_artifact(step: JobStep, uploads: Collection[str] | None) -> str:
    wanted = step.inputs.get("name")
    if "actions/download-artifact@" not in step.uses or not wanted or "run-id" in step.inputs:
        return ""
    return (
        ""
        if uploads is None or is_unknown(wanted) or wanted in uploads
        else f"no job that it needs uploads the artifact {wanted!r}"
    )


def _of_several_lines(step: JobStep) -> str:
    found = _SEVERAL_LINES.search(step.commands)
    return (
        f"its output {found[1]} has several lines, which GitHub refuses (invalid format): write jq -c" if found else ""
    )


def _without_make(job: WorkflowJob, step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    container = job.content.get("container")
    image = str(container.get("image") if isinstance(container, dict) else container or "")
    needs = re.match(r"make(?![\w.-])", first_commands(step)) or step.uses == _SET_UP
    installed = anything_may_be_done(before) or any(each.script for each in before)  # What a script does is not known.
    installed = installed or (any(each.uses == _SET_UP for each in (*before, step)) and _may_bring_make(root))
    if not needs or installed or not _HAS_NO_MAKE.fullmatch(image):
        return ""
    return (
        f"its job runs in the container {image}, which has no make: install it in a step before, or take another image"
    )


def _without_nova(job: WorkflowJob, step: JobStep, before: Sequence[JobStep], root: Path) -> str:
    """Whether a step calls ``nova`` where nothing has put it on the path: only a virtual environment has it."""
    calls = _CALLS_NOVA.search(text_of(root / step.uses) if step.uses.startswith("./") else step.commands)
    if not calls or not text_of(root / _SET_UP) or anything_may_be_done(before) or not job.on_githubs_machine:
        return ""
    actions = [text_of(root / each.uses) for each in before if each.uses.startswith("./")]
    scripts = " ".join([step.script, *(each.script for each in before)])
    if re.search("PATH|install|activate", scripts) or any(
        "GITHUB_PATH" in each or "composite" not in each for each in actions
    ):
        return ""
    return f"no step before it puts nova on the path: {_SET_UP} does"


def _may_bring_make(root: Path) -> bool:
    """Whether the project's own set-up does anything else before it calls make first."""
    text = text_of(root / _SET_UP)
    before, found, first = re.sub(r"(?m)(?:^|\s)#.*", "", text).partition("run:")
    others = re.search(r"\buses:\s*[\"']?(?!actions/)\S", before)
    return bool(found) and (others is not None or not re.match(r"[\s|>-]*make\b", first))


def _without_shell(step: JobStep) -> str:
    known = step.shell in ("", "bash", "sh", "pwsh", "powershell", "cmd", "python") or "{0}" in step.shell
    if known or not step.script or "${{" in step.shell or is_unknown(step.shell):
        return ""
    return f"GitHub knows no shell {step.shell!r}: write a command with {{0}} for the script's file"


def why_no_service(services: Any) -> str:
    """Why a container beside a job never gets healthy, for which GitHub waits; empty if it may."""
    for name, service in services.items() if isinstance(services, dict) else ():
        said = service if isinstance(service, dict) else {}
        official = re.match(rf"{_LIBRARY}(postgres|mysql|mariadb)(?:[:@]|$)", str(said.get("image")))
        given = said.get("env") or {}
        options = str(said.get("options"))
        unknown = isinstance(given, str) or said.get("entrypoint") or re.search(r"--env-file|--entrypoint|\$", options)
        if official is None or "--health-cmd" not in options or unknown:
            continue
        names = [*map(str, given), *re.findall(r"\w+", options)]
        if not any(re.fullmatch(_WANTS_ONE_OF[official[1]], each) for each in names):
            wanted = "POSTGRES_PASSWORD" if official[1] == "postgres" else f"{official[1].upper()}_ROOT_PASSWORD"
            return f"its service {name} ({said['image']}) ends at once without a password: set {wanted} in its env"
    return ""


def why_not_set_up(steps: Sequence[Mapping[str, Any]]) -> str:
    """Why GitHub cannot load what a job's steps use, whether they run or not; empty if it may."""
    return next(filter(None, (why_unresolved(str(step.get("uses", ""))) for step in steps)), "")


def why_no_runner(labels: Collection[str], *, builds: bool = False) -> str:
    """Why no machine takes a job, or none that can do it; empty if one may. Own runners may have any other label.

    Args:
        builds: Whether it builds images.
    """
    if len(labels) != 1 or is_unknown(list(labels)):
        return ""
    label = next(iter(labels)).lower()
    found = re.fullmatch(r"(ubuntu|windows|macos)-(\d+)(?:\.(\d+))?(?:-arm|-large|-xlarge|-intel)?", label)
    if found is None:
        return ""
    if builds and found[1] != "ubuntu":
        return f"GitHub's machine {label} has no engine for Linux containers, and the job builds images"
    is_client = found[1] == "windows" and len(found[2]) != len(str(_GONE["windows"]))  # such as windows-11-arm
    gone = int(found[2]) < _GONE[found[1]] and not is_client
    never = found[1] == "ubuntu" and (int(found[2]) % 2 or found[3] != "04")
    return f"GitHub has no runner {label}, so the job waits for one until it is cancelled" if gone or never else ""


def _without_assembly(step: JobStep, before: Sequence[JobStep]) -> str:
    if not deployed(step.commands):
        return ""
    quoted = re.search(r"--(?:digest|assembly)[= ]'(\$\w+)'", step.script)
    if quoted is not None and not re.search(r"-c\s+\"", step.script):
        return f"between single quotes {quoted[1]} stays as it is: write double ones"
    if (digest := _DIGEST.search(step.script)) is not None and _is_empty(digest[1], step, before):
        return "the digest of what was built is empty, so nothing may be deployed"
    found = _ASSEMBLY.search(step.commands)
    place = PurePosixPath(found[1] if found else "cdk.out")
    downloads = [each for each in before if "actions/download-artifact@" in each.uses]
    there = [_downloaded_to(each) for each in downloads]
    made_here = any(_SYNTHESIZES.search(each.commands) or place.name in each.commands for each in before)
    made_here = made_here or _SYNTHESIZES.search(step.commands) is not None
    made_here = made_here or anything_may_be_done(before)
    if "$" in place.name or made_here or any(place == each or each in place.parents for each in there):
        return ""
    return f"it deploys {place}, but no step before it brings an assembly there"


def _is_empty(name: str, step: JobStep, before: Sequence[JobStep]) -> bool:
    """Whether a variable surely has no value: the workflow leaves it empty, or nothing else names it."""
    value = step.variables.get(name, "")
    if value or is_unknown(value):
        return False
    may_be_set = anything_may_be_done(before) or any("GITHUB_ENV" in each.script for each in before)
    reads = re.search(r"^[ \t]*(?:source|\.)[ \t]", step.script, re.MULTILINE)
    is_named_once = len(re.findall(rf"\b{name}\b", step.script)) == 1 and f"{{{name}:" not in step.script
    own = re.match("GITHUB_|RUNNER_|CI$", name)
    return name in step.variables or (not (may_be_set or reads or own) and is_named_once)


def _downloaded_to(download: JobStep) -> PurePosixPath:
    """Where an artifact goes: without a name all of them do, each to a directory of its name."""
    place = PurePosixPath(download.inputs.get("path", "."))
    chosen = download.inputs.keys() & {"name", "artifact-ids"} or download.inputs.get("merge-multiple") == "true"
    return place if chosen else place / "each by its name"


def why_cut(minutes: str, stage: Stage, bakes: Callable[[DeployAction], int], *, whole_job: bool) -> str:
    """Why GitHub is sure to end a job or a step before its deployment is over; empty if it may not.

    Args:
        minutes: Its ``timeout-minutes``; empty for none.
    """
    limit = minutes or (str(_TIMEOUT_MINUTES) if whole_job else "")
    waves = [[action for action in wave if isinstance(action, DeployAction)] for wave in stage.waves()]
    needed = sum(max((bakes(action) for action in wave), default=0) for wave in waves)
    if not limit.isdigit() or needed < int(limit):
        return ""
    return (
        f"GitHub ends the {'job' if whole_job else 'step'} after {limit} minutes (timeout-minutes), but its "
        f"deployments bake for {needed}: {GO_ON}"
    )
