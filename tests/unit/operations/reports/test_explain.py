"""``nova explain``: the first thing that went wrong, what it means, and what to do next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nova_infra.deployed.aws.toolchain import Execution, PipelineAction, failed_tests_in
from nova_infra.deployed.background import JobRun, RunningJob
from nova_infra.deployed.model import StoppedTask
from nova_infra.deployed.stack import StackEvent
from nova_infra.documents.terminal import as_text
from nova_infra.errors import NovaError
from nova_infra.operations.reports.explain import document, last_log, observe, troubles

BREAKER = "ECS deployment circuit breaker: tasks failed to start."
CRASHED = "Essential container in task exited"


class Pipeline:
    """A pipeline whose latest execution failed in an action."""

    def __init__(self, *actions: PipelineAction, tests: tuple[str, ...] = (), status: str = "Failed") -> None:
        self._actions, self._tests, self._status = actions, tests, status

    def executions(self) -> tuple[Execution, ...]:
        return (Execution("2", "InProgress", "", "", None), Execution("1", self._status, "c" * 40, "Change", None))

    def actions(self, execution: str) -> tuple[PipelineAction, ...]:
        assert execution == "1"
        return self._actions

    def failed_tests(self, build: str) -> tuple[str, ...]:
        assert build == "build:1"
        return self._tests


RED_TEST = Pipeline(
    PipelineAction("Build", "Synth", "Succeeded"),
    PipelineAction("Dev", "IntegrationTests", "Failed", "Build terminated with state: FAILED", "build:1"),
    tests=("tests/integration/test_services.py::test_it_answers - assert 500 == 200",),
)
GREEN = Pipeline(PipelineAction("Build", "Synth", "Succeeded"), status="Succeeded")


def message(stub: Any, pipeline: Any = GREEN, width: int = 80) -> str:
    facts = observe(stub, pipeline)
    return as_text(document(facts, last_log(stub, facts), now=datetime.now(UTC)), width=width)


def test_a_crash_is_reported_with_its_exit_code_its_last_log_lines_and_how_to_roll_back(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service("audio"), make.service("video")),
        stopped={"audio": (make.stopped(CRASHED, 1, minutes_ago=5), make.stopped(CRASHED, 1, minutes_ago=9))},
        past={"audio": (make.past("ROLLBACK_SUCCESSFUL", BREAKER),)},
        logs={"audio": ("starting", "KeyError: 'DATABASE_URL'")},
        entries=(make.entry(make.good, hours_ago=50), make.entry(make.bad, "failed", hours_ago=0.5)),
    )
    assert message(stub).splitlines() == [
        "prod: audio: its latest deployment was rolled back, 30 min ago.",
        "  Why            The program crashed.",
        "  AWS says       Essential container in task exited",
        "  Exit code      1",
        "  Last log       starting",
        "                 KeyError: 'DATABASE_URL'",
        "  Next           read the log lines, run `make rehearse`, fix the service and",
        "                 release again",
        "  Released last  bbbbbbbbbbbb: failed 30 min ago by pipeline",
        "  Last good      aaaaaaaaaaaa: verified 2.1 days ago",
        "  Way back       nova rollback prod --to aaaaaaaaaaaa --plan",
        "  Read           https://repost.aws/knowledge-center/ecs-task-stopped",
    ]


@pytest.mark.parametrize(
    ("held", "what", "why"),
    [
        (
            {"stopped": {"audio": ("stopped", "CannotPullContainerError: ref: not found", None)}},
            "one of its tasks ended",
            "The image is not in its repository.",
        ),
        (
            {"past": {"audio": ("past", "ROLLBACK_SUCCESSFUL", "alarm detected", "nova-prod-audio-errors")}},
            "its latest deployment was rolled back",
            "An alarm went red",
        ),
        (
            {"past": {"audio": ("past", "ROLLBACK_FAILED", BREAKER)}},
            "the rollback failed too",
            "ECS gave up the deployment",
        ),
        ({"alarm": "audio-errors"}, "one of its alarms is red", "No deployment failed"),
        ({"alarm": "audio-dead"}, "one of its alarms is red", "start-message-move-task"),
        ({"alarm": "audio-oldest"}, "one of its alarms is red", "`nova scale audio prod`"),
        ({"running": 1}, "only 1 of its 2 tasks run", "Nothing more is known"),
        (
            {
                "events": ("service was unable to place a task. Reason: Capacity is unavailable at this time.",),
                "running": 1,
            },
            "only 1 of its 2 tasks run",
            "no Fargate capacity",
        ),
        ({"deployment": ("FAILED", BREAKER)}, "its latest deployment failed", "ECS gave up the deployment"),
        (
            {"failed": "nova-prod-audio-errors already exists"},
            "its stack could not be deployed",
            "exists outside the stack",
        ),
    ],
)
def test_each_kind_of_failure_has_its_own_words(make: Any, held: dict[str, Any], what: str, why: str) -> None:
    changes: dict[str, Any] = {key: held[key] for key in ("running", "events") if key in held}
    if "deployment" in held:
        state, reason = held["deployment"]
        changes["deployments"] = (make.deployment(state, reason=reason),)
    values: dict[str, Any] = {"held_services": (make.service(**changes),)}
    for key in ("stopped", "past"):
        if key in held:
            maker, *arguments = held[key]["audio"]
            values[key] = {"audio": (getattr(make, maker)(*arguments),)}
    if "alarm" in held:
        values["held_alarms"] = (make.alarm(held["alarm"], "ALARM", "Threshold Crossed: 1 datapoint [42.0]"),)
    if "failed" in held:
        event = StackEvent("Errors", "AWS::CloudWatch::Alarm", "CREATE_FAILED", held["failed"], datetime.now(UTC))
        values["failed"] = {"nova-prod-audio": (event,)}
    found = message(make.stub(**values), width=1000)
    assert what in found.splitlines()[0]
    assert why in found
    if "alarm" in held:
        assert "Threshold Crossed: 1 datapoint [42.0]" in found


def test_the_service_that_failed_first_comes_first_and_the_others_are_named(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service("audio"), make.service("video")),
        past={"audio": (make.past(minutes_ago=10),), "video": (make.past(minutes_ago=20),)},
    )
    text = message(stub)
    assert text.startswith("prod: video:")
    assert "  Also  audio: its latest deployment was rolled back." in text


def test_the_first_task_that_failed_in_the_deployment_counts_and_not_one_before_or_one_that_was_replaced(
    make: Any,
) -> None:
    tasks = (
        make.stopped("Scaling activity initiated by (deployment 1)", 143, minutes_ago=2),
        make.stopped(CRASHED, 1, minutes_ago=5),
        make.stopped("OutOfMemoryError: Container killed", 137, minutes_ago=9),
        make.stopped("CannotPullContainerError: not found", minutes_ago=45),
    )
    stub = make.stub(held_services=(make.service(),), stopped={"audio": tasks}, past={"audio": (make.past(),)})
    pipeline: Any = GREEN
    [trouble] = troubles(observe(stub, pipeline))
    assert trouble.cause.sentence == "The container used more memory than its task has."


def test_a_good_deployment_that_replaced_its_tasks_is_no_trouble(make: Any) -> None:
    replaced = make.stopped("Scaling activity initiated by (deployment ecs-svc/1)", 143)
    stub = make.stub(
        held_services=(make.service(),), stopped={"audio": (replaced,)}, past={"audio": (make.past("SUCCESSFUL"),)}
    )
    assert message(stub).splitlines()[0] == "prod: no failure is visible."


def test_a_failed_test_is_named_and_nothing_else_is_blamed(make: Any) -> None:
    text = message(make.stub(held_services=(make.service(),)), RED_TEST, width=200)
    assert text.splitlines()[0] == ("prod: its services run as they should; Dev.IntegrationTests stopped the pipeline.")
    assert "Failed test  tests/integration/test_services.py::test_it_answers - assert 500 == 200" in text


def test_what_cannot_be_read_is_reported_and_so_is_the_rest(make: Any) -> None:
    denied = NovaError("AWS does not allow ssm:get_parameter_history: add the permission")
    stub = make.stub(held_services=(make.service(running=0),), broken={"history": denied})
    text = message(stub, None, width=200)
    assert "only 0 of its 2 tasks run" in text
    assert "Not seen  the ledger: AWS does not allow" in text
    assert "Not seen  the pipeline: it is in a different account" in text


def test_a_log_that_may_not_be_read_is_no_failure(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service(),),
        stopped={"audio": (make.stopped(CRASHED, 1),)},
        broken={"log_lines": NovaError("AWS does not allow logs:get_log_events")},
    )
    assert "Last log   not readable: AWS does not allow logs:get_log_events" in message(stub, width=200)


def test_what_a_service_logs_cannot_steer_the_terminal(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service(),),
        stopped={"audio": (make.stopped(CRASHED, 1),)},
        logs={"audio": ("\x1b[2J\x1b]0;owned\x07\rNext  rm -rf /",)},
    )
    assert all(line.isprintable() for line in message(stub).splitlines())


def test_a_release_that_the_preflight_kept_out_names_the_command_that_says_why(make: Any) -> None:
    kept_out = Pipeline(PipelineAction("Prod", "Preflight", "Failed", "Build terminated with state: FAILED", "build:1"))
    told = message(make.stub(held_services=(make.service(),)), kept_out)
    assert "`nova preflight prod` says what blocks a deployment now" in told
    assert "fix what the test reports" not in told
    assert "nova preflight" not in message(make.stub(held_services=(make.service(),)), RED_TEST)


def test_the_message_fits_80_columns_and_breaks_no_address(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service(),), stopped={"audio": (make.stopped(f"{CRASHED} {'word ' * 90}", 1),)}
    )
    assert max(map(len, message(stub).splitlines())) <= 80
    assert "https://repost.aws/knowledge-center/ecs-task-stopped" in message(stub, width=40)


def test_failed_tests_are_read_from_pytests_last_words() -> None:
    log = (
        "[Container] 2026/11/24 Running command make integration\n"
        "FAILED tests/integration/test_a.py::test_x[1] - assert 1 == 2\n"
        "FAILED tests/integration/test_a.py::test_x[1] - assert 1 == 2\n"
        "ERROR tests/integration/test_b.py\n"
        "FAILED to do something else\n"
        "ERROR    nova.request:requests.py:53 unhandled error\n"
    )
    assert failed_tests_in(log) == (
        "tests/integration/test_a.py::test_x[1] - assert 1 == 2",
        "tests/integration/test_b.py",
    )


def test_a_red_alarm_of_a_job_is_reported_although_every_service_is_well(make: Any) -> None:
    stub = make.stub(
        held_services=(make.service("audio"),),
        held_alarms=(make.alarm("report-failed", "ALARM", "1 run failed"),),
    )
    lines = message(stub, width=120).splitlines()
    assert lines[0] == "prod: its services run as they should; nova-prod-report-failed is red."
    assert any(line.startswith("  Alarm") and "nova-prod-report-failed is red" in line for line in lines)
    assert any("`nova logs JOB prod` shows what a job's runs printed" in line for line in lines)


HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def job(*statuses: str) -> RunningJob:
    """A job whose latest runs, newest first, came to this; each took a minute."""
    runs = [
        JobRun(status, HOUR_AGO - timedelta(hours=n), HOUR_AGO - timedelta(hours=n, minutes=-1), f"run-{n}")
        for n, status in enumerate(statuses)
    ]
    return RunningJob("report", "nova-prod-report", tuple(runs), "rate(1 hour)")


@pytest.mark.parametrize(
    ("statuses", "what", "why"),
    [
        (("FAILED", "SUCCEEDED"), "its latest run failed", "The program ended with an error, or its"),
        (
            ("RUNNING", "TIMED_OUT"),
            "its latest run took too long",
            "took longer than its `timeout_seconds`",
        ),
        (("ABORTED", "FAILED"), "its latest run failed", "The program ended with an error"),
        (("RUNNING", "SUCCEEDED", "FAILED"), "", ""),
        (("ABORTED",), "", ""),
        ((), "", ""),
    ],
)
def test_a_run_of_a_job_that_failed_is_reported(make: Any, statuses: tuple[str, ...], what: str, why: str) -> None:
    stub = make.stub(held_services=(make.service("audio"),), held_jobs=(job(*statuses),))
    text = message(stub, width=200)
    assert text.startswith(f"prod: report: {what}, " if what else "prod: no failure is visible.")
    assert why in text
    assert ("`nova logs report prod`" in text) is bool(what)


STREAM = "nova-prod-report/app/0123"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            StoppedTask("report:3", HOUR_AGO, "Essential container in task exited", 3, "", STREAM),
            ["The program crashed.", "Exit code 3", "Last log no such table"],
        ),
        (
            StoppedTask("", HOUR_AGO, "The run took longer than 300 s and was stopped", None, ""),
            ["took longer than its `timeout_seconds`", "AWS says The run took longer than 300 s"],
        ),
        (
            StoppedTask("report:3", HOUR_AGO, "CannotPullContainerError: manifest unknown", None, "", STREAM),
            ["The image is not in its repository.", "Last log"],
        ),
        (StoppedTask("", HOUR_AGO, "", None, ""), ["The program ended with an error, or its task could not"]),
    ],
    ids=["exit code and log", "time limit", "image", "nothing known"],
)
def test_a_failed_run_says_how_its_task_ended(make: Any, task: StoppedTask, said: list[str]) -> None:
    stub = make.stub(
        held_jobs=(job("RUNNING", "FAILED"),), failed_tasks={"run-1": task}, logs={"report": ("no such table",)}
    )
    text = " ".join(message(stub, width=200).split())
    assert [part for part in said if part not in text] == []


def test_a_run_that_cannot_be_read_is_named(make: Any) -> None:
    broken = {"failed_task": NovaError("AccessDenied")}
    text = message(make.stub(held_jobs=(job("FAILED"),), broken=broken), width=200)
    assert "its latest run failed" in text
    assert "a job's failed run" in text


def test_a_failed_job_is_reported_with_its_own_alarms_and_those_of_others_stay_apart(make: Any) -> None:
    alarms = (
        make.alarm("report-failed", "ALARM", "1 run failed"),
        make.alarm("nightly-failed", "ALARM", "2 runs failed"),
    )
    stub = make.stub(held_jobs=(job("FAILED"),), held_alarms=alarms)
    lines = message(stub, width=120).splitlines()
    assert lines[0].startswith("prod: report: its latest run failed")
    red = [line for line in lines if "is red" in line]
    assert [sum(name in line for line in red) for name in ("report-failed", "nightly-failed")] == [1, 1]


def test_a_run_that_could_not_be_started_is_reported_although_the_one_before_succeeded(make: Any) -> None:
    alarm = make.alarm("report-missed", "ALARM", "1 start failed")
    lines = message(make.stub(held_jobs=(job("SUCCEEDED"),), held_alarms=(alarm,)), width=250).splitlines()
    assert lines[0].startswith("prod: report: a run could not be started")
    assert any("`nova tasks report prod` prints the command that starts the run now" in line for line in lines)
    assert sum("nova-prod-report-missed is red" in line for line in lines) == 1


def test_a_job_whose_stack_could_not_be_deployed_is_reported(make: Any) -> None:
    event = StackEvent("Ran", "Custom::Run", "CREATE_FAILED", "report exited with 3: no such table", HOUR_AGO)
    stub = make.stub(held_jobs=(job("SUCCEEDED"),), failed={"nova-prod-report": (event,)})
    text = message(stub, width=200)
    assert text.startswith("prod: report: its stack could not be deployed, ")
    assert "AWS says  Ran: report exited with 3: no such table" in text


def test_a_workers_rollback_is_reported_without_traffic(make: Any) -> None:
    worker = make.service("mailer", balanced=False)
    past = make.past("ROLLBACK_SUCCESSFUL", "alarm detected", "nova-prod-mailer-dead")
    text = message(make.stub(held_services=(worker,), past={"mailer": (past,)}), width=200)
    assert "An alarm went red during the deployment, so ECS rolled back to the old revision." in text
    assert "traffic" not in text
