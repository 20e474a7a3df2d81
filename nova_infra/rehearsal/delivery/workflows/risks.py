"""What a workflow lets through: failures (``continue-on-error``), a missing approval, concurrency."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.rehearsal.delivery.workflows.job import IMAGES, JobStep, WorkflowJob, may_read
from nova_infra.rehearsal.delivery.workflows.language.expressions import EMBEDDED, bare
from nova_infra.rehearsal.delivery.workflows.language.shell import checks
from nova_infra.rehearsal.delivery.workflows.language.values import as_text, is_unknown

_SWITCHES_OFF = {
    "PYTEST_ADDOPTS": re.compile(r"--co(?:llect-only)?\b"),
    "MAKEFLAGS": re.compile(
        r"(?:^[a-z]*[inqt]|(?:^|\s)-(?![a-z]*[fjlo])[a-z]*[inqt])[a-z]*(?!\S)"
        r"|(?:^|\s)--(?:dry-run|just-print|recon|ignore-errors|touch|question)(?!\S)"
    ),
}
"""What makes a check that runs nothing, or whose failure counts for nothing."""


def _switched_off(variables: Mapping[str, str]) -> str:
    found = ((name, off.search(variables.get(name, ""))) for name, off in _SWITCHES_OFF.items())
    return next((f"{name} says {option[0].strip()}" for name, option in found if option), "")


@dataclass(frozen=True)
class Risks:
    """Looks for what reaches an environment past a failure.

    Attributes:
        environments: Their names without hyphens, in the order of promotion.
        approved: Environments that somebody has to approve.
        content: What the workflow says.
        runs: Whether a job runs, given results of jobs that it needs.
        group: The concurrency group that something is in for the push with a number; None for none.
        cancels: Whether a newer push cancels what is in its group.
        tolerates: Whether what follows a job, or a step of it, goes on if it fails.
        steps: The steps of a job that run.
        pushed: What names the commit that was pushed.
    """

    jobs: Sequence[WorkflowJob]
    environments: Sequence[str]
    approved: Collection[str]
    content: Mapping[Any, Any]
    runs: Callable[[WorkflowJob, Mapping[str, str]], bool]
    group: Callable[[WorkflowJob, object, int], str | None]
    cancels: Callable[[WorkflowJob, object], bool]
    tolerates: Callable[[WorkflowJob, Mapping[str, Any]], bool]
    steps: Callable[[WorkflowJob], Sequence[JobStep]]
    pushed: Collection[str]

    def found(self) -> Iterator[str]:
        """Each risk, in a clause."""
        deploying = [job for job in self.jobs if job.deploys]
        for job in deploying:
            yield from self._unwaited(job, deploying)
            yield from self._past_failure(job)
            named = job.environment_name
            if job.deploys in self.approved and "${{" not in named and named.lower() != job.deploys:
                what = f"runs in the environment {named}, not {job.deploys}" if named else "names no environment"
                yield f"{job.name} {what}, so nobody has to approve before it deploys"
            yield from self._crossed(job)
        relevant = {name for job in deploying for name in (job.name, *job.ancestors)}
        for job in self.jobs:
            if job.name in relevant:
                yield from self._ignored(job)
                yield from self._always(job)
                yield from self._checked_out(job)

    def _earlier(self, job: WorkflowJob) -> Sequence[str]:
        environment = job.deploys.replace("-", "")
        return self.environments[: self.environments.index(environment)] if environment in self.environments else ()

    def _unwaited(self, job: WorkflowJob, deploying: Sequence[WorkflowJob]) -> Iterator[str]:
        earlier = self._earlier(job)
        for other in self.jobs:
            if other.name in job.ancestors or other is job or not other.base or other.ends or not self.runs(other, {}):
                continue
            tested = [each.deploys.replace("-", "") in earlier for each in deploying if each.name in other.ancestors]
            if other.deploys.replace("-", "") in earlier:
                yield f"{job.name} does not wait for {other.name}, so it deploys what fails there"
            elif not (other.deploys or other.gates) and tested and all(tested):
                yield f"{job.name} does not wait for {other.name}, so it deploys what fails its tests"
            elif any(IMAGES.search(script) for script in other.scripts()):
                yield f"{job.name} does not wait for {other.name}, so the images that it deploys may be missing"

    def _past_failure(self, job: WorkflowJob) -> Iterator[str]:
        if not self.runs(job, {}):
            return
        for failing in self.jobs:
            results = {failing.name: "failure"}
            for each in self.jobs if failing.name in job.ancestors else ():
                if each.name in job.ancestors and set(results) & each.ancestors:
                    before = {name: result for name, result in results.items() if name in each.ancestors}
                    results |= {} if self.runs(each, before) else {each.name: "failure" if each.ends else "skipped"}
            if failing.name in job.ancestors and self.runs(job, results):
                yield f"{job.name} runs even if {failing.name} has failed, by its condition {job.content.get('if')!r}"
                return

    def _crossed(self, job: WorkflowJob) -> Iterator[str]:
        """How two pushes could meet in a deployment."""
        within, places = job, [job.content.get("concurrency"), self.content.get("concurrency")]
        while within.called_by is not None:
            within = within.called_by
            places.append(within.content.get("concurrency"))
        places = [each for each in places if each]
        shared = [each for each in places if self.group(job, each, 1) == self.group(job, each, 2)]
        if not shared:
            why = "whose name differs from push to push" if places else ""
            where = f"in a concurrency group {why}" if why else "in no concurrency group"
            yield f"{job.name} is {where}, so two pushes may deploy at once"
        if any(self.cancels(job, each) for each in shared):
            yield f"a newer push cancels {job.name} in the middle of a deployment (cancel-in-progress)"

    def _ignored(self, job: WorkflowJob) -> Iterator[str]:
        """Checks of a job whose failure changes nothing."""
        if self.tolerates(job, job.content):
            yield f"what waits for {job.name} goes on even if it fails (continue-on-error)"
        for step in job.steps:
            script, shell = job.commands(step), as_text(step.get("shell", job.defaults.get("shell")))
            for check, ignored in checks(EMBEDDED.sub("x", script), shell):
                off = _switched_off(job.variables(step))
                if why := "continue-on-error" if self.tolerates(job, step) else ignored or off:
                    yield f"{job.name} goes on even if {check} fails ({why})"

    def _always(self, job: WorkflowJob) -> Iterator[str]:
        """Conditions that are texts, and so hold whatever stands in them."""
        for said, content in ((job.name, job.content), *((f"a step of {job.name}", step) for step in job.steps)):
            condition = as_text(content.get("if"))
            if "${{" in condition and bare(condition) is condition:
                why = "with text outside ${{ }}, even a line's end, it is a text, and every text is true"
                yield f"{said} runs whatever its condition {condition.strip()!r} says: {why}"

    def _of_another(self, step: JobStep) -> bool:
        """Whether a checkout is of something else than the commit that was pushed."""
        ref = step.inputs.get("ref", "")
        is_other = bool(ref) and not is_unknown(ref) and ref not in self.pushed
        return is_other or bool(step.inputs.get("repository"))

    def _checked_out(self, job: WorkflowJob) -> Iterator[str]:
        steps = [step for step in self.steps(job) if "actions/checkout@" in step.uses]
        others = [step for step in steps if self._of_another(step)]
        for step in steps:
            ref, beside = step.inputs.get("ref", ""), step.inputs.get("path") and len(others) < len(steps)
            if step in others and not beside and not step.inputs.get("repository"):
                yield f"{job.name} checks out {ref}, not the commit that was pushed"
            if not may_read(job.permissions) and not step.inputs.keys() & {"token", "ssh-key", "repository"}:
                yield f"{job.name} has no permission contents: read: its checkout fails unless the repository is public"
