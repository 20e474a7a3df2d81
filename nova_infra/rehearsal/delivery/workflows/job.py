"""The data classes of a workflow's jobs and steps, before anything is known of a run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_infra.rehearsal.delivery.workflows.language.expressions import EMBEDDED, fill
from nova_infra.rehearsal.delivery.workflows.language.values import as_text, is_unknown

# Where a command begins: in a line of its own, after another one, below a path, with variables before it.
_BEFORE = r"(?:[A-Za-z_]\w*=\S*|time|exec|env|sudo|timeout \S+|(?:uv|poetry|pipenv|pdm|hatch|rye) run(?: -\S+)*)\s+"
_COMMAND = rf"^(?:[^#\n]*?(?:[;&|(!]|\b(?:then|do|else|if))\s*)?\s*(?:{_BEFORE})*(?:\S*/)?"
_NOVA = r"(?:nova|python[\d.]* -m nova_infra\S*)"
_DEPLOYS = re.compile(rf"{_COMMAND}{_NOVA} deploy\b((?:\\\n|[^\n;&|)])*)", re.MULTILINE)
_WORD = re.compile(r"(?:\"[^\"]*\"|'[^']*'|\$\{\{.*?\}\}|[^\s\"'])+")
_GIVEN_VALUES = ("--assembly", "--digest", "--outputs")
GATE = re.compile(rf"{_COMMAND}make gate ENVIRONMENT=[\"']?([^\s\"';&|)]+)", re.MULTILINE)
IMAGES = re.compile(rf"{_COMMAND}(?:make images?|nova image build)\b", re.MULTILINE)
_OF_A_MATRIX = re.compile(r"\$\{\{\s*matrix\.[^}]*\}\}")
_GIVEN = re.compile(r"\$\{\{\s*(env|inputs)\.([\w-]+)\s*\}\}")
_OF_GH = re.compile(r"^[ \t]*gh (release|pr|issue|run|workflow|label|cache)\b", re.MULTILINE)
UNKNOWN_PART = "${unknown}"
"""Stands for what only GitHub knows in a step's commands."""
_SETS_MORE = re.compile("GITHUB_ENV|GH_TOKEN|GITHUB_TOKEN|GH_REPO|gh auth|git remote|insteadOf")
"""What a script may do about tokens and repositories by itself."""
_WRITES = tuple(
    (re.compile(pattern, re.MULTILINE), scopes)
    for pattern, scopes in (
        (r"^[ \t]*gh release (?:create|upload|edit|delete)\b|^softprops/action-gh-release@", ("contents",)),
        (r"^[ \t]*gh pr (?:create|merge|review)\b", ("pull-requests",)),
        (r"^[ \t]*gh (?:pr|issue) (?:comment|edit|close)\b", ("issues or pull-requests",)),
        (r"^[ \t]*git push(?![^\n]*[ \t](?:-n|--dry-run)\b)(?:[ \t]+(?:-\S+|origin\b[^\n]*))*[ \t]*$", ("contents",)),
        (r"^actions/attest(?:-[\w-]+)?@", ("attestations", "id-token")),
        (r"^github/codeql-action/(?:analyze|upload-sarif)@", ("security-events",)),
        (r"^actions/deploy-pages@", ("pages", "id-token")),
    )
)
"""What a step does with the job's token:
https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps."""
_BRINGS_NO_TOKEN = re.compile(
    r"\./\.github/actions/(?:setup|sign-in)$|(?:actions|github|aws-actions)/(?!create-github-app-token)"
)
_OTHER_TOKEN = re.compile(r"secrets\s*(?:\.|\[)\s*(?!['\"]?GITHUB_TOKEN\b)", re.IGNORECASE)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass
class WorkflowJob:
    """A job, or one combination of a job with a matrix.

    Attributes:
        name: Its name, with the values of the combination.
        content: What the workflow says of it.
        needs: Names of the jobs that it waits for.
        permissions: What its token may do.
        base: Its name in its workflow; empty for the beginning of a called workflow.
        matrix: The values of the combination.
        deploys: The environment that it deploys; empty for none.
        gates: The environment whose deployments it answers; empty for none.
        ancestors: Names of all jobs that end before it begins.
        environment: Variables that its workflow sets for all of its jobs.
        defaults: How its scripts run, unless a step says otherwise.
        called_by: The beginning of the called workflow that it belongs to, if it does to one.
        inputs: What that workflow gets, as the call writes it.
        ends: Name of the beginning of the called workflow whose end this is; empty if it is a job.
    """

    name: str
    content: Mapping[str, Any]
    needs: list[str]
    steps: list[Mapping[str, Any]]
    permissions: Any
    base: str = ""
    matrix: Mapping[str, Any] = field(default_factory=dict)
    deploys: str = ""
    gates: str = ""
    ancestors: set[str] = field(default_factory=set)
    environment: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    called_by: "WorkflowJob | None" = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    ends: str = ""

    def variables(self, step: Mapping[str, Any]) -> dict[str, str]:
        """The variables of a step as they are written: the narrower ones win."""
        given = (self.environment, self.content.get("env"), step.get("env"))
        return {str(key): as_text(value) for each in given if isinstance(each, Mapping) for key, value in each.items()}

    def sets_more(self, step: Mapping[str, Any]) -> bool:
        """Whether a step has variables that only a run knows, as by ``env: ${{ fromJSON(vars.ENV) }}``."""
        return any(isinstance(each, str) for each in (self.environment, self.content.get("env"), step.get("env")))

    def script(self, step: Mapping[str, Any]) -> str:
        """The commands of a step, with the values that the workflow itself gives; empty if it has none."""
        variables = self.variables(step)
        inputs = {str(key): as_text(value) for key, value in self.inputs.items()}

        def given(found: re.Match[str]) -> str:
            known = variables if found.group(1) == "env" else inputs
            return known.get(found.group(2), found.group())

        return in_matrix(_GIVEN.sub(given, as_text(step.get("run"))), self.matrix)

    def commands(self, step: Mapping[str, Any]) -> str:
        """Its script, with variables whose values are written in the workflow put in."""
        variables = {key: in_matrix(value, self.matrix) for key, value in self.variables(step).items()}
        variables = {key: value for key, value in variables.items() if "${{" not in value}
        return VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found.group()), self.script(step))

    @property
    def on_githubs_machine(self) -> bool:
        """Whether it runs on a machine of GitHub's as it comes, of which is known what it has."""
        runner = str(self.content.get("runs-on"))
        is_own = "self-hosted" in runner or self.content.get("container")
        return re.search(r"\b(?:ubuntu|windows|macos)-", runner) is not None and not is_own

    def scripts(self) -> Iterator[str]:
        """The commands of all of its steps."""
        yield from (self.commands(step) for step in self.steps if "run" in step)

    @property
    def environment_name(self) -> str:
        """The GitHub environment that it runs in, as written; empty for none."""
        environment = self.content.get("environment") or ""
        return str(environment.get("name", "") if isinstance(environment, Mapping) else environment)


