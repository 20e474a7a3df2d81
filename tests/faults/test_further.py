"""Faults that were found on the project's own services and templates, played on the miniature: `make faults`."""

from typing import Any

import pytest

from faults.edits import all_of, groups, resource, rollout
from faults.test_hostile import answer

MARK = "import pathlib; MARK = pathlib.Path(__file__).parents[4] / 'schema'; OLD = os.environ['RELEASE'] == 'one'"
TWICE = "b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n'"
REFUSED = "CloudFormation would refuse"
KEY = [{"AttributeName": "id", "KeyType": "HASH"}]
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "an answer is chunked twice": ("!", "GET /tiny/1 answers 502", {"within": answer(TWICE)}),
    "it leaves a schema behind that the previous release cannot use": (
        "✗",
        "prod-tiny fails, too: GET /tiny/1 answers 500",
        {
            "before": f"{MARK}\nif not OLD: MARK.touch()",
            "within": "if path == '/tiny/1' and OLD and MARK.exists(): status = 500",
            "both": True,
        },
    ),
    "an operation is gone for a third of its requests": (
        "!",
        "GET /tiny/1 answers 405",
        {"within": "if path == '/tiny/1' and count[0] % 3 == 0: status = 405"},
    ),
    "an operation takes twelve seconds, and the load balancer waits for 60": (
        "!",
        "times as long",
        {"within": "if path == '/tiny/1' and count[0] < 30: time.sleep(12)"},
    ),
    "one answer in forty takes eight seconds": (
        "!",
        "takes a second or longer for",
        {
            "within": "if path in OPERATIONS and not (kept.append(b'') or len(kept) % 40): time.sleep(8)",
            "edit_both": rollout(BakeTimeInMinutes=9),
        },
    ),
    "its health check's path has no slash": ("✗", REFUSED, {"edit": groups(HealthCheckPath="health")}),
    "its health check wants a status of 500": ("✗", REFUSED, {"edit": groups(Matcher={"HttpCode": "200-500"})}),
    "its health check lasts as long as its interval": (
        "✗",
        REFUSED,
        {"edit": groups(HealthCheckIntervalSeconds=7, HealthCheckTimeoutSeconds=7)},
    ),
    "a linear deployment moves two percent at a time": (
        "✗",
        REFUSED,
        {"edit": rollout(Strategy="LINEAR", LinearConfiguration={"StepPercent": 2, "StepBakeTimeInMinutes": 7})},
    ),
    "a port that nobody serves answers its health checks": (
        "✗",
        "nothing listens on port 9191",
        {"edit": groups(HealthCheckPort="9191")},
    ),
    "it writes a megabyte to its disk for each request": (
        "!",
        "MiB more to its disk every minute",
        {
            "within": "open(f'kept-{count[0]}-{os.getpid()}', 'wb').write(os.urandom(2**20))",
            "edit": rollout(BakeTimeInMinutes=6),
        },
    ),
    "it takes five megabytes of memory a second whether or not it is asked": (
        "!",
        "even if nobody asks it anything",
        {
            "before": "def grow():\n    while True:\n        kept.append(os.urandom(5 * 2**18))\n        time.sleep(0.25)\nthreading.Thread(target=grow, daemon=True).start()",
            "only_production": False,
            "seconds": 1.0,
            "ahead": True,
            "edit": rollout(BakeTimeInMinutes=8),
        },
    ),
    "nobody signals its wait condition": (
        "✗",
        "CloudFormation would wait for this in vain",
        {
            "edit": all_of(
                resource("Handle", "AWS::CloudFormation::WaitConditionHandle"),
                resource("Wait", "AWS::CloudFormation::WaitCondition", Handle={"Ref": "Handle"}, Timeout="600"),
            )
        },
    ),
    "a FIFO queue is named like another": (
        "✗",
        REFUSED,
        {"edit": resource("Queue", "AWS::SQS::Queue", QueueName="mails", FifoQueue=True)},
    ),
    "a schedule has five fields": (
        "✗",
        REFUSED,
        {"edit": resource("Clock", "AWS::Events::Rule", ScheduleExpression="cron(0 12 * * *)")},
    ),
    "nothing defines a table's key": (
        "✗",
        REFUSED,
        {
            "edit": resource(
                "Table",
                "AWS::DynamoDB::Table",
                KeySchema=KEY,
                AttributeDefinitions=[{"AttributeName": "day", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        },
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)
