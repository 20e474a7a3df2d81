"""The Lambda code of ``together``: services of a release wait for one another before users reach them.

ECS calls it for each service at PRE_PRODUCTION_TRAFFIC_SHIFT, which is before every step. It keeps nothing: what it
answers follows from what ECS says of all services of the release at that moment, so it may be called again at any time.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html
"""

from typing import Any

import boto3
from botocore.config import Config

RELEASE: dict[str, str] = {}
"""Name of each ECS service of the group to the tag of its image in this release; the stack fills it."""

PATIENT = Config(retries={"mode": "standard", "max_attempts": 8})
"""Many services ask at the same time, and an error would roll back a good release."""

CONTAINER = "app"
WENT_BACK = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
STOPPED = ("STOP_REQUESTED", "STOPPED")
UNDER_WAY = ("PENDING", "IN_PROGRESS")
USERS_COME = ("PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP")


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Continue the deployment once every service of the release is ready; fail it if one of them rolled back."""
    service = (event.get("executionDetails") or event)["serviceArn"]
    _, cluster, own = service.rsplit("/", 2)
    group = Group(boto3.client("ecs", config=PATIENT), cluster, context.invoked_function_arn)
    mine = group.deployments.get(own)
    if mine is None:
        print(f"together: ECS knows no deployment of {own}")
        return {"hookStatus": "FAILED"}
    waits: list[str] = []
    for name, tag in RELEASE.items():
        if name == own:
            continue
        state = group.state(name, tag, mine)
        if state == "went back":
            print(f"together: {name} rolled back")
            return {"hookStatus": "FAILED"}
        waits += [name] if state == "not ready" else []
    if not waits or weight(mine) > 0:
        return {"hookStatus": "SUCCEEDED"}
    print(f"together: waits for {', '.join(waits)}")
    # Each service asks: many of them ask less often, for ECS throttles.
    return {"hookStatus": "IN_PROGRESS", "callBackDelay": max(30, 2 * len(RELEASE))}


def weight(deployment: Any) -> float:
    """Percent of the users that a deployment's new revision serves."""
    return float(deployment.get("targetServiceRevision", {}).get("requestedProductionTrafficWeight") or 0)


class Group:
    """The services of a release, as ECS describes them now."""

    def __init__(self, ecs: Any, cluster: str, function: str) -> None:
        """Ask for all of them in few calls.

        Args:
            function: ARN of this function, by which its hook is known.
        """
        self.ecs, self.cluster, self.function = ecs, cluster, function.split(":function:")[-1]
        names = list(RELEASE)
        found = [
            each
            for start in range(0, len(names), 10)
            for each in ecs.describe_services(cluster=cluster, services=names[start : start + 10])["services"]
        ]
        self.services = {each["serviceName"]: each for each in found}
        arns = {each["currentServiceDeployment"]: each["serviceName"] for each in found if deployment_of(each)}
        self.deployments: dict[str, Any] = {}
        for batch in batches(list(arns), 20):
            answer = ecs.describe_service_deployments(serviceDeploymentArns=batch)["serviceDeployments"]
            self.deployments |= {arns[each["serviceDeploymentArn"]]: each for each in answer}
        self.tags = self.running_tags()

    def running_tags(self) -> dict[str, str]:
        """Name of each service without a deployment under way to the tag of the image that it runs."""
        revisions = {
            each["currentServiceRevisions"][0]["arn"]: name
            for name, each in self.services.items()
            if each.get("currentServiceRevisions") and not self.is_under_way(name)
        }
        tags = {}
        for batch in batches(list(revisions), 20):
            for each in self.ecs.describe_service_revisions(serviceRevisionArns=batch)["serviceRevisions"]:
                images = {image["containerName"]: image["image"] for image in each.get("containerImages", ())}
                name = images.get(CONTAINER, "").partition("@")[0].rpartition("/")[2]
                tags[revisions[each["serviceRevisionArn"]]] = name.rpartition(":")[2]
        return tags

    def is_under_way(self, name: str) -> bool:
        """Whether a service is being deployed."""
        return self.deployments.get(name, {}).get("status") in UNDER_WAY

    def state(self, name: str, tag: str, mine: Any) -> str:
        """Where a service stands: ``ready``, ``not ready`` or ``went back``.

        Args:
            mine: The deployment that is asked about, which began after what went back in an earlier try.
        """
        deployment = self.deployments.get(name, {})
        if self.is_under_way(name):
            return "ready" if self.has_come(deployment) else "not ready"
        if deployment.get("status") in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOP_REQUESTED"):
            return "went back"
        if self.went_back_since(name, mine):
            return "went back"
        return "ready" if self.tags.get(name) == tag else "not ready"

    def has_come(self, deployment: Any) -> bool:
        """Whether a deployment has reached or passed the point where the group waits."""
        if weight(deployment) > 0 or deployment.get("lifecycleStage") in USERS_COME:
            return True
        hooks = deployment.get("lifecycleHookDetails", ())
        asked = any(hook.get("targetArn", "").split(":function:")[-1] == self.function for hook in hooks)
        return asked and not any(hook.get("status") == "AWAITING_ACTION" for hook in hooks)

    def went_back_since(self, name: str, mine: Any) -> bool:
        """Whether a service rolled back while the deployment in question was under way."""
        if name not in self.services:
            return False
        # The list is filtered by when a deployment began, and one may have begun well before this one and failed since.
        ended = self.ecs.list_service_deployments(
            cluster=self.cluster, service=name, status=[*WENT_BACK, *STOPPED], maxResults=5
        )["serviceDeployments"]
        since = mine["createdAt"]
        return any((each.get("finishedAt") or each["createdAt"]) >= since for each in ended)


def deployment_of(service: Any) -> str:
    """ARN of a service's deployment; empty where it has none."""
    return str(service.get("currentServiceDeployment") or "")


def batches(items: list[str], size: int) -> list[list[str]]:
    """Split items into lists of at most a given length."""
    return [items[start : start + size] for start in range(0, len(items), size)]
