"""Finds jobs that are sure to fail in the workflows beside the one that delivers."""

from collections.abc import Iterator
from pathlib import Path

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.rehearsal.delivery.workflows.job import JobStep
from nova_infra.rehearsal.delivery.workflows.jobs import jobs_of, ordered
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError, WorkflowText
from nova_infra.rehearsal.delivery.workflows.run import PushedRun
from nova_infra.rehearsal.delivery.workflows.sure_failures import why_doomed, why_no_runner, why_not_set_up
from nova_infra.rehearsal.delivery.workflows.uploads import second_uploads


def failing_beside(own: Path, delivered: PushedRun, root: Path) -> Iterator[str]:
    """The jobs that are sure to fail, a clause each.

    A workflow that cannot be read here is left out: it may say what only GitHub knows.

    Args:
        own: The workflow that delivers.
        delivered: A run of it.
        root: The checkout.
    """
    for path in sorted((root / ".github" / "workflows").glob("*.y*ml")):
        if path.name == own.name:
            continue
        try:
            source = WorkflowText(path, read_text(path))
            on = source.content.get("on") or ()
            if on != "workflow_call" and list(on) != ["workflow_call"]:  # such a one is read where it is called
                yield from (f"{path.name}: {why}" for why in _failing(source, delivered.of(source), root))
        except (FileNotFoundError, UnreadableFileError, WorkflowError):
            continue


def _failing(source: WorkflowText, run: PushedRun, root: Path) -> Iterator[str]:
    jobs = ordered(source, jobs_of(source, root))
    for job in jobs:
        run.enter(job)
    twice = {(each.upload.job.name, each.upload.place): each.why for each in second_uploads(jobs, run) if each.certain}
    for job in jobs:
        if job.name in run.skipped or run.tolerates(job, job.content):
            continue
        if why := why_no_runner(run.labels(job)):
            yield f"{job.name} never starts: {why}"
            continue
        if why := why_not_set_up(job.steps):
            yield f"{job.name} fails whenever it runs: {why}"
            continue
        before: list[JobStep] = []
        uploads, environment = run.uploads_before(job, jobs), run.environment_of(job)
        for place, step in enumerate(run.steps_of(job)):
            why = twice.get((job.name, place)) or why_doomed(
                job, step, before, environment=environment, uploads=uploads, root=root
            )
            if why and step.certain and not step.tolerated:
                yield f"{job.name} fails whenever it runs: {step.name}: {why}"
                break
            before.append(step)
