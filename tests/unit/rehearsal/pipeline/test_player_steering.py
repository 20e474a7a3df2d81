"""Gates, played on a miniature assembly: answered, refused, left alone, and a deployment that is aborted."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.assembly import Assembly
from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.plan import lacking, plan
from nova_infra.rehearsal.drills.steering import DrillSteering
from nova_infra.rehearsal.pipeline.edits import previous_images
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import Record

ROOT = Path(__file__).parents[4]
FUNCTION = ROOT / "nova_infra" / "constructs" / "hooks" / "smoke_test_handler.py"
HANDLER = FUNCTION.with_name("release_group_handler.py")


def with_smoke_test(directory: Path) -> Path:
    """The assembly, whose Prod has a rule for tests and the function that asks through it."""
    template = json.loads((directory / "Prod.json").read_text())
    resources = template["Resources"]
    rule = json.loads(json.dumps(resources["Rule"]))
    rule["Properties"]["Conditions"].append(
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-nova-test", "Values": ["new-revision"]}}
    )
    resources["Rule"]["Properties"]["Priority"] = 2
    resources["TestRule"] = rule
    before, after = '{"header":"x-nova-test","value":"new-revision","urls":["http://', '/tiny/x"]}'
    details = {"Fn::Join": ["", [before, {"Fn::GetAtt": ["Balancer", "DNSName"]}, after]]}
    code = {"ZipFile": FUNCTION.read_text()}
    settings = {"FunctionName": "prod-smoke", "Handler": "index.handler", "Runtime": "python3.14", "Code": code}
    resources["Function"] = {"Type": "AWS::Lambda::Function", "Properties": settings}
    service = resources["Service"]["Properties"]
    service["LoadBalancers"][0]["AdvancedConfiguration"]["TestListenerRule"] = {"Ref": "TestRule"}
    service["DeploymentConfiguration"]["LifecycleHooks"] = [
        {
            "TargetType": "AWS_LAMBDA",
            "HookTargetArn": "arn:aws:lambda:us-east-1:333333333333:function:prod-smoke",
            "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
            "HookDetails": details,
        }
    ]
    (directory / "Prod.json").write_text(json.dumps(template))
    return directory


def with_group(directory: Path) -> Path:
    """The assembly, whose Prod has a second service in a stack of its own: each waits for the other one."""
    code = HANDLER.read_text() + "\nRELEASE.update({'prod-tiny': 'one', 'prod-twin': 'one'})\n"
    settings = {"FunctionName": "prod-together", "Handler": "index.handler", "Runtime": "python3.14"}
    function = {"Type": "AWS::Lambda::Function", "Properties": {**settings, "Code": {"ZipFile": code}}}
    hook = {
        "TargetType": "AWS_LAMBDA",
        "HookTargetArn": "arn:aws:lambda:us-east-1:333333333333:function:prod-together",
        "LifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "TimeoutConfiguration": {"TimeoutInMinutes": 9, "Action": "ROLLBACK"},
    }
    template = json.loads((directory / "Prod.json").read_text())
    resources = template["Resources"]
    rollout = resources["Service"]["Properties"]["DeploymentConfiguration"]
    rollout |= {"LifecycleHooks": [hook], "BakeTimeInMinutes": 1}
    rollout["CanaryConfiguration"]["CanaryBakeTimeInMinutes"] = 1
    resources["Task"]["Properties"]["ContainerDefinitions"][0]["Name"] = "app"
    twin = json.loads(json.dumps(template).replace("prod-", "prod-t-").replace("prod-t-together", "prod-together"))
    twin["Resources"]["Service"]["Properties"]["ServiceName"] = "prod-twin"
    resources["Function"] = function
    (directory / "Prod.json").write_text(json.dumps(template))
    (directory / "Twin.json").write_text(json.dumps(twin).replace("registry/tiny", "registry/twin"))
    pipeline = json.loads((directory / "pipeline.json").read_text())
    [*_, prod] = pipeline["Resources"]["Pipeline"]["Properties"]["Stages"]
    [deploy] = prod["Actions"]
    configuration = {"ActionMode": "CREATE_UPDATE", "StackName": "twin", "TemplatePath": "Synth::Twin.json"}
    prod["Actions"].append({**deploy, "Name": "Twin", "Namespace": "Twin", "Configuration": configuration})
    (directory / "pipeline.json").write_text(json.dumps(pipeline))
    return directory


def played(drill: str, directory: Path, tmp_path: Path, sources: Path) -> tuple[Record, list[str]]:
    """What happened in a drill, and what did not follow."""
    [chosen] = choose([drill])
    candidate = Release("candidate", Assembly(directory), sources)
    assert lacking(chosen, candidate) == ""
    planned = plan(chosen, candidate)
    record = new_record(planned.pipeline, candidate=planned.candidate, baseline=planned.baseline)

    async def approve(_: str) -> bool:
        return True

    player = Player(
        planned.pipeline,
        planned.candidate,
        replace(planned.baseline, sources=sources),
        record,
        approve=approve,
        tell=lambda _: None,
        logs=tmp_path / "logs",
        seconds_per_minute=0.1,
        steering=DrillSteering(chosen.answers, planned.service),
    )
    asyncio.run(asyncio.wait_for(player.play(), 60))
    return record, chosen.check(record, planned.service)


@pytest.mark.exhaustive("test_a_green_smoke_test_reaches_the_new_revision_alone_and_lets_it_go_on")
@pytest.mark.parametrize(
    ("drill", "outcome", "gates"),
    one_of_each(
        [("gate-unanswered", "rolled back", 1), ("gate-promoted-twice", "completed", 1), ("aborted", "rolled back", 0)]
    ),
)
def test_a_drill_about_answers_ends_as_it_must(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path, drill: str, outcome: str, gates: int
) -> None:
    record, misses = played(drill, write_assembly(tmp_path / "assembly"), tmp_path, sources)
    assert misses == []
    [deployment] = [each for each in record.deployments if not each.baseline]
    assert (deployment.outcome, len(deployment.gates)) == (outcome, gates)


@pytest.mark.parametrize("drill", one_of_each(["smoke-red", "smoke-function-fails", "smoke-function-hangs"]))
def test_a_red_smoke_test_ends_it_before_any_user_meets_it(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path, drill: str
) -> None:
    record, misses = played(drill, with_smoke_test(write_assembly(tmp_path / "assembly")), tmp_path, sources)
    assert misses == []
    [deployment] = [each for each in record.deployments if not each.baseline]
    assert [step.percent for step in deployment.traffic] == []


def test_a_green_smoke_test_reaches_the_new_revision_alone_and_lets_it_go_on(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path
) -> None:
    directory = with_smoke_test(write_assembly(tmp_path / "assembly"))
    record, misses = played("gate-promoted-twice", directory, tmp_path, sources)
    assert misses == []
    [deployment] = [each for each in record.deployments if not each.baseline]
    assert len(deployment.gates) == 2
    before_traffic = [sample.requests.get(deployment.new) for sample in deployment.samples if sample.percent == 0]
    assert sum(requests.served for requests in before_traffic if requests) == 1


@pytest.mark.parametrize(
    ("drill", "why"), [("smoke-red", "no smoke paths are configured"), ("gate-unanswered", "a rolling deployment")]
)
def test_what_a_release_lacks_for_a_drill_is_reported(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path, drill: str, why: str
) -> None:
    directory = write_assembly(tmp_path / "assembly")
    if "rolling" in why:
        (directory / "Prod.json").write_text((directory / "Dev.json").read_text())
    [chosen] = choose([drill])
    assert why in lacking(chosen, Release("candidate", Assembly(directory), sources))


@pytest.fixture
def two_sources(sources: Path) -> Path:
    """A checkout with two services of the same code."""
    shutil.copytree(sources / "services" / "tiny", sources / "services" / "twin")
    return sources


def test_where_one_of_a_group_is_red_all_roll_back_before_any_user_meets_them(
    write_assembly: Callable[..., Path], tmp_path: Path, two_sources: Path
) -> None:
    directory = with_group(write_assembly(tmp_path / "assembly"))
    record, misses = played("together-one-red", directory, tmp_path, two_sources)
    assert misses == []
    ended = {each.service: (each.outcome, each.reason) for each in record.deployments if not each.baseline}
    assert {service: outcome for service, (outcome, _) in ended.items()} == {
        "prod-tiny": "rolled back",
        "prod-twin": "rolled back",
    }
    assert "together: prod-tiny rolled back" in ended["prod-twin"][1]


@pytest.mark.exhaustive("test_a_green_smoke_test_reaches_the_new_revision_alone_and_lets_it_go_on")
def test_a_group_goes_on_when_all_of_it_are_ready(
    write_assembly: Callable[..., Path], tmp_path: Path, two_sources: Path
) -> None:
    directory = with_group(write_assembly(tmp_path / "assembly"))
    candidate = Release("candidate", Assembly(directory), two_sources)
    baseline = replace(candidate, name="before", edits=(previous_images,))
    pipeline = candidate.pipeline()
    pipeline = replace(pipeline, stages=pipeline.stages[-1:])
    record = new_record(pipeline, candidate=candidate, baseline=baseline)

    async def approve(_: str) -> bool:
        return True

    logs = tmp_path / "logs"
    player = Player(
        pipeline, candidate, baseline, record, approve=approve, tell=lambda _: None, logs=logs, seconds_per_minute=0.1
    )
    asyncio.run(asyncio.wait_for(player.play(), 60))
    deployments = [each for each in record.deployments if not each.baseline]
    assert [each.outcome for each in deployments] == ["completed", "completed"]
    began = [next(step.began for step in each.traffic if step.percent == 25) for each in deployments]
    assert abs(began[0] - began[1]) <= 1, "no user reached one of them before the other one was ready"


@pytest.mark.parametrize(
    ("drill", "together", "why"),
    [
        ("together-one-red", False, "the services of a release do not wait for one another"),
        ("one-of-four", True, "the services of a release wait for one another"),
        ("one-of-four", False, ""),
        ("aborted", True, ""),
    ],
)
def test_drills_about_groups_are_for_releases_that_go_so(
    write_assembly: Callable[..., Path], tmp_path: Path, sources: Path, drill: str, together: bool, why: str
) -> None:
    directory = write_assembly(tmp_path / "assembly")
    directory = with_group(directory) if together else directory
    [chosen] = choose([drill])
    assert lacking(chosen, Release("candidate", Assembly(directory), sources)) == why


def test_a_drill_of_one_service_waits_for_no_other(
    write_assembly: Callable[..., Path], tmp_path: Path, two_sources: Path
) -> None:
    _, misses = played("aborted", with_group(write_assembly(tmp_path / "assembly")), tmp_path, two_sources)
    assert misses == []
