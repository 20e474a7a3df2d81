"""The keys of a job: schedule, time limit, whether runs may overlap."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from nova_infra.config.values import schedule as clocks
from nova_infra.config.values.fields import Model, refusal

Schedule = Annotated[str, AfterValidator(clocks.schedule)]
NO_SCHEDULE = "none"
JobSchedule = Annotated[str, AfterValidator(lambda text: text if text == NO_SCHEDULE else clocks.schedule(text))]
TimeZone = Annotated[str, AfterValidator(clocks.time_zone)]

MAX_RELEASE_SECONDS = 840
"""What a job's run may take in a release: a Lambda function waits for it, which ends after 15 minutes:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""


class Job(Model):
    """What a service of ``kind = "job"`` may also say."""

    schedule: JobSchedule | None = None
    """When it runs: ``rate(15 minutes)``, ``cron(0 3 * * ? *)`` as EventBridge writes it, or a crontab's five fields.
    ``none`` is for a job that somebody starts. Default: by no schedule, so ``run_before_promotion`` is needed."""
    time_zone: TimeZone = "UTC"
    """Time zone of the schedule. Default: UTC."""
    allow_overlap: bool = False
    """Whether a run may start while the previous one is still running; otherwise it is skipped. Default: false."""
    run_before_promotion: bool = False
    """Whether it also runs once in each environment when its image or settings have changed there, as part of the
    release; if it fails, the release stops. It needs a ``command``. Default: false."""
    timeout_seconds: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default_factory=lambda data: MAX_RELEASE_SECONDS if data.get("run_before_promotion") else 3600
    )
    """How long a run may take, including the start of its task. Then it is stopped and counts as failed. Default:
    3600, or 840 with ``run_before_promotion``, the most that a release waits for it."""

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule starts it."""
        return self.schedule not in (None, NO_SCHEDULE)

    @field_validator("time_zone")
    @classmethod
    def _of_a_calendar(cls, name: str, info: ValidationInfo) -> str:
        if name != "UTC" and (info.data.get("schedule") or "").startswith("rate("):
            raise refusal("has no effect on a rate, which follows no clock", "remove it, or write a cron")
        return name
