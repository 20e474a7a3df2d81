"""The commands as a user runs them, against a local AWS over HTTP: their output and exit codes."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.doctor.check import Check

ROOT = Path(__file__).parents[3]
REGION = "us-east-1"
PROD, TOOLCHAIN = "333333333333", "444444444444"
GOOD, BAD = "a" * 40, "b" * 40


def task(image: str, cpu: str = "256") -> dict[str, Any]:
    """The template of a service, as far as a brief reads it."""
    container = {"Name": "app", "Image": f"{TOOLCHAIN}.dkr.ecr.us-east-1.amazonaws.com/nova/carts-service:{image}"}
    properties = {"Family": "audio", "Cpu": cpu, "Memory": "512", "ContainerDefinitions": [container]}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"uploads-of-{image}"}}
    return {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}, "Uploads": bucket}}


@pytest.fixture(scope="module")
def aws(local_aws: Any) -> Any:
    """Prod with two services, a red alarm, a ledger and a stack; the toolchain with its topic and a subscriber."""
    running = local_aws
    running.reset()
    ecs, cloudwatch, ssm = (running.client(name, PROD) for name in ("ecs", "cloudwatch", "ssm"))
    ecs.create_cluster(clusterName="nova-prod")
    ecs.register_task_definition(family="audio", containerDefinitions=[{"name": "app", "image": "r/a:1", "memory": 1}])
    for name in ("carts-service", "store-service"):
        ecs.create_service(cluster="nova-prod", serviceName=f"nova-prod-{name}", taskDefinition="audio", desiredCount=0)
    cloudwatch.put_metric_alarm(
        AlarmName="nova-prod-carts-service-errors",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(
        AlarmName="nova-prod-carts-service-errors", StateValue="ALARM", StateReason="Threshold Crossed: [42.0]"
    )
    for release, outcome, hours in ((GOOD, "verified", 30), (BAD, "failed", 1)):
        at = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = {"release": release, "at": at, "outcome": outcome, "by": "pipeline", "images": {}}
        ssm.put_parameter(Name="/nova/prod/release", Value=json.dumps(entry), Type="String", Overwrite=True)
    running.client("cloudformation", PROD).create_stack(
        StackName="nova-prod-carts-service", TemplateBody=json.dumps(task("old"))
    )
    sns, sqs = running.client("sns", TOOLCHAIN), running.client("sqs", TOOLCHAIN)
    topic = sns.create_topic(Name="nova-platform-alerts")["TopicArn"]
    sqs.create_queue(QueueName="approvers")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{TOOLCHAIN}:approvers")
    return running


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """An assembly with the release's template of one service."""
    properties = {"stackName": "nova-prod-carts-service", "templateFile": "audio.template.json"}
    artifacts = {"Audio": {"type": "aws:cloudformation:stack", "properties": properties}}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    (tmp_path / "audio.template.json").write_text(json.dumps(task("new")))
    return tmp_path