def deployed(commands: str) -> list[str]:
    """The environments that commands deploy, in their order; one with ``$`` in it only a run knows."""
    found = []
    for match in _DEPLOYS.finditer(commands):
        words = iter(_WORD.findall(match[1].replace("\\\n", " ")))
        for word in words:
            if word in _GIVEN_VALUES:
                next(words, None)
            elif not word.startswith("-"):
                found.append(re.sub("[\"']", "", word))
                break
    return found


def known_parts(text: str, value_of: Callable[[str], Any]) -> str:
    """A text with the expressions that are known filled in; the others become a variable that nothing sets."""

    def filled(found: re.Match[str]) -> str:
        value = value_of(found.group())
        return UNKNOWN_PART if is_unknown(value) and not value else as_text(value)

    return EMBEDDED.sub(filled, text)


def in_matrix(script: str, values: Mapping[str, Any]) -> str:
    """A script with the values of a combination of the job's matrix; what else it names is filled in later."""
    return _OF_A_MATRIX.sub(lambda found: fill(found.group(), {"matrix": values}), script) if values else script


@dataclass(frozen=True)
class JobStep:
    """A step that runs when a push starts its job.

    Attributes:
        uses: The action that it uses, by its path in the checkout if it is the project's own; empty for none.
        comes_along: Whether it uses an action that GitHub brings without a checkout, as by ``$/``.
        script: The commands that it runs; empty for none.
        commands: The same, with known variables put in.
        variables: Its environment variables.
        inputs: What the action is given.
        directory: Where its commands run, below the checkout; empty for the checkout itself.
        minutes: What GitHub gives it; empty for no limit of its own.
        tolerated: Whether the job goes on if it fails.
        certain: Whether it is known that it runs.
        shell: What runs its commands; empty for the runner's own.
    """

    name: str
    uses: str
    script: str
    commands: str
    variables: Mapping[str, str]
    inputs: Mapping[str, str]
    directory: str = ""
    minutes: str = ""
    tolerated: bool = False
    certain: bool = True
    shell: str = ""
    comes_along: bool = False

    @property
    def is_known(self) -> bool:
        """Whether this machine has its shell, and its commands name nothing that only GitHub knows."""
        return UNKNOWN_PART not in self.commands and bool(re.match(r"(/\S*/)?(ba)?sh\b", self.shell or "sh"))


