"""An ECS cluster whose deployments a test moves on, behind the real SDK: its requests are validated, and counted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from nova_infra.deployed.aws.client.session import Aws

REGION = "us-east-1"
PREFIX = "nova-prod"
ACCOUNT = "333333333333"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KINDS = {"errors": 5.0, "latency": 2000.0, "cpu": 90.0}


def arn(kind: str, *parts: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{'/'.join((PREFIX, *parts))}"


def target_group(service: str, colour: str) -> str:
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{service}-{colour}/0f"


def rule(service: str) -> str:
    return f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener-rule/app/nova/1a/2b/{service}"


@dataclass
class Rollout:
    """A deployment of a service, as the test wants it."""

    service: str
    status: str = "IN_PROGRESS"
    stage: str = "SCALE_UP"
    weight: float = 0.0
    actual: float | None = None
    number: int = 1
    hooks: list[dict[str, Any]] = field(default_factory=list)
    triggered: list[str] = field(default_factory=list)
    rollback: str = ""
    strategy: str = "CANARY"

    @property
    def arn(self) -> str:
        return arn("service-deployment", f"{PREFIX}-{self.service}", str(self.number))


class World:
    """What answers as AWS.

    Attributes:
        services: Names of the services.
        rollouts: The deployments, the newest of a service last.
        red: Names of alarms that are in ALARM.
        values: Name of an alarm to its metric's value.
        requests: ARN of a target group to requests a minute.
        calls: The operations that were called, in order, a page each.
        refused: Operation to the code of the error that it is refused with.
        now: The time.
        workers: Names of the services that no load balancer asks.
        jobs: Name of a job to its executions, newest first; their schedules have one ``schedule_state``.
        messages: How many messages wait in each queue, and how many are in flight.
    """

    def __init__(self) -> None:
        self.services = [f"s{n:02}-service" for n in range(45)]
        self.rollouts: list[Rollout] = []
        self.red: set[str] = set()
        self.values: dict[str, float] = {}
        self.requests: dict[str, float] = {}
        self.calls: list[str] = []
        self.answered: list[tuple[str, dict[str, Any]]] = []
        self.refused: dict[str, str] = {}
        self.now = NOW
        self.workers: set[str] = set()
        self.jobs, self.schedule_state = dict[str, list[dict[str, Any]]](), "ENABLED"
        self.messages = (7, 3)

    def begin(self, service: str, **more: Any) -> Rollout:
        """Begin a deployment."""
        made = Rollout(service, number=len(self.rollouts) + 1, **more)
        self.rollouts.append(made)
        return made

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def answer(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if operation in self.refused:
            code = self.refused[operation]
            raise ClientError({"Error": {"Code": code, "Message": f"not {operation}"}}, operation)
        answer: dict[str, Any] = getattr(self, xform_name(operation))(params)
        return answer

    def list_services(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serviceArns": [arn("service", f"{PREFIX}-{name}") for name in self.services]}

    def describe_services(self, params: dict[str, Any]) -> dict[str, Any]:
        assert len(params["services"]) <= 10
        return {"services": [self._service(name.removeprefix(f"{PREFIX}-")) for name in params["services"]]}

    def _service(self, name: str) -> dict[str, Any]:
        under_way = [r for r in self.rollouts if r.service == name and r.status in ("IN_PROGRESS", "PENDING")]
        return {
            "serviceArn": arn("service", f"{PREFIX}-{name}"),
            "serviceName": f"{PREFIX}-{name}",
            "status": "ACTIVE",
            "loadBalancers": [
                {
                    "targetGroupArn": target_group(name, "blue"),
                    "advancedConfiguration": {"productionListenerRule": rule(name)},
                }
            ]
            if name not in self.workers
            else [],
            "events": [{"message": f"(service {name}) the latest event"}],
            **({"currentServiceDeployment": under_way[-1].arn} if under_way else {}),
        }

    def describe_service_deployments(self, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params["serviceDeploymentArns"]
        assert len(wanted) <= 20
        return {"serviceDeployments": [self.described(r) for r in self.rollouts if r.arn in wanted]}

    def described(self, rollout: Rollout) -> dict[str, Any]:
        name = f"{PREFIX}-{rollout.service}"
        tasks = {"requestedTaskCount": 2, "runningTaskCount": 2, "pendingTaskCount": 0}
        shift = {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5}
        if rollout.strategy == "LINEAR":
            shift = {"stepPercent": 25.0, "stepBakeTimeInMinutes": 6}
        alarms = [f"{name}-{kind}" for kind in KINDS]
        return {
            "serviceDeploymentArn": rollout.arn,
            "serviceArn": arn("service", name),
            "startedAt": NOW,
            "status": rollout.status,
            "lifecycleStage": rollout.stage,
            "lifecycleHookDetails": rollout.hooks,
            "alarms": {"status": "MONITORING", "alarmNames": alarms, "triggeredAlarmNames": rollout.triggered},
            "rollback": {"reason": rollout.rollback} if rollout.rollback else {},
            "targetServiceRevision": {
                "arn": arn("service-revision", name, "new"),
                "requestedProductionTrafficWeight": rollout.weight,
                **tasks,
            },
            "sourceServiceRevisions": [
                {
                    "arn": arn("service-revision", name, "old"),
                    "requestedProductionTrafficWeight": 100 - rollout.weight,
                    **tasks,
                }
            ],
            "deploymentConfiguration": {
                "strategy": rollout.strategy,
                "bakeTimeInMinutes": 9,
                f"{rollout.strategy.lower()}Configuration": shift,
                "alarms": {"alarmNames": alarms, "enable": True, "rollback": True},
            },
        }

    def describe_service_revisions(self, params: dict[str, Any]) -> dict[str, Any]:
        assert len(params["serviceRevisionArns"]) <= 20
        return {"serviceRevisions": [self._revision(each) for each in params["serviceRevisionArns"]]}

    def _revision(self, which: str) -> dict[str, Any]:
        *_, name, side = which.split("/")
        colour, number = ("green", 8) if side == "new" else ("blue", 7)
        group = target_group(name.removeprefix(f"{PREFIX}-"), colour)
        return {
            "serviceRevisionArn": which,
            "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}:{number}",
            "resolvedConfiguration": {"loadBalancers": [] if self._is_worker(name) else [{"targetGroupArn": group}]},
        }

    def _is_worker(self, name: str) -> bool:
        return name.removeprefix(f"{PREFIX}-") in self.workers

    def describe_rules(self, params: dict[str, Any]) -> dict[str, Any]:
        assert params["ListenerArn"] == f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/app/nova/1a/2b"
        latest = {rollout.service: rollout for rollout in self.rollouts}
        return {"Rules": [self._rule(name, latest.get(name)) for name in self.services]}

    @staticmethod
    def _rule(name: str, rollout: Rollout | None) -> dict[str, Any]:
        new = (rollout.weight if rollout.actual is None else rollout.actual) if rollout else 0.0
        groups = [
            {"TargetGroupArn": target_group(name, "blue"), "Weight": 2 * (100 - new)},
            {"TargetGroupArn": target_group(name, "green"), "Weight": 2 * new},
        ]
        return {"RuleArn": rule(name), "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]}

    def describe_alarms(self, params: dict[str, Any]) -> dict[str, Any]:
        names = params.get("AlarmNames") or [f"{PREFIX}-{s}-{kind}" for s in self.services for kind in KINDS]
        assert len(names) <= 100 or "AlarmNames" not in params
        names = [name for name in names if name.rpartition("-")[2] in KINDS]
        if wanted := params.get("StateValue"):
            names = [name for name in names if (name in self.red) == (wanted == "ALARM")]
        start = int(params.get("NextToken", 0))
        more = {"NextToken": str(start + 100)} if len(names) > start + 100 else {}
        return {"MetricAlarms": [self._alarm(name) for name in names[start : start + 100]], **more}

    def _alarm(self, name: str) -> dict[str, Any]:
        kind = name.rpartition("-")[2]
        alarm = {
            "AlarmName": name,
            "StateValue": "ALARM" if name in self.red else "OK",
            "Threshold": KINDS[kind],
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 3,
        }
        metric = {"Namespace": "N", "MetricName": f"{name}-metric", "Dimensions": []}
        if kind == "cpu":
            return {**alarm, **metric, "Statistic": "Maximum", "Period": 60}
        stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
        group = target_group(name.removeprefix(f"{PREFIX}-").rpartition("-")[0], "blue").rpartition(":")[2]
        dimensions = [{"Name": "LoadBalancer", "Value": "app/nova/1a"}, {"Name": "TargetGroup", "Value": group}]
        counted = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": dimensions}
        return {
            **alarm,
            "Metrics": [
                {"Id": "requests", "MetricStat": {**stat, "Metric": counted}, "ReturnData": False},
                {"Id": "part", "MetricStat": stat, "ReturnData": False},
                {"Id": "part_two", "MetricStat": stat, "ReturnData": False},
                {
                    "Id": "rate",
                    "Expression": "IF(requests>=20,FILL(part_two,0)+part,0)",
                    "ReturnData": True,
                    "Label": name,
                },
            ],
        }

    def get_metric_data(self, params: dict[str, Any]) -> dict[str, Any]:
        queries = {query["Id"]: query for query in params["MetricDataQueries"]}
        assert len(queries) == len(params["MetricDataQueries"]) <= 500
        found = []
        for key, query in queries.items():
            if query.get("ReturnData", True) and (value := self._value(query, queries)) is not None:
                latest = self.now.replace(second=0, microsecond=0)
                times = [latest - timedelta(minutes=n) for n in range(3)]
                found.append({"Id": key, "Timestamps": times, "Values": [value] * 3})
        return {"MetricDataResults": found}

    def _value(self, query: dict[str, Any], queries: dict[str, Any]) -> float | None:
        if "Expression" in query:
            part = query["Expression"].rpartition("+")[2].partition(",")[0]
            requests = f"{part.rpartition('_')[0]}_requests"
            assert query["Expression"] == f"IF({requests}>=20,FILL({part}_two,0)+{part},0)"
            assert {part, requests} <= queries.keys()
            return self._value(queries[part], queries)
        metric = query["MetricStat"]["Metric"]
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        if metric["Namespace"] == "N":
            return self.values.get(metric["MetricName"].removesuffix("-metric"))
        assert dimensions["LoadBalancer"] == "app/nova/1a"
        per_minute = next((n for g, n in self.requests.items() if g.endswith(dimensions["TargetGroup"])), None)
        if per_minute is None:
            return None
        return {"RequestCount": per_minute, "HTTPCode_Target_5XX_Count": 1.0, "TargetResponseTime": 0.04}[
            metric["MetricName"]
        ]

    def list_state_machines(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"stateMachines": [self._machine(name) for name in self.jobs]}

    @staticmethod
    def _machine(name: str) -> dict[str, Any]:
        machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{PREFIX}-{name}"
        return {"name": f"{PREFIX}-{name}", "stateMachineArn": machine, "type": "STANDARD", "creationDate": NOW}

    def list_executions(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["stateMachineArn"].rpartition(f"{PREFIX}-")[2]
        return {"executions": self.jobs[name]}

    def get_schedule(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"ScheduleExpression": "cron(0 6 * * ? *)", "State": self.schedule_state}

    def describe_task_definition(self, params: dict[str, Any]) -> dict[str, Any]:
        url = f"https://sqs.example/{params['taskDefinition'].partition(':')[0]}"
        variables = [{"name": "QUEUE_URL", "value": url}, {"name": "DEAD_QUEUE_URL", "value": f"{url}-dead"}]
        return {"taskDefinition": {"containerDefinitions": [{"name": "app", "environment": variables}]}}

    def get_queue_attributes(self, params: dict[str, Any]) -> dict[str, Any]:
        waiting, in_work = (2, 0) if params["QueueUrl"].endswith("-dead") else self.messages
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(waiting),
                "ApproximateNumberOfMessagesNotVisible": str(in_work),
            }
        }

    def put_events(self, params: dict[str, Any]) -> dict[str, Any]:
        self.answered.append(("event", params))
        failed = [entry for entry in params["Entries"] if len(entry["Detail"]) > 300]
        return {"FailedEntryCount": len(failed), "Entries": [{"ErrorMessage": "too long"}]}

    def continue_service_deployment(self, params: dict[str, Any]) -> dict[str, Any]:
        self.answered.append(("continue", params))
        return {"serviceDeploymentArn": params["serviceDeploymentArn"]}

    def stop_service_deployment(self, params: dict[str, Any]) -> dict[str, Any]:
        self.answered.append(("stop", params))
        return {"serviceDeploymentArn": params["serviceDeploymentArn"]}


class Clocked(Aws):
    """An account whose clock the test sets."""

    def __init__(self, session: Any, world: World) -> None:
        super().__init__(session)
        self._world = world

    def now(self) -> datetime:
        return self._world.now
