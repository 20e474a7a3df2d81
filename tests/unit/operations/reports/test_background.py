"""``nova status``: what is said of workers and jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.model import Alarm
from nova_infra.documents.terminal import as_text
from nova_infra.operations.reports.background import job_status, queue_in_words
from nova_infra.operations.reports.status import EnvironmentStatus, service_status
from nova_infra.operations.reports.status_table import document

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


def run(status: str, minutes_ago: int, lasted: int = 4) -> JobRun:
    began = NOW - timedelta(minutes=minutes_ago)
    return JobRun(status, began, None if status == "RUNNING" else began + timedelta(minutes=lasted))


def job(*runs: JobRun, schedule: str = "cron(0 6 * * ? *)", **changes: Any) -> RunningJob:
    return RunningJob(
        "report", "nova-prod-report", runs, **{"schedule": schedule, "time_zone": "Asia/Tokyo", **changes}
    )


@pytest.mark.parametrize(
    ("found", "running", "last", "following", "well"),
    [
        (job(run("SUCCEEDED", 64)), 0, "succeeded 60 min ago", "next in 8.5 h", True),
        (job(run("RUNNING", 3), run("SUCCEEDED", 64)), 1, "succeeded 60 min ago", "next in 8.5 h", True),
        (job(run("FAILED", 64)), 0, "failed 60 min ago", "next in 8.5 h", False),
        (job(run("TIMED_OUT", 64)), 0, "timed out 60 min ago", "next in 8.5 h", False),
        (job(run("ABORTED", 64)), 0, "aborted 60 min ago", "next in 8.5 h", True),
        (job(), 0, "never ran", "next in 8.5 h", True),
        (job(run("RUNNING", 3)), 1, "its first run is under way", "next in 8.5 h", True),
        (job(run("SUCCEEDED", 64), enabled=False), 0, "succeeded 60 min ago", "its schedule is disabled", False),
        (job(run("SUCCEEDED", 64), schedule=""), 0, "succeeded 60 min ago", "has no schedule", True),
        (job(run("SUCCEEDED", 50), schedule="rate(1 hour)"), 0, "succeeded 46 min ago", "next in 10 min", True),
        (job(schedule="cron(0 6 1 1 ? 2020)"), 0, "never ran", "never comes again", True),
    ],
)
def test_a_job_has_its_last_and_its_next_run(
    found: RunningJob, running: int, last: str, following: str, well: bool
) -> None:
    said = job_status(found, [], NOW)
    assert (said.running, said.last, said.next, said.well) == (running, last, following, well)


def test_a_jobs_own_alarms_make_it_need_attention_and_no_others() -> None:
    alarms = [Alarm(f"nova-prod-{name}", "ALARM", "", None) for name in ("report-missed", "reports-failed", "x-failed")]
    said = job_status(job(run("SUCCEEDED", 64)), alarms, NOW)
    assert (said.alarms, said.well) == (("missed",), False)


def test_a_job_without_alarms_is_not_said_to_be_well_watched() -> None:
    alarm = Alarm("nova-prod-report-failed", "OK", "", None)
    said = [
        as_text(document([EnvironmentStatus("prod", jobs=(job_status(job(run("SUCCEEDED", 64)), alarms, NOW),))]))
        for alarms in ([], [alarm])
    ]
    assert [text.split("report")[1].split("\n")[0].rpartition(" ")[2] for text in said] == ["none", "ok"]


@pytest.mark.parametrize(
    ("backlog", "said"),
    [
        (Backlog("mails", 0, 0, 0), "0 waiting"),
        (Backlog("mails", 12, 3, 0), "12 waiting, 3 in flight"),
        (Backlog("mails", 12, 0, 2), "12 waiting, 2 dead"),
        (Backlog("mails", 7, 0, None), "7 waiting"),
    ],
)
def test_a_queue_is_described_in_words(backlog: Backlog, said: str) -> None:
    assert queue_in_words(backlog) == said


def test_the_table_has_jobs_and_queues(make: Any) -> None:
    worker = service_status(make.service(), [], [], (), Backlog("mails", 12, 3, 2))
    failed = job_status(job(run("FAILED", 64)), [], NOW)
    shown = as_text(document([EnvironmentStatus("prod", services=(worker,), jobs=(failed,))]), width=160)
    assert "steady; 12 waiting, 3 in flight, 2 dead" in shown
    assert "failed 60 min ago; next in 8.5 h" in shown
    assert "1 of 2 need attention" in shown
