"""Faults and edits that no drill was written for, and the verdict that AWS would have: `make faults`.

Each is played from beginning to end on a miniature: a service of one file, Dev (rolling), an approval and Prod (canary).
"""

from typing import Any

import pytest

from faults.edits import (
    changed,
    container,
    groups,
    in_dev,
    network,
    operations,
    paths,
    port_of_nobody,
    resource,
    role,
    rollout,
    rule,
    service,
    with_cpu_alarm,
    without,
    without_a_variable,
)
from faults.programs import CALL, CUT, FAILS, HALF, LOOP, SPIN, WORK
from nova_infra.errors import NovaError

OTHER = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}

FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # What is wrong: the verdict, a part of its reason, and how it is put in.
    "nothing at all": ("✓", "", {}),
    "it exits at its start": ("✗", "the circuit breaker opened", {"before": "sys.exit('no')"}),
    "it exits at its start, everywhere": ("✗", "dev-tiny", {"before": "sys.exit('no')", "only_production": False}),
    "it needs a variable that is not set": ("✗", "KeyError: 'SECRET'", {"before": "os.environ['SECRET']"}),
    "it imports what is not installed": ("✗", "No module named 'nowhere'", {"before": "import nowhere"}),
    "it listens elsewhere": ("✗", "listens on", {"before": "os.environ['PORT'] = '0'"}),
    "its health check fails": ("✗", "GET /health answered 500", {"within": "if path == '/health': status = 500"}),
    "every request fails": ("✗", "prod-errors went to ALARM", {"within": "status = 200 if path == '/health' else 500"}),
    "half of the requests fail": (
        "✗",
        "prod-errors",
        {"within": "if path != '/health' and count[0] % 2: status = 500"},
    ),
    "one operation of three fails": ("✗", "GET /tiny/1 answers 500", {"within": "if path == '/tiny/1': status = 500"}),
    "one operation of three fails, everywhere": (
        "✗",
        "GET /tiny/1 answers 500",
        {"within": "if path == '/tiny/1': status = 500", "only_production": False},
    ),
    "one operation of forty fails": (
        "!",
        "GET /tiny/7 answers 500",
        {"within": "if path == '/tiny/7': status = 500", "edit_both": operations(40)},
    ),
    "one operation is forbidden": ("!", "GET /tiny/2 answers 403", {"within": "if path == '/tiny/2': status = 403"}),
    "every operation needs a login": ("!", "answers 401", {"within": "if path in OPERATIONS: status = 401"}),
    "an operation is gone": ("!", "GET /tiny/0 answers 404", {"within": "if path == '/tiny/0': status = 404"}),
    "it dies of every request": ("!", "prod-tiny lost", {"within": "if path in OPERATIONS: os._exit(7)"}),
    "it closes every fourth connection": (
        "!",
        "requests in Prod failed",
        {
            "within": "if path in OPERATIONS and count[0] % 4 == 0: self.connection.shutdown(2); self.close_connection = True; return"
        },
    ),
    "it ignores SIGTERM": (
        "!",
        "killed at the end of its stop timeout",
        {"before": "signal.signal(15, signal.SIG_IGN)"},
    ),
    "it stops within its stop timeout": (
        "✓",
        "",
        {"before": "signal.signal(15, lambda *_: (time.sleep(1), os._exit(0)))"},
    ),
    "it stops after its stop timeout": (
        "!",
        "not in time",
        {"before": "signal.signal(15, lambda *_: (time.sleep(4), os._exit(0)))"},
    ),
    "it keeps 1 MiB of every request": (
        "!",
        "MiB more every minute",
        {"within": "if path in OPERATIONS: kept.append(b'x' * 2**20)", "edit_both": rollout(BakeTimeInMinutes=6)},
    ),
    "it holds more memory than granted": ("✗", "OutOfMemoryError", {"before": "kept.append(b'x' * 2**29)"}),
    "each answer takes 300 ms more": (
        "!",
        "times as long",
        {"within": "if path in OPERATIONS: time.sleep(0.3)", "edit_both": rollout(BakeTimeInMinutes=1)},
    ),
    "each request costs 60 ms of CPU, and no alarm fires": (
        "!",
        "times as long",
        {
            "within": f"if path in OPERATIONS:\n    {WORK.replace(chr(10), chr(10) + '    ')}",
            "edit_both": with_cpu_alarm,
        },
    ),
    "it sends to a queue that its role does not allow": (
        "✗",
        "AWS denies prod-tiny:2 sqs:SendMessage on arn:aws:sqs:us-east-1",
        {"before": CALL, "within": "if path in OPERATIONS and call('SendMessage'): status = 500"},
    ),
    "it sends to a queue that its role does not allow, and swallows the error": (
        "!",
        "AWS denies prod-tiny:2 sqs:SendMessage on arn:aws:sqs:us-east-1",
        {"before": CALL, "within": "if path == '/tiny/1': call('SendMessage')"},
    ),
    "it spins": ("✗", "prod-cpu went to ALARM", {"before": SPIN, "edit_both": with_cpu_alarm, "seconds": 1.0}),
    "only another image": ("✓", "", {}),
    "more tasks": ("✓", "", {"edit": service(DesiredCount=2)}),
    "another canary": (
        "✓",
        "",
        {"edit": rollout(CanaryConfiguration={"CanaryPercent": 50, "CanaryBakeTimeInMinutes": 1})},
    ),
    "blue/green with errors": (
        "✗",
        "prod-errors",
        {"edit": rollout(Strategy="BLUE_GREEN"), "within": "status = 200 if path == '/health' else 500"},
    ),
    "no bake, and errors": (
        "!",
        "answers 500",
        {
            "edit": rollout(
                BakeTimeInMinutes=0, CanaryConfiguration={"CanaryPercent": 50, "CanaryBakeTimeInMinutes": 0}
            ),
            "within": "if path in OPERATIONS: status = 500",
        },
    ),
    "errors, and alarms do not roll back": (
        "✗",
        "answered by the release",
        {
            "edit": rollout(Alarms={"AlarmNames": ["prod-errors"], "Enable": True, "Rollback": False}),
            "within": "if path in OPERATIONS: status = 500",
        },
    ),
    "errors, and no alarm is watched": (
        "!",
        "answers 500",
        {
            "edit": rollout(Alarms={"AlarmNames": [], "Enable": False, "Rollback": False}),
            "within": "if path in OPERATIONS: status = 500",
        },
    ),
    "no circuit breaker, and it exits": (
        "✗",
        "there is no circuit breaker",
        {"edit": rollout(DeploymentCircuitBreaker={"Enable": False, "Rollback": False}), "before": "sys.exit(1)"},
    ),
    "a command that does not exist": (
        "✗",
        "CannotStartContainerError",
        {"edit": container(Command=["/no/such/program"])},
    ),
    "another port in the definition": ("✓", "", {"edit": container(PortMappings=[{"ContainerPort": 9090}])}),
    "its paths change while green serves": ("!", "failed", {"edit": rule(Conditions=paths("/tiny/*", "/more/*"))}),
    "its paths lose an operation": (
        "!",
        "GET /tiny/2 finds no listener rule",
        {"edit": rule(Conditions=paths("/tiny/0", "/tiny/1", "/tiny/o*"))},
    ),
    "another rule takes its requests": (
        "!",
        "finds no listener rule",
        {
            "edit": resource(
                "First",
                "AWS::ElasticLoadBalancingV2::ListenerRule",
                ListenerArn={"Ref": "Listener"},
                Priority=7,
                Conditions=paths("/tiny/1"),
                Actions=[OTHER],
            ),
            "edit_both": rule(Priority=9),
        },
    ),
    "a rule with a taken priority": (
        "✗",
        "CloudFormation would refuse",
        {
            "edit": resource(
                "First",
                "AWS::ElasticLoadBalancingV2::ListenerRule",
                ListenerArn={"Ref": "Listener"},
                Priority=1,
                Conditions=paths("/x"),
                Actions=[OTHER],
            )
        },
    ),
    "a subnet that overlaps the one it replaces": (
        "✗",
        "CloudFormation would refuse",
        {"edit_both": network("10.0.0.0/24"), "edit": network("10.0.0.0/25")},
    ),
    "a named role that has to be replaced": (
        "✗",
        "CloudFormation would refuse",
        {"edit_both": role("/a/"), "edit": role("/b/")},
    ),
    "more than 500 resources": (
        "✗",
        "CloudFormation would refuse",
        {"edit": lambda templates: [resource(f"Topic{n}", "AWS::SNS::Topic")(templates) for n in range(500)]},
    ),
    "a table beside it": (
        "✓",
        "",
        {
            "edit": resource(
                "Table",
                "AWS::DynamoDB::Table",
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            )
        },
    ),
    "a test fails": ("✗", "exited with 3", {"test": "exit 3"}),
    "nobody approves": ("✗", "the approval was refused", {"approve": False}),
    "the way into Prod is closed": (
        "✗",
        "is disabled: incident",
        {"closed": [{"StageName": "Prod", "Reason": "incident"}]},
    ),
    "errors, and the stage rolls back": (
        "✗",
        "as its OnFailure says",
        {
            "within": "if path in OPERATIONS: status = 500",
            "stage_parts": {"Prod": {"OnFailure": {"Result": "ROLLBACK"}}},
        },
    ),
    "its health check wants another status": (
        "✗",
        "GET /health answered 200",
        {"edit": groups(Matcher={"HttpCode": "204"})},
    ),
    "its alarm fires below its limit": (
        "✗",
        "it measured 0, and the limit is 2",
        {"edit": changed("Alarm", ComparisonOperator="LessThanThreshold")},
    ),
    "its alarm takes half an hour, and it fails": (
        "!",
        "answers 500",
        {"edit": changed("Alarm", EvaluationPeriods=30, DatapointsToAlarm=30), "within": FAILS},
    ),
    "it redirects to itself": ("!", "GET /tiny/1 answers 302", {"within": LOOP}),
    "it sends half of a body": ("!", "GET /tiny/1 gets no answer", {"within": HALF}),
    "it loses the answers to POST": (
        "!",
        "clients that retry do it twice",
        {"within": CUT, "requests": "GET /tiny/0\n\n###\nPOST /tiny/1\n\nbody\n"},
    ),
    "a variable is gone": ("✗", "KeyError: 'RELEASE'", {"before": "os.environ['RELEASE']", "edit": without_a_variable}),
    "it connects to a host that does not exist": (
        "✗",
        "gaierror",
        {"before": "import socket; socket.create_connection(('db.nowhere.invalid', 5432), 2)"},
    ),
    "no tasks at all": ("!", "requests in Prod failed", {"edit": service(DesiredCount=0)}),
    "Dev stops its tasks before it starts others": (
        "!",
        "requests in Dev failed",
        {"edit": in_dev(MinimumHealthyPercent=0, MaximumPercent=100)},
    ),
    "Dev has no room to replace a task": ("✗", "leaves no room", {"edit": in_dev(MaximumPercent=150)}),
    "another name for the service": ("!", "without a canary", {"edit": service(ServiceName="prod-small")}),
    "another port of the listener": (
        "!",
        "port 80 of its load balancer closes",
        {"edit": changed("Listener", Port=81)},
    ),
    "a port that no container has": ("✗", "which has 8080", {"edit": port_of_nobody}),
    "nobody is asked any more": ("!", "nobody approves Prod any more", {"edit": without("ApproveProduction")}),
    "instances that nothing runs on": ("✓", "", {"edit": resource("Odd", "AWS::ECS::CapacityProvider")}),
    "a type that may be misspelt": (
        "!",
        "only AWS knows whether there is a type AWS::ECS::Servce",
        {"edit": resource("Odd", "AWS::ECS::Servce")},
    ),
    "a test is gone": ("!", "Dev is no longer tested by Tests", {"edit": without("Tests")}),
    "Dev is gone": ("!", "Prod is deployed without Dev before it", {"edit": without("Dev")}),
    "requests of a file": ("✓", "", {"requests": "GET /tiny/0\n\n###\nPOST /tiny/1\n\nbody\n"}),
    "a file whose requests are for nobody": (
        "!",
        "its file has 1 request, and none for its paths",
        {"requests": "GET /elsewhere\n"},
    ),
    "an alarm that no stack makes": (
        "!",
        "only AWS knows whether none, which no stack up to here makes, exists, can roll back",
        {"edit": rollout(Alarms={"AlarmNames": ["none"], "Enable": True, "Rollback": True})},
    ),
    "a target group is gone": (
        "✗",
        "refers to Green, which is not in the template",
        {"edit": lambda templates: templates["Prod"]["Resources"].pop("Green")},
    ),
}

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "CodeDeploy as the controller": (
        "prod.Service: becomes one of services deployed by CODE_DEPLOY",
        {"edit": service(DeploymentController={"Type": "CODE_DEPLOY"})},
    ),
    "a file of requests with a fault": ("requests.http:3", {"requests": "GET /tiny/0\n\n> {% x %}\n"}),
    "no type of a resource": ("prod.Odd: has type Nonsense", {"edit": resource("Odd", "Nonsense")}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_played_is_refused(fault: str, play: Any, tmp_path: Any) -> None:
    said, given = REFUSED[fault]
    with pytest.raises(NovaError) as caught:
        play(tmp_path, **given)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
