"""Reads workers' queues and jobs during ``nova watch``: seldom, because each costs a call or two."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from nova_infra.deployed.background import RunningJob
from nova_infra.deployed.protocol import FollowedEnvironment
from nova_infra.deployed.rollouts import ServiceDeployment
from nova_infra.errors import NovaError
from nova_infra.operations.reports.background import job_status, queue_in_words
from nova_infra.operations.rollout.view import JobView, ReleaseView

_LEAST = timedelta(seconds=30)
_SECONDS_EACH = 12.0
"""Of waiting for each queue or job that was looked at: each costs two calls, and deployments need most of three a
second."""

T = TypeVar("T")


class _Seldom:
    """Repeats a question when it is worth it."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    def ask(self, ask: Callable[[], T], before: T, now: datetime, count: Callable[[T], int]) -> T:
        if self._next is not None and now < self._next:
            return before
        found = ask()
        self._next = now + max(_LEAST, timedelta(seconds=_SECONDS_EACH * count(found)))
        return found


class BackgroundLooks:
    """Remembers what was seen of queues and jobs, and when to look again."""

    def __init__(self, environment: FollowedEnvironment) -> None:
        self._environment = environment
        self._queues, self._jobs = _Seldom(), _Seldom()
        self._in_words: dict[str, str] = {}
        self._seen: tuple[JobView, ...] = ()

    def add_to(self, view: ReleaseView, deployments: Sequence[ServiceDeployment], *, jobs: bool) -> ReleaseView:
        """A look with its workers' queues, and the environment's jobs; what cannot be read is named in it."""
        now = self._environment.now()
        unread = list(view.unread)
        try:
            self._in_words = self._queues.ask(lambda: self._ask_queues(deployments), self._in_words, now, len)
        except NovaError as error:
            unread.append(f"queues: {error}")
        try:
            self._seen = self._jobs.ask(lambda: self._ask_jobs(now), self._seen, now, len) if jobs else ()
        except NovaError as error:
            unread.append(f"jobs: {error}")
        shown = tuple(replace(each, queue=self._in_words.get(each.service, "")) for each in view.rollouts)
        return replace(view, rollouts=shown, jobs=self._seen, unread=tuple(unread))

    def _ask_queues(self, deployments: Sequence[ServiceDeployment]) -> dict[str, str]:
        revisions = {d.service: d.new.revision for d in deployments if not d.new.target_group and d.new.revision}
        found = self._environment.queues(revisions) if revisions else {}
        return {name: queue_in_words(backlog) for name, backlog in found.items()}

    def _ask_jobs(self, now: datetime) -> tuple[JobView, ...]:
        return tuple(_job(each, now) for each in self._environment.jobs())


def _job(job: RunningJob, now: datetime) -> JobView:
    """A job described by times instead of durations, so that it changes only when something happens."""
    status = job_status(job, (), now)
    ended = next((run for run in job.runs if run.status != "RUNNING"), None)
    last = f"{ended.status.lower().replace('_', ' ')} {_moment(ended.ended or ended.began, now)}" if ended else ""
    following = _moment(status.next_at, now) if status.next_at else ""
    disabled = bool(job.schedule) and not job.enabled
    return JobView(job.name, status.running, last, following, status.well, disabled)


def _moment(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"
