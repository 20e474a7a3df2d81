"""Rollout (canary's share, bakes, gates), scaling, and how long logs are kept (access logs too), with defaults."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from nova_infra.config.services.job import Schedule, TimeZone
from nova_infra.config.values.fields import Model, refusal

MIN_BAKE_MINUTES = 5
"""What the slowest deployment alarms need to fire: three minutes, the rest of the one in which the bake begins, and one
until the data is there. Three are what CPU takes, and unanswered requests: two, after one in which they wait."""


class Rollout(Model):
    """How a new revision takes over from the old one. The strategies are ECS's own."""

    strategy: Literal["rolling", "canary", "linear", "blue-green"] = "rolling"
    """Default: rolling."""
    percent: Annotated[float, Field(ge=0.1, le=100)] = 10
    """Share of traffic, in percent: the canary's, or one step of a linear rollout. Rolling and blue-green ignore it.
    Default: 10."""
    step_bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long the canary, or each linear step, bakes before traffic moves on. Default: 5."""
    bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long both revisions stay up after the last shift, with the alarms still watching. Default: 5."""

    gate: Literal["person", "suite"] | None = None
    """Who must let the new revision continue: a ``person``, with ``nova promote``, or the environment's own test
    ``suite``, which the delivery runs against the new revision. Without an answer, it rolls back. Not for rolling.
    Default: nobody."""
    gate_before: Literal["traffic", "steps"] = "traffic"
    """When it waits: before the first user request (``traffic``), or before every change of its share, full traffic
    included (``steps``). Default: traffic."""
    gate_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """How long each gate waits for an answer. Default: 60."""

    load: Literal["suite"] | None = None
    """What sends the new revision requests while it bakes, so that its alarms have enough to judge by: the
    environment's own test ``suite``, which the delivery runs again and again against it. Not for rolling.
    Default: only users."""

    @field_validator("percent")
    @classmethod
    def _a_step_of_its_strategy(cls, percent: float, info: ValidationInfo) -> float:
        strategy = info.data.get("strategy")
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html
        if Decimal(str(percent)) % Decimal("0.1"):
            raise refusal("is finer than ECS shifts traffic", "write at most one decimal")
        if strategy in ("canary", "linear") and percent == 100:
            raise refusal("moves all traffic at once", 'lower it, or write strategy = "blue-green"')
        if strategy == "linear" and percent < 3:
            raise refusal("is a smaller step than ECS accepts", "write 3 or more")
        return percent

    def minutes(self) -> float:
        """Bake times in sum: the least that a deployment takes."""
        return self._steps_before_all * self.step_bake_minutes + self.bake_minutes

    def waiting_minutes(self) -> float:
        """How long its gates may wait in sum."""
        if self.gate is None:
            return 0
        return self.gate_minutes * (1 if self.gate_before == "traffic" else self._steps_before_all + 1)

    @property
    def asks_suite(self) -> bool:
        """Whether the environment's test suite calls its new revision: for a gate, or as load."""
        return "suite" in (self.gate, self.load) and self.strategy != "rolling"

    @property
    def _steps_before_all(self) -> float:
        return {"canary": 1, "linear": -(-100 // self.percent) - 1}.get(self.strategy, 0)


def _not_below_min(max_tasks: int, info: ValidationInfo) -> int:
    if max_tasks < info.data.get("min_tasks", 0):
        raise refusal("is below min_tasks", "raise it, or lower min_tasks")
    return max_tasks


class ScheduledScaling(Model):
    """A different number of tasks, from a given time until the next schedule."""

    schedule: Schedule
    """When it begins: ``cron(0 20 ? * MON-FRI *)``, or a crontab's five fields, as in ``0 20 * * 1-5``."""
    time_zone: TimeZone = "UTC"
    """Time zone of the schedule. Default: UTC."""
    min_tasks: Annotated[int, Field(ge=0, le=1000)]
    """Minimum number of tasks from then on. 0 only where no approval is needed."""
    max_tasks: Annotated[int, Field(ge=0, le=1000)]
    """Maximum number of tasks from then on."""

    _checked = field_validator("max_tasks")(_not_below_min)


class Spot(Model):
    """Tasks on spare capacity: cheaper, but AWS reclaims it with two minutes' notice."""

    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Share of the tasks beyond ``base`` that run on Spot. Default: 100."""
    base: Annotated[int, Field(ge=0, le=1000)] = 1
    """Tasks that always run on demand. Default: 1."""


class Scaling(Model):
    """How many tasks each service runs."""

    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Default: 1."""
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 4
    """Default: 4. A deployment runs up to twice as many for its duration."""

    schedules: Annotated[tuple[ScheduledScaling, ...], Field(max_length=20)] = ()
    """Different numbers of tasks by time of day or week, such as none at night. Default: none."""
    spot: Spot | None = None
    """Default: every task runs on demand."""

    @property
    def least(self) -> int:
        """The least number of tasks at any time."""
        return min([self.min_tasks, *(each.min_tasks for each in self.schedules)])

    @property
    def most(self) -> int:
        """The greatest number of tasks outside of deployments."""
        return max([self.max_tasks, *(each.max_tasks for each in self.schedules)])

    @property
    def stops(self) -> bool:
        """Whether there are times at which no task may run."""
        return any(each.max_tasks == 0 for each in self.schedules)

    _checked = field_validator("max_tasks")(_not_below_min)


class Runtime(Model):
    """How every service of an environment runs."""

    exec: bool = False
    """Whether ECS Exec can open a shell in a container. The root file system is then writable. Default: false."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 30
    """How long logs of the services, the load balancer and the network are kept. Default: 30."""
    rollout: Rollout = Rollout()
    scaling: Scaling = Scaling()
