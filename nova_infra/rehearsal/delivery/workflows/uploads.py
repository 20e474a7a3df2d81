"""Artifacts of one name in a run: GitHub refuses the second upload (409; actions/upload-artifact)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from nova_infra.documents.text import counted
from nova_infra.rehearsal.delivery.workflows.job import JobStep, WorkflowJob
from nova_infra.rehearsal.delivery.workflows.jobs import runs_often
from nova_infra.rehearsal.delivery.workflows.language.values import Open, is_unknown
from nova_infra.rehearsal.delivery.workflows.run import PushedRun

_MAY_BE_MISSING = ("ignore", "warn")
_APPROVAL_DAYS = 30
"""How long a job waits for an environment's reviewers:
https://docs.github.com/en/actions/how-tos/deploy/configure-and-manage-deployments/review-deployments."""


@dataclass(frozen=True)
class Upload:
    """A step that uploads an artifact whose name is known.

    Attributes:
        place: Which of the job's steps that run it is.
        sure: Whether it runs, and has something to upload, whatever only GitHub knows.
    """

    job: WorkflowJob
    place: int
    step: JobStep
    sure: bool

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.step.inputs.get("name", "artifact")

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of an artifact that is there already."""
        return self.step.inputs.get("overwrite") == "true"


@dataclass(frozen=True)
class SecondUpload:
    """An upload whose name another one has taken.

    Attributes:
        first: The job that took it.
        certain: Whether GitHub refuses it in every run, and that fails its job.
    """

    first: WorkflowJob
    upload: Upload
    certain: bool

    @property
    def why(self) -> str:
        """Why its step fails, as a clause."""
        name = self.upload.name
        if self.first is not self.upload.job:
            return f"{self.first.name} uploads an artifact {name!r}, too, and GitHub refuses the second (409)"
        if isinstance(self.first.matrix, Open):
            return f"each of its combinations uploads an artifact {name!r}, and GitHub refuses the second (409)"
        return f"the artifact {name!r} is there already, and GitHub refuses a second one (409)"

    @property
    def risk(self) -> str:
        """The same of a run in which both may upload, as a clause."""
        return f"{self.upload.job.name} may fail: {self.why}"


def outlived(jobs: Sequence[WorkflowJob], run: PushedRun, approved: Collection[str]) -> Iterator[str]:
    """The artifacts that may be gone when an approval comes, a clause each.

    Args:
        approved: Environments that somebody has to approve.
    """
    asked = [job for job in jobs if job.name not in run.skipped and run.environment_of(job) in approved]
    for gate in asked:
        kept = {
            step.inputs.get("name", "artifact"): (job, step.inputs.get("retention-days", "0"))
            for job in jobs
            if job.name in gate.ancestors and job.name not in run.skipped
            for step in run.steps_of(job)
            if "actions/upload-artifact@" in step.uses
        }
        for job in (each for each in jobs if each is gate or gate.name in each.ancestors):
            for step in run.steps_of(job) if job.name not in run.skipped else ():
                uploader, days = kept.get(step.inputs.get("name", ""), (gate, "0"))
                if "actions/download-artifact@" in step.uses and days.isdigit() and 0 < int(days) < _APPROVAL_DAYS:
                    yield (
                        f"{job.name} fails if {gate.name} is approved later than {counted(int(days), 'day')} after "
                        f"{uploader.name}: the artifact {step.inputs['name']!r} is gone by then (retention-days), and "
                        f"an approval may take {_APPROVAL_DAYS}"
                    )


def second_uploads(jobs: Sequence[WorkflowJob], run: PushedRun) -> Iterator[SecondUpload]:
    """The uploads whose names are taken by then. Conditions that only GitHub knows may exclude each other.

    Args:
        jobs: Each after those that it needs.
    """
    known: dict[str, Upload] = {}
    for upload in _uploads(jobs, run):
        first = known.setdefault(upload.name, upload)
        ordered = first.job is upload.job or first.job.name in upload.job.ancestors
        if first is upload and isinstance(upload.job.matrix, Open) and not upload.replaces:
            often = runs_often(upload.job.content, partial(run.evaluated, upload.job))
            yield SecondUpload(upload.job, upload, often and upload.sure)
        elif first is not upload and not upload.replaces:
            certain = first.sure and upload.sure and (ordered or not first.replaces)
            yield SecondUpload(first.job, upload, certain)
        if upload.sure and not first.sure:
            known[upload.name] = upload


def _uploads(jobs: Sequence[WorkflowJob], run: PushedRun) -> Iterator[Upload]:
    ran = {job.name: run.steps_of(job) for job in jobs if job.name not in run.skipped}
    said = [f"{step.uses} {step.script}".lower() for steps in ran.values() for step in steps]
    deleted = any("artifact" in each and "delete" in each for each in said)
    for job in jobs:
        unsure = deleted or any(name in run.assumed for name in (job.name, *job.ancestors))
        for place, step in enumerate(ran.get(job.name, ())):
            if "actions/upload-artifact@" not in step.uses or is_unknown(step.inputs.get("name", "")):
                continue
            sure = step.certain and step.inputs.get("if-no-files-found") not in _MAY_BE_MISSING
            tolerated = step.tolerated or run.tolerates(job, job.content)
            yield Upload(job, place, step, sure and not (unsure or tolerated))