def in_checkout(uses: str) -> str:
    """An action or a workflow by its path in the checkout if it is the project's own, as ``$/`` and ``./`` say.

    https://github.blog/changelog/2026-07-30-reference-same-repository-actions-with-self-repository-syntax/
    """
    return re.sub(r"^\$/(\./)?", "./", uses)


def shell_command(shell: str) -> str:
    """What a shell is called with, as GitHub calls it: each but one with a template of its own ends at a failure."""
    if "{0}" in shell:
        return shell.replace("{0}", "-c")
    return {"": "bash -e -c", "bash": "bash --noprofile --norc -eo pipefail -c"}.get(shell, f"{shell} -e -c")


def may_sign(permissions: Any) -> bool:
    """Whether GitHub signs tokens for a job: ``read-all`` and ``{}`` do not allow it."""
    return permissions == "write-all" or (isinstance(permissions, dict) and permissions.get("id-token") == "write")


def may_read(permissions: Any) -> bool:
    """Whether a job's token may read the repository: it may, unless permissions are given without that."""
    if isinstance(permissions, dict):
        return permissions.get("contents") in ("read", "write")
    return True


def why_not_permitted(job: WorkflowJob, step: JobStep, before: Sequence[JobStep]) -> str:
    """What the job's token may not do for a step, or what ``gh`` lacks; empty if another token may do it, too.

    Args:
        before: The job's steps that ran before it.
    """
    scripts = "\n".join([*(each.script for each in before), step.script])
    others = any(each.uses and not _BRINGS_NO_TOKEN.match(each.uses) for each in before)
    if others or not job.on_githubs_machine or _SETS_MORE.search(scripts):
        return ""
    if (called := _OF_GH.search(step.commands)) is not None:
        if not any(name in step.variables for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN")):
            return "gh has no token: set GH_TOKEN to ${{ github.token }} in its env"
        has_checkout = any("checkout" in each.uses for each in before) or re.search(r"\bgit |\bcd ", scripts)
        is_told = "GH_REPO" in step.variables or re.search(r"--repo|-R\b|https?:", step.commands)
        if called[1] not in ("pr", "issue") and not has_checkout and not is_told:  # these take a URL
            return "gh knows no repository: nothing is checked out, and its env has no GH_REPO"
    begins = job.called_by.content if job.called_by is not None else ()
    said = str([job.content, job.environment, job.inputs, begins])
    if not isinstance(job.permissions, Mapping | str) or _OTHER_TOKEN.search(said):
        return ""
    does = f"{step.uses}\n{step.commands}"
    scopes = (scope for pattern, needed in _WRITES for scope in needed if pattern.search(does))
    given = job.permissions if isinstance(job.permissions, Mapping) else {}
    if job.permissions == "write-all" or step.inputs.get("upload") in ("never", "false"):
        return ""
    lacking = [each for each in scopes if not any(given.get(one) == "write" for one in each.split(" or "))]
    return f"the job has no permission {lacking[0]}: write" if lacking else ""
