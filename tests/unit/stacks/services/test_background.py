"""Workers and jobs, as they are synthesized, with every check of a synthesis."""

import json
import tomllib
from typing import Any

import pytest

from nova_infra.checks.rule import as_text
from nova_infra.config import parse_config
from nova_infra.operations.planner.blockers.cloudformation.identity import IDENTITIES
from nova_infra.scaffold.editing.leftovers import after_removal

CONFIG = """
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "org/shop"
token_secret = "github"
[[environments]]
name = "dev"
account = "111111111111"
region = "us-east-1"
allow_plain_http = true
rollout = { strategy = "canary", percent = 10, step_bake_minutes = 5, bake_minutes = 6 }
scaling = { min_tasks = 1, max_tasks = 3 }
network = { cidr = "10.10.0.0/16" }
[[services]]
name = "store"
[[services]]
name = "mailer"
kind = "worker"
queue = { name = "mails-{environment}", messages_per_task = 40, oldest_seconds = 90, dead_messages = 2, tries = 7 }
scaling.min_tasks = 2
scaling.max_tasks = 9
scaling.spot = { percent = 80, base = 1 }
scaling.schedules = [{ schedule = "0 20 * * *", time_zone = "Asia/Tokyo", min_tasks = 0, max_tasks = 4 }]
[[services]]
name = "stopped"
kind = "worker"
queue = { name = "more-{environment}", messages_per_task = 40, oldest_seconds = 90, tries = 7 }
scaling.max_tasks = 9
scaling.schedules = [{ schedule = "0 20 * * *", min_tasks = 0, max_tasks = 0 },
    { schedule = "0 6 * * *", min_tasks = 2, max_tasks = 9 }]
[[services]]
name = "slow"
kind = "worker"

[services.queue]
name = "given"
dead = "given-dead"
existing = true
oldest_seconds = 900
key = "arn:aws:kms:{region}:{account}:key/of-{environment}"

[[services]]
name = "report"
kind = "job"
schedule = "0 6 * * 1"
time_zone = "Asia/Tokyo"
timeout_seconds = 700
[[services]]
name = "sweep"
kind = "job"
schedule = "rate(5 minutes)"
allow_overlap = true
[[services]]
name = "by-hand"
kind = "job"
schedule = "none"
allow_overlap = true
[[services]]
name = "migrate"
kind = "job"
command = ["run", "migrate"]
timeout_seconds = 300
run_before_promotion = true
"""


@pytest.fixture(scope="module")
def assembly(synthesize: Any) -> Any:
    return synthesize(parse_config(tomllib.loads(CONFIG)), environment="dev")


