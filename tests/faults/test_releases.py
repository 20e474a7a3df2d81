"""Further faults and edits between two releases, played on the miniature: `make faults`."""

from typing import Any

import pytest

from faults.edits import (
    Templates,
    all_of,
    changed,
    container_of,
    groups,
    in_dev,
    paths,
    resource,
    rollout,
    rule,
    service,
    service_of,
)
from faults.programs import CALL, FAILS
from faults.test_routes import second_rule

CHUNKED = """
if path in OPERATIONS:
    self.send_response(200)
    self.send_header('Transfer-Encoding', 'chunked')
    self.end_headers()
    self.wfile.write(b'2\\r\\nfi\\r\\n2\\r\\nne\\r\\n0\\r\\n\\r\\n')
    return
"""
SILENT = "if count[0] > 40: time.sleep(90)"
BETA = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["yes"]}}
READS = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}}
POSTS = "GET /tiny/0\n\n###\nPOST /tiny/1\n\nbody\n"


def variable(name: str, value: Any, *places: str) -> Any:
    def edit(templates: Templates) -> None:
        for place in places or ("Prod",):
            kept = [each for each in container_of(templates, place)["Environment"] if each["Name"] != name]
            container_of(templates, place)["Environment"] = [*kept, {"Name": name, "Value": value}]

    return edit


def in_steps(percent: int, minutes: int) -> Any:
    """Another strategy in Prod."""

    def edit(templates: Templates) -> None:
        del service_of(templates)["DeploymentConfiguration"]["CanaryConfiguration"]
        steps = {"StepPercent": percent, "StepBakeTimeInMinutes": minutes}
        rollout(Strategy="LINEAR", LinearConfiguration=steps)(templates)

    return edit


def at_once(templates: Templates) -> None:
    del service_of(templates)["DeploymentConfiguration"]["CanaryConfiguration"]
    rollout(Strategy="ROLLING")(templates)


def without_alarm(templates: Templates) -> None:
    del templates["Prod"]["Resources"]["Alarm"]
    rollout(Alarms={"AlarmNames": [], "Enable": False, "Rollback": False})(templates)


def without_topic(templates: Templates) -> None:
    del templates["Prod"]["Resources"]["Topic"]


