"""When jobs run in the rehearsal, and what is said of it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.jobs import machine_of_nova
from nova_infra.assembly import DockerAsset
from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.jobs.schedule import PlayedJobs
from nova_infra.rehearsal.tasks.definition import TaskDefinition, read_task_definition
from nova_infra.rehearsal.tasks.faults import put_into
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

FAILED = Metric.of("AWS/States", "ExecutionsFailed", {"StateMachineArn": "dev-report/Machine"})


def play(
    sources: Path,
    script: str,
    *,
    machine: dict[str, Any],
    schedule: str,
    most: float = 20,
    again: bool = False,
    fault: str = "",
    at_once: dict[str, int] | None = None,
    wrong: list[str] | None = None,
    runtime: SourceRuntime | None = None,
) -> tuple[bool, list[str], list[str], list[float]]:
    template = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionString": json.dumps(machine)},
            },
            "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": schedule}},
        }
    }
    container = {"Image": "registry/report:one", "StopTimeout": 2}
    container |= {"Command": [sys.executable, "-S", "-c", script]} if script else {}
    put_into(container, fault) if fault else None
    definition = read_task_definition({"Memory": "512", "ContainerDefinitions": [container]}, "dev-report:7")

    def definition_of(reference: str) -> TaskDefinition:
        assert reference == "arn:dev-report:7"
        return definition

    told, gaps, store = list[str](), list[str](), MetricStore()
    jobs = PlayedJobs(
        runtime or SourceRuntime(),
        store,
        pace=COMPRESSED,
        tell=told.append,
        gaps=gaps,
        most_seconds=most,
        at_once=at_once,
        wrong=wrong,
    )
    stack = PlayedStack("dev-report", template, exports={}, revisions={})
    well = asyncio.run(jobs.run(stack, definition_of, sources, again=again))
    return well, told, gaps, store.values(FAILED, range(1))


@pytest.mark.exhaustive("test_a_drill_makes_runs_long_and_sees_how_many_go_on_at_once")
@pytest.mark.parametrize(("allow_overlap", "what"), [(False, "was skipped: LeftOut"), (True, "succeeded")])
def test_a_time_that_comes_while_a_run_is_going(tmp_path: Path, allow_overlap: bool, what: str) -> None:
    script = "import time; time.sleep(2)"
    well, told, _, failed = play(
        tmp_path, script, machine=machine_of_nova(allow_overlap=allow_overlap), schedule="rate(1 hour)", again=True
    )
    assert (well, failed) == (True, [])
    assert len(told) == 2
    assert told[1].endswith(what)


@pytest.mark.parametrize(("allow_overlap", "most"), one_of_each([(False, 1), (True, 2)]))
def test_a_drill_makes_runs_long_and_sees_how_many_go_on_at_once(
    tmp_path: Path, allow_overlap: bool, most: int
) -> None:
    at_once: dict[str, int] = {}
    machine = machine_of_nova(allow_overlap=allow_overlap)
    play(tmp_path, "", machine=machine, schedule="rate(1 hour)", again=True, fault="long-runs", at_once=at_once)
    assert at_once == {"dev-report": most}


def test_a_run_that_is_not_waited_for_is_reported_as_a_gap(tmp_path: Path) -> None:
    script = "import time; time.sleep(40)"
    machine = machine_of_nova()
    well, told, gaps, _ = play(tmp_path, script, machine=machine, schedule="rate(1 hour)", most=-9)
    assert well
    assert "is still going" in told[0]
    assert len(gaps) == 1


def test_a_run_that_fails_is_counted_as_step_functions_counts_it(tmp_path: Path) -> None:
    wrong: list[str] = []
    machine, script = machine_of_nova(), "import sys; sys.exit('no data')"
    well, told, _, failed = play(tmp_path, script, machine=machine, schedule="cron(0 6 * * ? *)", wrong=wrong)
    assert wrong == ["a run of dev-report:7 failed: it exited with 1: no data"]
    assert (well, failed) == (False, [1])
    assert told == ["dev-report: a run of dev-report:7 failed: it exited with 1: no data"]


def test_what_a_job_does_twice_is_reported(tmp_path: Path) -> None:
    retried: list[str] = []
    machine = {
        "StartAt": "Run",
        "States": {
            "Run": {
                "Type": "Task",
                "Resource": "arn:aws:states:::ecs:runTask.sync",
                "Parameters": {"TaskDefinition": "arn:dev-report:7"},
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
                "End": True,
            }
        },
    }
    once = f"import pathlib, sys; p = pathlib.Path({str(tmp_path / 'ran')!r}); sys.exit(p.exists() or p.touch() or 3)"
    script = once.replace("p.exists() or p.touch() or 3", "0 if p.exists() else p.touch() or 3")
    well, _, _, _ = play(tmp_path, script, machine=machine, schedule="rate(1 hour)", wrong=retried)
    assert well
    assert retried == [
        "a run of dev-report failed and was started again (Retry): what it had done by then is done twice"
    ]


RULE = "AWS::Events::Rule"
DAILY = "cron(0 6 * * ? *)"


def started_alone(sources: Path, kind: str, **given: Any) -> tuple[bool, list[str], list[str], list[str]]:
    """Whether it ran, the messages, gaps and faults of a scheduled task whose program fails by itself."""
    runtime = given.pop("runtime", SourceRuntime())
    command = given.pop("command", [sys.executable, "-c", "exit('no data')"])
    target = {"Arn": "cluster", "EcsParameters": {"TaskDefinitionArn": "arn:report:7"}, **given.pop("target", {})}
    properties = {"ScheduleExpression": DAILY, **({"Targets": [target]} if kind == RULE else {"Target": target})}
    template = {"Resources": {"Nightly": {"Type": kind, "Properties": {**properties, **given}}}}
    container = {"Name": "report", "Image": "registry/report:one", "Command": command}
    definition = read_task_definition({"Memory": "512", "ContainerDefinitions": [container]}, "report:7")
    told, gaps, wrong = list[str](), list[str](), list[str]()
    jobs = PlayedJobs(runtime, MetricStore(), pace=COMPRESSED, tell=told.append, gaps=gaps, wrong=wrong)
    stack = PlayedStack("books", template, exports={}, revisions={})
    return asyncio.run(jobs.run(stack, {"arn:report:7": definition}.__getitem__, sources)), told, gaps, wrong


def test_a_scheduled_program_that_its_dockerfile_makes_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCMD ["/report"]\n')
    runtime = SourceRuntime()
    runtime.assets = {"one": DockerAsset(tmp_path, "Dockerfile", {})}
    alone = started_alone(tmp_path, RULE, runtime=runtime, command=[])
    well, told, gaps, _ = play(tmp_path, "", machine=machine_of_nova(), schedule="rate(1 day)", runtime=runtime)
    for stack, found in (("books", alone), ("dev-report", (well, told, gaps, []))):
        assert (found[0], found[3]) == (True, [])
        assert found[2][0].startswith(f"{stack}: a run of ")
        assert ": /report is not among its sources" in found[2][0]
        assert found[1][0].startswith(f"{stack}: a run was not played: ")


FAILS = "a run of report:7 failed: it exited with 1: no data"
NO_DATA = "import os; exit(os.environ['KIND'] != 'weekly')"
OVERRIDE = {
    "name": "report",
    "command": [sys.executable, "-c", NO_DATA],
    "environment": [{"name": "KIND", "value": "weekly"}],
}


@pytest.mark.parametrize(
    ("kind", "given", "told", "gaps"),
    [
        (RULE, {}, f"books: {FAILS}", 0),
        ("AWS::Scheduler::Schedule", {}, f"books: {FAILS}", 0),
        (
            RULE,
            {"target": {"Input": json.dumps({"containerOverrides": [OVERRIDE]})}},
            "books: a run of report:7 succeeded",
            0,
        ),
        (RULE, {"target": {"Input": "<aws.events.event>"}}, f"books: {FAILS}", 0),
        *(
            (RULE, {"target": {"Input": json.dumps({"containerOverrides": odd})}}, f"books: {FAILS}", 0)
            for odd in (
                5,
                ["report"],
                [{"name": "report", "command": "abc"}],
                [{"name": "report", "environment": [{}]}],
            )
        ),
        (RULE, {"target": {"Arn": {"Fn::ImportValue": "ClusterElsewhere"}}}, "", 1),
        (RULE, {"State": "DISABLED"}, "", 0),
        (RULE, {"ScheduleExpression": None, "EventPattern": {"source": ["aws.s3"]}}, "", 0),
        (RULE, {"target": {"EcsParameters": {"TaskDefinitionArn": "arn:elsewhere:1"}}}, "", 1),
    ],
)
def test_a_task_that_a_schedule_starts_by_itself_runs_once_and_its_end_is_judged(
    tmp_path: Path, kind: str, given: dict[str, Any], told: str, gaps: int
) -> None:
    well, said, gone, wrong = started_alone(tmp_path, kind, **given)
    assert said == [told] * bool(told)
    assert well == (FAILS not in told)
    assert wrong == [FAILS] * (not well)
    assert len(gone) == gaps