@pytest.mark.exhaustive("test_messages_that_wait_for_a_worker_that_is_stopped_ring_no_alarm")
def test_a_worker_has_no_way_in(assembly: Any) -> None:
    service = assembly.only("nova-dev-mailer", "AWS::ECS::Service")
    assert service.get("LoadBalancers", []) == []
    assert not assembly.resources("nova-dev-mailer", "AWS::EC2::SecurityGroupIngress")
    assert "SecurityGroupIngress" not in assembly.only("nova-dev-mailer", "AWS::EC2::SecurityGroup")
    [container] = assembly.only("nova-dev-mailer", "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert "PortMappings" not in container
    variables = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert as_text(variables["QUEUE_URL"]).endswith("/111111111111/mails-dev")
    assert "PORT" not in variables


def test_a_worker_runs_on_spot_and_scales_by_the_clock_where_it_says(assembly: Any) -> None:
    strategy = assembly.only("nova-dev-mailer", "AWS::ECS::Service")["CapacityProviderStrategy"]
    assert strategy == [
        {"CapacityProvider": "FARGATE", "Base": 1, "Weight": 20},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": 80},
    ]
    always = assembly.only("nova-dev-slow", "AWS::ECS::Service")["CapacityProviderStrategy"]
    assert always == [{"CapacityProvider": "FARGATE", "Weight": 1}]
    [action] = assembly.only("nova-dev-mailer", "AWS::ApplicationAutoScaling::ScalableTarget")["ScheduledActions"]
    assert action["ScalableTargetAction"] == {"MinCapacity": 0, "MaxCapacity": 4}
    assert action["Timezone"] == "Asia/Tokyo"


def test_a_worker_that_sleeps_by_its_schedule_rings_no_alarm_meanwhile(assembly: Any) -> None:
    def running(stack: str) -> Any:
        alarms = assembly.properties(stack, "AWS::CloudWatch::Alarm")
        return next(each for each in alarms if each["AlarmName"] == f"{stack}-running")

    compared = [each.get("Expression") for each in running("nova-dev-mailer")["Metrics"] if each["ReturnData"]]
    assert compared == ["IF(FILL(running,0)<FILL(desired,0),1,0)"]
    compared = [each.get("Expression") for each in running("nova-dev-slow")["Metrics"] if each["ReturnData"]]
    assert compared == ["IF(running<1,IF(running<desired,1,IF(desired<1,1,0)),0)"]


def test_messages_that_wait_for_a_worker_that_is_stopped_ring_no_alarm(assembly: Any) -> None:
    alarms = {each["AlarmName"]: each for each in assembly.properties("nova-dev-stopped", "AWS::CloudWatch::Alarm")}
    oldest = alarms["nova-dev-stopped-oldest"]
    assert [each["Expression"] for each in oldest["Metrics"] if each["ReturnData"]] == [
        "IF(FILL(desired,0)<1,0,FILL(age,0))"
    ]
    assert (oldest["Threshold"], oldest["DatapointsToAlarm"], oldest["EvaluationPeriods"]) == (90, 5, 7)
    watched = assembly.only("nova-dev-stopped", "AWS::ECS::Service")["DeploymentConfiguration"]["Alarms"]["AlarmNames"]
    assert "nova-dev-stopped-dead" in watched
    assert "nova-dev-stopped-oldest" not in watched, "its five minutes do not fit into the bake"


def test_a_worker_that_does_not_run_yet_wakes_nobody(assembly: Any) -> None:
    for stack in ("nova-dev-mailer", "nova-dev-slow"):
        [(service, resource)] = assembly.resources(stack, "AWS::ECS::Service").items()
        alarms = assembly.resources(stack, "AWS::CloudWatch::Alarm").items()
        names = {key: each["Properties"]["AlarmName"].removeprefix(f"{stack}-") for key, each in alarms}
        assert {names[key] for key, each in alarms if service in each.get("DependsOn", ())} == {"running"}
        watched = resource["Properties"]["DeploymentConfiguration"]["Alarms"]["AlarmNames"]
        assert {names[key] for key in resource["DependsOn"] if key in names} == {
            each.removeprefix(f"{stack}-") for each in watched
        }


def test_a_worker_rolls_whatever_the_environment_does(assembly: Any) -> None:
    configuration = assembly.only("nova-dev-mailer", "AWS::ECS::Service")["DeploymentConfiguration"]
    assert configuration["Strategy"] == "ROLLING"
    assert configuration["BakeTimeInMinutes"] == 6
    assert configuration["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True, "ResetOnHealthyTask": False}
    assert configuration["Alarms"] == {
        "AlarmNames": [f"nova-dev-mailer-{kind}" for kind in ("cpu", "memory", "oldest", "dead")],
        "Enable": True,
        "Rollback": True,
    }


def test_an_age_that_a_bake_does_not_see_only_notifies(assembly: Any) -> None:
    configuration = assembly.only("nova-dev-slow", "AWS::ECS::Service")["DeploymentConfiguration"]
    assert configuration["Alarms"]["AlarmNames"] == [f"nova-dev-slow-{kind}" for kind in ("cpu", "memory", "dead")]
    assert "oldest" in _judged(assembly, "nova-dev-slow")


def _judged(assembly: Any, stack: str) -> dict[str, tuple[Any, ...]]:
    """What each of a stack's alarms compares with what, and in how many of how many minutes, by the end of its name."""
    found = {}
    for alarm in assembly.properties(stack, "AWS::CloudWatch::Alarm"):
        single = [(alarm["MetricName"], alarm["Statistic"])] if "MetricName" in alarm else []
        stats = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
        found[alarm["AlarmName"].removeprefix(f"{stack}-")] = (
            [*single, *((each["Metric"]["MetricName"], each["Stat"]) for each in stats)],
            f"{alarm['ComparisonOperator']} {alarm['Threshold']:g}",
            f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']}, {alarm['TreatMissingData']}",
        )
    return found


def test_a_worker_is_judged_by_its_worst_task_and_its_worst_message(assembly: Any) -> None:
    counts = [("RunningTaskCount", "Average"), ("DesiredTaskCount", "Average")]
    at_least = "GreaterThanOrEqualToThreshold"
    assert _judged(assembly, "nova-dev-mailer") == {
        "cpu": ([("CPUUtilization", "Maximum")], f"{at_least} 90", "3 of 3, notBreaching"),
        "memory": ([("MemoryUtilization", "Maximum")], f"{at_least} 90", "1 of 3, notBreaching"),
        "oldest": ([("ApproximateAgeOfOldestMessage", "Maximum")], f"{at_least} 90", "1 of 1, notBreaching"),
        "dead": ([("ApproximateNumberOfMessagesVisible", "Maximum")], f"{at_least} 2", "1 of 1, notBreaching"),
        "running": (counts, "GreaterThanThreshold 0", "5 of 7, notBreaching"),
    }
    assert _judged(assembly, "nova-dev-slow")["running"] == (counts, "GreaterThanThreshold 0", "3 of 3, breaching")


def test_a_job_is_judged_by_every_run_that_failed_or_did_not_begin(assembly: Any) -> None:
    once = ("GreaterThanThreshold 0", "1 of 3, notBreaching")
    ends = [(f"Executions{end}", "Sum") for end in ("Failed", "TimedOut", "Aborted")]
    assert _judged(assembly, "nova-dev-report") == {
        "failed": (ends, *once),
        "missed": ([("InvocationDroppedCount", "Sum")], *once),
    }


def test_a_run_succeeds_only_with_its_task_or_where_another_one_is_going(assembly: Any) -> None:
    definition = machine(assembly, "nova-dev-report")
    states = definition["States"]
    assert [name for name, state in states.items() if state["Type"] == "Succeed"] == ["LeftOut"]
    assert states["IsAnotherOneGoing"] == {
        "Type": "Choice",
        "Choices": [{"Variable": "$.others.TaskArns[0]", "IsPresent": True, "Next": "LeftOut"}],
        "Default": "Run",
    }
    assert [name for name, state in states.items() if "LeftOut" in str(state)] == ["IsAnotherOneGoing"]
    assert [name for name, state in states.items() if state.get("End")] == ["Run"]
    assert states["Run"]["Catch"] == [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "FindLate"}]
    assert (states["StopLate"]["Next"], states["TookTooLong"]["Type"]) == ("TookTooLong", "Fail")


def test_messages_that_fail_go_to_the_dead_letter_queue(assembly: Any) -> None:
    queues = assembly.resources("nova-dev-mailer", "AWS::SQS::Queue")
    by_name = {queue["Properties"]["QueueName"]: queue for queue in queues.values()}
    assert set(by_name) == {"mails-dev", "mails-dev-dead"}
    assert by_name["mails-dev"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 7
    kept = {(queue["DeletionPolicy"], queue["UpdateReplacePolicy"]) for queue in queues.values()}
    assert kept == {("RetainExceptOnCreate", "Retain")}
    assert not assembly.resources("nova-dev-slow", "AWS::SQS::Queue")
    alarms = {each["AlarmName"]: each for each in assembly.properties("nova-dev-mailer", "AWS::CloudWatch::Alarm")}
    assert alarms["nova-dev-mailer-dead"]["Dimensions"] == [{"Name": "QueueName", "Value": "mails-dev-dead"}]


def test_a_worker_may_decrypt_what_a_customers_key_encrypts(assembly: Any) -> None:
    def keys(stack: str) -> list[str]:
        policies = assembly.properties(stack, "AWS::IAM::Policy")
        statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
        return [each["Resource"] for each in statements if each["Action"] == "kms:Decrypt"]

    assert keys("nova-dev-slow") == ["arn:aws:kms:us-east-1:111111111111:key/of-dev"]
    assert keys("nova-dev-mailer") == []


def test_a_worker_is_scaled_by_what_waits_for_each_task(assembly: Any) -> None:
    policies = assembly.properties("nova-dev-mailer", "AWS::ApplicationAutoScaling::ScalingPolicy")
    [backlog] = [each for each in policies if each["PolicyName"] == "nova-dev-mailer-backlog"]
    tracking = backlog["TargetTrackingScalingPolicyConfiguration"]
    assert set(tracking) == {"TargetValue", "CustomizedMetricSpecification"}, "AWS's own cooldowns"
    assert tracking["TargetValue"] == 40
    metrics = tracking["CustomizedMetricSpecification"]["Metrics"]
    assert [each["Expression"] for each in metrics if each["ReturnData"]] == ["waiting/tasks"], "it is scaled by one"
    target = assembly.only("nova-dev-mailer", "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 9)


def machine(assembly: Any, stack: str) -> dict[str, Any]:
    text = assembly.only(stack, "AWS::StepFunctions::StateMachine")["DefinitionString"]
    joined = "".join(part if isinstance(part, str) else "REF" for part in text["Fn::Join"][1])
    definition: dict[str, Any] = json.loads(joined)
    return definition


def test_a_job_comes_at_its_time_and_ends_in_time(assembly: Any) -> None:
    schedule = assembly.only("nova-dev-report", "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "cron(0 6 ? * MON *)"
    assert schedule["ScheduleExpressionTimezone"] == "Asia/Tokyo"
    hour = 60 * 60  # which is what the alarm on a missed start says
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": hour, "MaximumRetryAttempts": 10}
    assert machine(assembly, "nova-dev-report")["States"]["Run"]["TimeoutSeconds"] == 700
    assert not assembly.resources("nova-dev-report", "AWS::ECS::Service")


def test_a_job_is_left_out_while_another_run_is_going_unless_that_is_allowed(assembly: Any) -> None:
    assert machine(assembly, "nova-dev-report")["StartAt"] == "FindOthers"
    assert machine(assembly, "nova-dev-sweep")["StartAt"] == "Run"


def test_a_job_started_by_hand_has_no_schedule_and_reports_its_failures(assembly: Any) -> None:
    assert not assembly.resources("nova-dev-by-hand", "AWS::Scheduler::Schedule")
    assert machine(assembly, "nova-dev-by-hand")["StartAt"] == "Run"
    assert [*_judged(assembly, "nova-dev-by-hand")] == ["failed"]


def test_a_job_that_fails_or_does_not_start_notifies(assembly: Any) -> None:
    assert all(each["AlarmActions"] for each in assembly.properties("nova-dev-report", "AWS::CloudWatch::Alarm"))


def test_a_job_of_the_release_runs_before_what_it_changes(assembly: Any) -> None:
    run = assembly.only("nova-dev-migrate", "Custom::NovaBeforeDeploy")
    assert run["Command"] == ["run", "migrate"]
    assert (run["Setting"], run["Seconds"]) == ("run_before_promotion", "300")
    assert not assembly.resources("nova-dev-migrate", "AWS::Scheduler::Schedule")
    [machine] = assembly.resources("nova-dev-migrate", "AWS::StepFunctions::StateMachine").values()
    assert any(each.startswith("BeforePromotionRun") for each in machine["DependsOn"])


def test_the_key_lets_every_log_group_be_encrypted(assembly: Any) -> None:
    groups = assembly.log_groups()
    assert any("-BeforePromotionLogs" in name for name in groups)
    assert [name for name, allowed in groups.items() if not allowed] == []


@pytest.mark.parametrize("stack", ["nova-dev-report", "nova-dev-migrate"])
def test_what_a_job_did_can_be_read_and_traced(assembly: Any, stack: str) -> None:
    properties = assembly.only(stack, "AWS::StepFunctions::StateMachine")
    logging = properties["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", True)
    assert properties["TracingConfiguration"] == {"Enabled": True}


def test_every_check_of_a_synthesis_passes(assembly: Any) -> None:
    assert assembly.report["pluginReports"]
    found = [
        (violation["ruleName"], violation["violatingConstructs"])
        for report in assembly.report["pluginReports"]
        for violation in report.get("violations", ())
    ]
    assert found == []


def test_whatever_outlives_a_stack_is_named_when_its_service_is_removed(assembly: Any) -> None:
    config = parse_config(tomllib.loads(CONFIG))
    for service in config.services:
        stack = f"nova-dev-{service.name}"
        kept = [
            (resource["Type"], resource.get("Properties", {}))
            for resource in assembly.templates[stack]["Resources"].values()
            if resource.get("DeletionPolicy", "Delete").startswith("Retain")
        ]
        said = "\n".join(after_removal(config, service.name))
        # Revisions of a task definition cost nothing, and take no name.
        others = {kind for kind, _ in kept} - {"AWS::ECS::TaskDefinition"}
        assert others <= {"AWS::Logs::LogGroup", "AWS::SQS::Queue"}
        assert ("AWS::SQS::Queue" in others) is ("sqs delete-queue" in said)
        assert all(each["QueueName"] in said for kind, each in kept if kind == "AWS::SQS::Queue")
        assert f"--log-group-name-prefix {stack}-Logs-" in said
        assert "AWS::Logs::LogGroup" in others


# A policy's name is unique only within its role or its scalable target.
NOT_ALONE = {"AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::IAM::Policy"}


def test_the_plan_knows_every_type_that_the_stacks_name(assembly: Any, github_assembly: Any) -> None:
    named = {
        resource["Type"]
        for templates in (assembly.templates, github_assembly.templates)
        for template in templates.values()
        for resource in template["Resources"].values()
        for key, value in resource.get("Properties", {}).items()
        if key in ("Name", f"{resource['Type'].rpartition('::')[2]}Name", "ConfigurationName")
        and isinstance(value, str)
    }
    assert {"AWS::Scheduler::ScheduleGroup", "AWS::ECS::Cluster", "AWS::IAM::Role"} <= named
    assert named - IDENTITIES.keys() == NOT_ALONE & named