def may_send(action: str) -> Any:
    """The tasks of Prod have a role that allows a call."""

    def edit(templates: Templates) -> None:
        trust = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Effect": "Allow", "Action": "sts:AssumeRole"}
        allowed = {"Effect": "Allow", "Action": action, "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}
        policies = [{"PolicyName": "queue", "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]}}]
        document = {"Version": "2012-10-17", "Statement": [trust]}
        resource("Role", "AWS::IAM::Role", AssumeRolePolicyDocument=document, Policies=policies)(templates)
        templates["Prod"]["Resources"]["Task"]["Properties"]["TaskRoleArn"] = {"Fn::GetAtt": ["Role", "Arn"]}
        resource("Queue", "AWS::SQS::Queue", QueueName="mails")(templates)
        variable("QUEUE", {"Ref": "Queue"})(templates)

    return edit


OWN_QUEUE = CALL.replace(
    '"https://sqs.us-east-1.amazonaws.com/333333333333/mails"', 'os.environ["QUEUE"], "MessageBody": "good day"'
)
SENDS = {"before": OWN_QUEUE, "within": "if path in OPERATIONS and call('SendMessage'): status = 500", "both": True}

FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # What is wrong: the verdict, a part of its reason, and how it is put in.
    "half at a time, and every request fails": ("✗", "prod-errors", {"edit": in_steps(50, 1), "within": FAILS}),
    "a third at a time": ("✓", "", {"edit": in_steps(34, 1)}),
    "Prod becomes rolling": ("✓", "", {"edit": at_once}),
    "Prod becomes blue/green": ("✓", "", {"edit": rollout(Strategy="BLUE_GREEN", BakeTimeInMinutes=1)}),
    "everything moves at once, and fails": (
        "✗",
        "prod-errors",
        {
            "edit": rollout(CanaryConfiguration={"CanaryPercent": 100, "CanaryBakeTimeInMinutes": 1}),
            "within": FAILS,
        },
    ),
    "the canary does not bake, the rest does, and it fails": (
        "✗",
        "prod-errors",
        {"edit": rollout(CanaryConfiguration={"CanaryPercent": 30, "CanaryBakeTimeInMinutes": 0}), "within": FAILS},
    ),
    "its alarm's limit is below nothing": ("✗", "prod-errors", {"edit": changed("Alarm", Threshold=-1)}),
    "its alarm's limit is out of reach, and it fails": (
        "!",
        "answers 500",
        {"edit": changed("Alarm", Threshold=5000), "within": FAILS},
    ),
    "its alarm is deleted, and it fails": ("!", "answers 500", {"edit": without_alarm, "within": FAILS}),
    "its topic is deleted": ("✗", "refers to Topic", {"edit": without_topic}),
    "it has no circuit breaker's rollback, and it exits": (
        "✗",
        "the circuit breaker opened",
        {"edit": rollout(DeploymentCircuitBreaker={"Enable": True, "Rollback": False}), "before": "sys.exit('no')"},
    ),
    "its answers come in chunks": ("✓", "", {"within": CHUNKED}),
    "every other answer takes a second": (
        "!",
        "times as long",
        {"within": "if path in OPERATIONS and count[0] % 2: time.sleep(1)"},
    ),
    "it keeps 64 KiB of every request": (
        "!",
        "MiB more every minute",
        {"within": "if path in OPERATIONS: kept.append(os.urandom(2**16))", "edit_both": rollout(BakeTimeInMinutes=9)},
    ),
    "it fills a cache of 20 MiB": (
        "✓",
        "",
        {
            "within": "if path in OPERATIONS and len(kept) < 20: kept.append(os.urandom(2**20))",
            "edit_both": rollout(BakeTimeInMinutes=7),
        },
    ),
    "it needs more memory than its task has now": (
        "✗",
        "OutOfMemoryError",
        {
            "before": "kept.append(os.urandom(80 * 2**20))",
            "both": True,
            "edit": changed("Task", Memory="64"),
        },
    ),
    "it fails in every other second": (
        "✗",
        "prod-errors",
        {"within": "if path in OPERATIONS and int(time.time()) % 2: status = 500"},
    ),
    "a variable of Prod alone is no number": (
        "✗",
        "ValueError",
        {"before": "int(os.environ.get('LIMIT', '7'))", "both": True, "edit": variable("LIMIT", "seven")},
    ),
    "a variable of Prod alone takes an operation away": (
        "!",
        "GET /tiny/2 answers 404",
        {"edit": variable("OPERATIONS", "2")},
    ),
    "it has two operations more": ("✓", "", {"edit": variable("OPERATIONS", "5", "Dev", "Prod")}),
    "it asks every other request to come later": (
        "!",
        "answers 429",
        {"within": "if path in OPERATIONS and count[0] % 2: status = 429"},
    ),
    "its answers are empty": ("!", "without a body", {"within": "if path in OPERATIONS: body = b''"}),
    "its health check asks what only the release answers": (
        "!",
        "lost",
        {
            "edit": groups(HealthCheckPath="/ready"),
            "within": "if path == '/ready': status = 200 if os.environ['RELEASE'] == 'two' else 404",
            "both": True,
        },
    ),
    "it hangs after forty requests": ("!", "gets no answer|answers 504|lost", {"within": SILENT}),
    "a second rule leads to it, whose weights nobody moves": (
        "!",
        "More: leads to Service, but ECS moves only the weights of Rule",
        {"edit": second_rule(Priority=7, Conditions=paths("/tiny/2")), "edit_both": rule(Priority=9)},
    ),
    "its rule wants a header": ("!", "finds no listener rule", {"edit": rule(Conditions=[*paths("/tiny/*"), BETA])}),
    "its rule takes reads alone": (
        "!",
        "POST /tiny/{id} finds no listener rule",
        {"edit": rule(Conditions=[*paths("/tiny/*"), READS]), "requests": POSTS},
    ),
    "its groups have names now": (
        "!",
        "503 until the service is deployed",
        {"edit": all_of(changed("Blue", Name="tiny-blue"), changed("Green", Name="tiny-green"))},
    ),
    "Dev replaces one of two tasks at a time": (
        "✓",
        "",
        {
            "edit_both": lambda templates: service_of(templates, "Dev").update(DesiredCount=2),
            "edit": in_dev(MinimumHealthyPercent=50, MaximumPercent=100),
        },
    ),
    "fewer tasks": ("✓", "", {"edit_both": service(DesiredCount=3), "edit": service(DesiredCount=1)}),
    "its role allows what it calls": ("✓", "", {**SENDS, "edit_both": may_send("sqs:SendMessage")}),
    "its role loses what it calls": (
        "✗",
        "AWS denies prod-tiny:2 sqs:SendMessage",
        {**SENDS, "edit_both": may_send("sqs:SendMessage"), "edit": may_send("sqs:ReceiveMessage")},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)