@pytest.fixture
def run(nova: Any) -> Any:
    """Runs the command with the credentials of somebody in an account: run(aws, "status", account=…, VARIABLE=…)."""

    def run(aws: Any, *arguments: str, account: str | None = PROD, **environment: str) -> Any:
        # A rehearsal, or a build, says to the commands that it runs where they are: these tests run in both.
        foreign = ("AWS_", "CODEBUILD_", "NOVA_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        variables = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "COLUMNS": "80"}
        if aws is not None:
            variables["AWS_ENDPOINT_URL"] = aws.url
            if account is not None:
                variables |= aws.credentials(account)
        return nova(*arguments, variables={**kept, **variables, **environment})

    return run


@pytest.mark.exhaustive("test_throttled_calls_are_tried_again_after_a_while")
def test_status_shows_each_service_and_its_red_alarm(run: Any, aws: Any) -> None:
    result = run(aws, "status", "prod")
    assert (result.returncode, result.stderr) == (0, "")
    line = next(line for line in result.stdout.splitlines() if "carts-service" in line)
    assert line.split()[:2] == ["✗", "carts-service"]
    assert line.rstrip().endswith("errors")
    assert "bbbbbbbbbbbb" in result.stdout


@pytest.mark.exhaustive("test_throttled_calls_are_tried_again_after_a_while")
def test_status_without_names_shows_the_environments_that_cannot_be_looked_at_too(run: Any, aws: Any) -> None:
    result = run(aws, "status", "--json")
    found = {environment["environment"]: environment for environment in json.loads(result.stdout)}
    assert set(found) == {"dev", "staging", "prod"}
    assert found["prod"]["error"] == ""
    assert "is not deployed in this account and region" in found["dev"]["error"]
    assert result.returncode == 2


@pytest.mark.parametrize("command", [("status", "nowhere"), ("explain", "nowhere"), ("brief", "nowhere")])
def test_an_unknown_environment_is_refused_in_a_line(run: Any, aws: Any, command: tuple[str, ...]) -> None:
    result = run(aws, *command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == ["environment: 'nowhere' is not one of dev, staging, prod: choose one of them"]


@pytest.mark.parametrize("command", [("status",), ("explain", "prod"), ("brief", "prod")])
def test_without_credentials_there_is_one_line(run: Any, command: tuple[str, ...]) -> None:
    result = run(None, *command)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines() == ["credentials: none found: sign in, or set AWS_PROFILE"]


def test_expired_credentials_are_one_line(run: Any, aws: Any) -> None:
    aws.faults = {"ListServices": [(400, "ExpiredTokenException")]}
    result = run(aws, "explain", "prod")
    assert (result.returncode, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.endswith("sign in again")


def test_a_missing_permission_is_one_line_that_names_it(run: Any, aws: Any) -> None:
    # Asked twice: for the services, and for their requests, which may be missing.
    aws.faults = {"ListServices": [(400, "AccessDeniedException")] * 2}
    result = run(aws, "status", "prod")
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("AWS does not allow ecs:list_services")


@pytest.mark.exhaustive("test_a_missing_permission_is_one_line_that_names_it")
def test_a_network_that_is_down_is_one_line(run: Any, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    result = run(aws, "status", "prod", AWS_ENDPOINT_URL_ECS="http://127.0.0.1:9")
    assert (result.returncode, result.stdout) == (3, "")
    assert len(result.stderr.splitlines()) == 1


def test_throttled_calls_are_tried_again_after_a_while(run: Any, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    aws.faults = {"DescribeServices": [(400, "ThrottlingException")] * 2, "GetParameterHistory": [(400, "Throttling")]}
    result = run(aws, "status", "prod")
    assert result.returncode == 0
    assert aws.faults == {"DescribeServices": [], "GetParameterHistory": []}
    assert len(waits) == 3


def test_explain_tells_what_is_wrong_the_way_back_and_what_it_could_not_see(run: Any, aws: Any) -> None:
    aws.faults = {"ListServiceDeployments": [(400, "UnsupportedFeatureException")]}
    result = run(aws, "explain", "prod")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("prod: carts-service: one of its alarms is red")
    assert "Threshold Crossed: [42.0]" in result.stdout
    assert "nova rollback prod --to aaaaaaaaaaaa --plan" in result.stdout
    told = " ".join(result.stdout.split())
    assert "the pipeline: it is in a different account" in told
    assert "past deployments: AWS: ecs:list_service_deployments: ListServiceDeployments is refused" in told


def test_releases_shows_the_ledger_and_says_where_it_is_too_short_for_a_metric(run: Any, aws: Any) -> None:
    result = run(aws, "releases", "prod")
    assert result.returncode == 0, result.stderr
    assert "Change failure rate   not enough releases to tell (2, of at least 5)" in result.stdout
    assert "share of deployments that failed or were rolled back" in result.stdout


@pytest.mark.parametrize(
    ("form", "says"),
    one_of_each(
        [
            ("text", "  ✗ nova-prod-carts-service: Uploads (S3::Bucket) is replaced"),
            ("markdown", "- ✗ nova-prod-carts-service: Uploads (S3::Bucket) `is replaced"),
            ("html", "nova-prod-carts-service: Uploads (S3::Bucket) <code>is replaced"),
        ]
    ),
)
def test_a_brief_names_what_would_be_lost_in_each_format(
    run: Any, aws: Any, assembly: Path, form: str, says: str
) -> None:
    result = run(aws, "brief", "prod", "--format", form, "--assembly", str(assembly))
    assert result.returncode == 0, result.stderr
    assert says in result.stdout
    assert "nova rollback prod --to aaaaaaaaaaaa" in result.stdout


@pytest.mark.exhaustive("test_throttled_calls_are_tried_again_after_a_while")
def test_a_brief_is_published_to_those_who_approve(run: Any, aws: Any, assembly: Path) -> None:
    aws.faults = {"ListPipelineExecutions": [(400, "PipelineNotFoundException")]}
    result = run(aws, "brief", "prod", "--publish", "--assembly", str(assembly), account=TOOLCHAIN)
    assert result.returncode == 0, result.stderr
    assert "the pipeline: AWS: codepipeline:list_pipeline_executions" in result.stdout
    sqs = aws.client("sqs", TOOLCHAIN)
    url = sqs.get_queue_url(QueueName="approvers")["QueueUrl"]
    [received] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    message = json.loads(received["Body"])
    assert message["Subject"].startswith("nova-prod: approve ")
    assert "Uploads (S3::Bucket) is replaced" in message["Message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    one_of_each(
        [
            (("--format", "pdf"), "'pdf' is not one of"),
            (("--publish",), "--publish: the approval topic is in the toolchain's account"),
            (("--assembly", "docs"), "docs/manifest.json: is missing: run `make synth`"),
        ]
    ),
)
def test_a_brief_that_cannot_be_written_is_refused(run: Any, aws: Any, arguments: tuple[str, ...], says: str) -> None:
    result = run(aws, "brief", "prod", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_finds_what_a_first_deployment_lacks(run: Any, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "nova_infra.operations.doctor.doctor.tools", lambda _: ()
    )  # this machine's: asked in test_doctor.py
    aws.faults = {"GetConnection": [(400, "ResourceNotFoundException")], "GetServiceQuota": [(400, "NoSuch")] * 9}
    monkeypatch.setattr(
        "nova_infra.operations.doctor.first.left_to_fill_in", lambda text: [Check(False, f"line {len(text[:9])}")]
    )
    result = run(aws, "doctor", account=TOOLCHAIN)
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith("nova.toml\n  ✗ line 9\n")
    assert "  ✓ the credentials are of account 444444444444, the toolchain" in result.stdout
    assert "  ✗ not bootstrapped\n      npx cdk bootstrap aws://444444444444/us-east-1\n" in result.stdout
    assert "  ✗ no repository nova/bills-service" in result.stdout
    assert "  ✗ no hosted zone Z00000000000000PROD" in result.stdout
