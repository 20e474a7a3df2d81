"""ECS's task metadata endpoint (ECS: task-metadata-endpoint-v4-fargate)."""

import functools
import hashlib
import socket
from datetime import UTC, datetime
from typing import Any

from nova_infra.names import partition_of
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.tasks.definition import TaskDefinition

_VERSIONS = ("v4", "v3")
"""What addresses begin with. No name of a bucket is as short, so that these are no calls to S3 either."""
_UNITS_PER_PROCESSOR = 1024
_OF_EC2 = ("169.254.169.254", 80)
_SECONDS_TO_CONNECT = 0.3


@functools.cache
def unlike_fargate(address: tuple[str, int] = _OF_EC2) -> str:
    """What EC2's metadata gives here and on no Fargate task, a clause (task-metadata-endpoint-v4-fargate)."""
    try:
        socket.create_connection(address, _SECONDS_TO_CONNECT).close()
    except OSError:
        return ""
    return f"EC2's instance metadata: {address[0]} answers programs on this machine, and none in a task on Fargate"


class Metadata:
    """What is known of each revision's tasks, without statistics. The IP address that asks tells them apart."""

    def __init__(self, home: Home) -> None:
        """Know nothing."""
        self._home = home
        self._definitions: dict[str, TaskDefinition] = {}
        self._began = datetime.now(UTC).isoformat().replace("+00:00", "Z")

    def variables(self, definition: TaskDefinition, address: str) -> dict[str, str]:
        """The variables that lead a task to what is known of it.

        Args:
            address: Where this is answered, as tasks reach it.
        """
        key = hashlib.sha256(definition.revision.encode()).hexdigest()[:32]
        self._definitions[key] = definition
        newest, older = (f"{address}/{version}/{key}" for version in _VERSIONS)
        return {"ECS_CONTAINER_METADATA_URI_V4": newest, "ECS_CONTAINER_METADATA_URI": older}

    def answer(self, path: str, peer: str) -> dict[str, Any] | None:
        """What is answered to a request for a path; None where it asks for nothing of this."""
        version, _, rest = path.lstrip("/").partition("/")
        key, _, what = rest.rstrip("/").partition("/")
        definition = self._definitions.get(key)
        if version not in _VERSIONS or definition is None:
            return None
        match what:
            case "":
                return self._container(definition, peer)
            case "task":
                return self._task(definition, peer)
            case "stats" | "task/stats":
                return {}
        return None

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:{partition_of(self._home.region)}:ecs:{self._home.region}:{self._home.account}:{kind}/{name}"

    def _task_arn(self, definition: TaskDefinition, peer: str) -> str:
        task = hashlib.sha256(f"{definition.revision} {peer}".encode()).hexdigest()[:32]
        return self._arn("task", f"rehearsal/{task}")

    def _container(self, definition: TaskDefinition, peer: str) -> dict[str, Any]:
        family, _, revision = definition.revision.rpartition(":")
        name, task = definition.name or definition.repository, self._task_arn(definition, peer)
        return {
            "DockerId": f"{task.rpartition('/')[2]}-1",
            "Name": name,
            "DockerName": name,
            "Image": definition.image,
            "Labels": {
                "com.amazonaws.ecs.cluster": self._arn("cluster", "rehearsal"),
                "com.amazonaws.ecs.container-name": name,
                "com.amazonaws.ecs.task-arn": task,
                "com.amazonaws.ecs.task-definition-family": family,
                "com.amazonaws.ecs.task-definition-version": revision,
            },
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "Limits": {"CPU": definition.cpu, "Memory": definition.memory},
            "CreatedAt": self._began,
            "StartedAt": self._began,
            "Type": "NORMAL",
            "ContainerARN": f"{task.replace(':task/', ':container/')}/1",
            "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [peer], "AttachmentIndex": 0}],
        }

    def _task(self, definition: TaskDefinition, peer: str) -> dict[str, Any]:
        family, _, revision = definition.revision.rpartition(":")
        return {
            "Cluster": self._arn("cluster", "rehearsal"),
            "TaskARN": self._task_arn(definition, peer),
            "Family": family,
            "Revision": revision,
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "Limits": {"CPU": definition.cpu / _UNITS_PER_PROCESSOR, "Memory": definition.memory},
            "PullStartedAt": self._began,
            "PullStoppedAt": self._began,
            "AvailabilityZone": f"{self._home.region}a",
            "LaunchType": "FARGATE",
            "Containers": [self._container(each, peer) for each in (definition, *definition.further)],
        }
