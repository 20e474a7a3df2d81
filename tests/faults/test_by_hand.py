"""Templates that somebody edited by hand, played on the miniature: `make faults`."""

from typing import Any

import pytest

from faults.edits import (
    Templates,
    changed,
    container_of,
    groups,
    in_dev,
    resource,
    rollout,
    rule,
    service,
    service_of,
)

FAILS = "if path in OPERATIONS: status = 500"
JSON = "NEW = os.environ['RELEASE'] == 'two'; self.more = [('Content-Type', 'application/json')]"
HALVES = [{"TargetGroupArn": {"Ref": "Blue"}, "Weight": 50}, {"TargetGroupArn": {"Ref": "Green"}, "Weight": 50}]
REDIRECT = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}


def attributes(**given: str) -> Any:
    return groups(TargetGroupAttributes=[{"Key": k.replace("__", "."), "Value": v} for k, v in given.items()])


def alarm_elsewhere(templates: Templates) -> None:
    """The alarm watches target groups that nobody has."""
    for metric in templates["Prod"]["Resources"]["Alarm"]["Properties"]["Metrics"]:
        for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ()):
            dimension["Value"] = f"{dimension['Name'].lower()}/of-nobody/0123456789abcdef"


def other_key(kind: str) -> Any:
    def edit(templates: Templates) -> None:
        resources = templates["Prod"]["Resources"]
        resources[f"{kind}2"] = resources.pop(kind)

    return edit


def other_stack(templates: Templates) -> None:
    for stage in templates["pipeline"]["Resources"]["Pipeline"]["Properties"]["Stages"]:
        for action in stage["Actions"]:
            configuration = action.get("Configuration", {})
            if configuration.get("StackName") == "prod":
                configuration["StackName"] = "production"


def latest(templates: Templates) -> None:
    for place in ("Dev", "Prod"):
        container_of(templates, place)["Image"] = "registry/tiny:latest"


def replaced_group(templates: Templates) -> None:
    templates["Prod"]["Resources"]["Blue"]["Properties"]["Port"] = 9999
    templates["Prod"]["Resources"]["Green"]["Properties"]["Port"] = 9999


FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "its groups wait for nobody": ("✓", "", {"edit": attributes(deregistration_delay__timeout_seconds="0")}),
    "its groups start slowly": ("✓", "", {"edit": attributes(slow_start__duration_seconds="45")}),
    "its health check takes 404 for good": (
        "✓",
        "",
        {"edit_both": groups(Matcher={"HttpCode": "200-499"}), "within": "if path == '/health': status = 404"},
    ),
    "its health check no longer takes 404 for good": (
        "✗",
        "GET /health answered 404",
        {"edit": groups(Matcher={"HttpCode": "200-399"}), "within": "if path == '/health': status = 404"},
    ),
    "its grace is shorter than an interval": ("✓", "", {"edit": service(HealthCheckGracePeriodSeconds=1)}),
    "no health check time at all, and it starts late": (
        "✓",
        "",
        {"edit": service(HealthCheckGracePeriodSeconds=0), "before": "time.sleep(1)"},
    ),
    "its image is latest": ("✓", "", {"edit": latest}),
    "its alarm watches nobody, and it fails": (
        "!",
        "answers 500",
        {"edit": alarm_elsewhere, "within": FAILS},
    ),
    "its alarm needs three of three minutes, and it fails": (
        "!",
        "answers 500",
        {"edit_both": changed("Alarm", DatapointsToAlarm=3, EvaluationPeriods=9, Threshold=900), "within": FAILS},
    ),
    "its rule sends half to nobody": (
        "!",
        "requests in Prod failed",
        {"edit": rule(Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": HALVES}}])},
    ),
    "its rule has another priority": ("!", "requests in Prod failed", {"edit": rule(Priority=77)}),
    "its rule redirects to HTTPS": ("✗", "forwards to no target group", {"edit": rule(Actions=[REDIRECT])}),
    "its alarm has another key": ("✗", "CloudFormation would refuse", {"edit": other_key("Alarm")}),
    "its stack has another name": ("✗", "CloudFormation would refuse", {"edit": other_stack}),
    "its groups are replaced": ("!", "503 until the service is deployed", {"edit": replaced_group}),
    "no task may be missing in Dev, and two may be there": ("✓", "", {"edit": in_dev(MinimumHealthyPercent=100)}),
    "a canary of one percent": (
        "✓",
        "",
        {"edit_both": rollout(CanaryConfiguration={"CanaryPercent": 1, "CanaryBakeTimeInMinutes": 1})},
    ),
    "a canary of one task": ("✓", "", {"edit_both": service(DesiredCount=1)}),
    "a canary of one task, and it fails": ("✗", "prod-errors", {"edit_both": service(DesiredCount=1), "within": FAILS}),
    "two services of a name": (
        "✗",
        "CloudFormation would refuse",
        {
            "edit": lambda templates: templates["Prod"]["Resources"].update(
                Twin={"Type": "AWS::ECS::Service", "Properties": dict(service_of(templates))}
            )
        },
    ),
    "a queue beside it": ("✓", "", {"edit": resource("Queue", "AWS::SQS::Queue", QueueName="mails")}),
    "a redirect to itself": (
        "✗",
        "redirects to where the request came from",
        {"edit": rule(Actions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302"}}])},
    ),
    "its answers lack a field": (
        "!",
        "GET /tiny/1 answers without the field price now",
        {
            "both": True,
            "within": f"{JSON}\nif path in OPERATIONS: body = json.dumps({{'id': 1}} if NEW else {{'id': 1, 'price': 2}}).encode()",
        },
    ),
    "its answers lack a header": (
        "!",
        "answers without the header access-control-allow-origin now",
        {"both": True, "within": f"{JSON}\nif not NEW: self.more.append(('Access-Control-Allow-Origin', '*'))"},
    ),
    "its cookie is not secure any more": (
        "!",
        "answers without secure of the cookie sid now",
        {
            "both": True,
            "within": f"{JSON}\nself.more.append(('Set-Cookie', 'sid=1; HttpOnly' + ('' if NEW else '; Secure')))",
        },
    ),
    "it says with 200 that it failed": (
        "!",
        "answers without the field id",
        {
            "both": True,
            "within": f"{JSON}\nif path in OPERATIONS: body = json.dumps({{'error': 'no'}} if NEW else {{'id': 1}}).encode()",
        },
    ),
    "its answers are twice as long": ("✓", "", {"within": "if path in OPERATIONS: body = body * 2"}),
    "its answers have a field more": (
        "✓",
        "",
        {
            "both": True,
            "within": f"{JSON}\nif path in OPERATIONS: body = json.dumps({{'id': 1, 'new': 2}} if NEW else {{'id': 1}}).encode()",
        },
    ),
    "it answers OPTIONS no more": (
        "✗",
        "OPTIONS /tiny/{id} answers 501",
        {
            "requests": "OPTIONS http://localhost/tiny/1\n",
            "both": True,
            "only_production": False,
            "before": "OLD = os.environ['RELEASE'] == 'one'",
            "within": "pass\nif OLD: Handler.do_OPTIONS = Handler.answer",
        },
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)
