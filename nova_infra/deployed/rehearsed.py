"""An environment of a rehearsal that runs on this machine, asked as if it were in AWS."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from nova_infra.deployed.aws.deployments import read_deployment
from nova_infra.deployed.aws.toolchain import Execution, PipelineAction
from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.http import http_get
from nova_infra.deployed.model import (
    Alarm,
    Answer,
    Deployment,
    Image,
    ParameterVersion,
    PastDeployment,
    PlayedRelease,
    RunningService,
    RunningTask,
    StoppedTask,
    StoredSecret,
    TaskRevision,
)
from nova_infra.deployed.rollouts import LifecycleHook, Readings, RequestCount, RequestRate, ServiceDeployment, Traffic
from nova_infra.deployed.stack import Certificate, Stack, StackEvent, Template
from nova_infra.errors import NotDeployedError, PassingError, RefusedError
from nova_infra.names import environment_prefix, parameter_path, stack_name


def rehearsed_digest(image: Image) -> str:
    """A digest for an image that no registry holds: another one for another tag."""
    return "sha256:" + hashlib.sha256(f"{image.repository}:{image.tag}".encode()).hexdigest()


PATIENCE_SECONDS = 600.0
"""In real time the state of an environment may wait for minutes until its alarms have data."""
AT_ONCE_SECONDS = 120.0
"""Everything else that is read is answered at once, unless the rehearsal has been stopped."""


class RehearsedEnvironment:
    """One environment of a rehearsal. See :class:`nova_infra.deployed.protocol.RecordedEnvironment`."""

    def __init__(self, name: str, *, platform: str, url: str) -> None:
        """Name it.

        Args:
            url: Where the rehearsal answers, and for which release: ``…/candidate`` or ``…/baseline``.
        """
        self.name = name
        self.prefix = environment_prefix(platform, name)
        self._url = url
        self._parameters_url = f"{url.rpartition('/')[0]}/parameters{parameter_path(platform, name)}"

    def caller(self) -> str:
        return "the rehearsal"

    def played(self) -> PlayedRelease:
        """The release that is being played. No registry holds its images: each has a digest made of its tag."""
        answer = self._ask(f"{self._url}/{self.prefix}/release")
        images = {name: Image.parse(image) for name, image in answer["images"].items()}
        return PlayedRelease(
            str(answer["release"]),
            {name: replace(image, digest=rehearsed_digest(image)) for name, image in images.items()},
            answer["templates"],
        )

    def services(self) -> tuple[RunningService, ...]:
        return tuple(
            RunningService(
                **{
                    **service,
                    "deployments": tuple(Deployment(**deployment) for deployment in service["deployments"]),
                    "tasks": tuple(RunningTask(**task) for task in service["tasks"]),
                    "deployment_alarms": tuple(service["deployment_alarms"]),
                    "events": tuple(service["events"]),
                }
            )
            for service in sorted(self._state()["services"], key=lambda s: str(s["name"]))
        )

    def service_names(self) -> tuple[str, ...]:
        return tuple(service.name for service in self.services())

    def jobs(self) -> tuple[RunningJob, ...]:
        """A rehearsal shows them in its own report."""
        return ()

    def failed_task(self, run: JobRun) -> StoppedTask:
        """There are no jobs to ask for."""
        raise RefusedError(f"{run.arn}: runs in no rehearsal")

    def backlogs(self, services: Sequence[RunningService]) -> Mapping[str, Backlog]:
        """A rehearsal shows them in its own report."""
        return {}

    def stopped_tasks(self, service: str) -> tuple[StoppedTask, ...]:
        """A rehearsal shows them in its own report."""
        return ()

    def past_deployments(self, service: str) -> tuple[PastDeployment, ...]:
        """A rehearsal shows them in its own report."""
        return ()

    def log_lines(self, service: str, stream: str, count: int) -> tuple[str, ...]:
        """A rehearsal's own report has them."""
        return ()

    def task_definition(self, revision: str) -> TaskRevision:
        """A revision that runs."""
        for service in self.services():
            for task in service.tasks:
                if task.revision == revision:
                    return TaskRevision(revision, True, task.image)
        raise RefusedError(f"{revision}: does not run in the rehearsal")

    def stack_name(self, name: str) -> str:
        return stack_name(self.prefix, name)

    def stacks(self, names: Sequence[str] | None = None) -> tuple[Stack, ...]:
        found = (Stack(**stack) for stack in self._rollouts()["stacks"])
        return tuple(stack for stack in found if names is None or stack.name in names)

    def environments(self) -> tuple[str, ...]:
        """A rehearsal has those of its release."""
        return (self.name,)

    def stack_revisions(self, stacks: Sequence[Stack]) -> Mapping[str, str]:
        """Nothing changes a service in a rehearsal but its stack."""
        return {}

    def template(self, stack: str) -> Template:
        templates: dict[str, Template] = self._rollouts()["templates"]
        if stack not in templates:
            raise RefusedError(f"{stack}: is not a stack of the rehearsal")
        return templates[stack]

    def failures(self, stack: str) -> tuple[StackEvent, ...]:
        """A rehearsal shows them in its own report."""
        return ()

    def on_alternate(self) -> frozenset[str]:
        return frozenset(self._state()["on_alternate"])

    def rules_on(self, listener: str) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
        """None: what others have on a listener is not known here."""
        return (), ()

    def alarms(self) -> tuple[Alarm, ...]:
        alarms = self._state()["alarms"]
        if alarms is None:
            raise NotDeployedError(f"the rehearsal starts {self.name} only in its own stage, so it has no alarms yet")
        return tuple(Alarm(**alarm) for alarm in sorted(alarms, key=lambda a: str(a["name"])))

    def images(self, wanted: Sequence[Image]) -> tuple[Image | None, ...]:
        """Every image is there: services run from their sources."""
        return tuple(Image(image.repository, image.tag, image.digest or rehearsed_digest(image)) for image in wanted)

    def signatures(self, images: Sequence[Image]) -> tuple[tuple[str, ...], ...]:
        """Nothing is pushed or signed in a rehearsal: every image counts as signed."""
        return (("COMPLETE",),) * len(images)

    def request_rates(self) -> Mapping[str, RequestRate]:
        """A rehearsal sends its own load."""
        return {}

    def certificates(self) -> tuple[Certificate, ...]:
        """TLS is not rehearsed."""
        return ()

    def vcpu_quota(self) -> float | None:
        """This machine's limits are others."""
        return None

    def secrets(self, names: Sequence[str]) -> Mapping[str, StoredSecret | None]:
        """Values of secrets are made up: nothing is known of those in an account."""
        return {}

    def have_parameters(self, names: Sequence[str]) -> Mapping[str, bool]:
        """The same."""
        return {}

    def history(self, parameter: str) -> tuple[ParameterVersion, ...]:
        versions = self._parameters().get(parameter, [])
        return tuple(ParameterVersion(number, value) for number, value in enumerate(versions, 1))

    def parameters(self, path: str) -> Mapping[str, str]:
        return {name: versions[-1] for name, versions in self._parameters().items() if name.startswith(f"{path}/")}

    def put_parameter(self, name: str, value: str) -> int:
        return int(self._ask(self._parameters_url, {"name": name, "value": value})["version"])

    def now(self) -> datetime:
        """The time of this machine."""
        return datetime.now(UTC)

    def get(self, path: str) -> Answer:
        return http_get(f"{self._address}{path}")

    @cached_property
    def _address(self) -> str:
        return str(self._state()["url"])

    @property
    def url(self) -> str:
        """The environment's address on this machine."""
        return str(self._rollouts()["url"])

    def service_deployments(
        self, services: Collection[str] = (), known: Collection[str] = ()
    ) -> tuple[ServiceDeployment, ...]:
        read = (read_deployment(each, {}, {}, prefix=self.prefix) for each in self._rollouts()["deployments"])
        return tuple(
            # No revision is described here: what its target group got is found by its deployment.
            replace(each, new=replace(each.new, target_group=each.arn))
            for each in sorted(read, key=lambda each: each.service)
            if (not services or each.service in services) and (not each.over or each.arn in known)
        )

    def queues(self, revisions: Mapping[str, str]) -> Mapping[str, Backlog]:
        """A rehearsal shows them in its own report."""
        return {}

    def readings(self, deployments: Sequence[ServiceDeployment]) -> Readings:
        """What the new revisions got in the latest minute: the rehearsal's own picture shows the rest."""
        got: dict[str, int] = self._rollouts()["per_minute"]
        known = [each for each in deployments if each.service in got]
        return Readings(traffic={each.new.target_group: Traffic(per_minute=got[each.service]) for each in known})

    def count_requests(self, deployments: Sequence[ServiceDeployment]) -> RequestCount:
        """Count the requests that new revisions get from now on: here, every request is known at once."""
        names = [deployment.service for deployment in deployments]
        before: dict[str, int] = self._rollouts()["reached"]

        def read() -> dict[str, int]:
            now: dict[str, int] = self._rollouts()["reached"]
            return {name: now[name] - before.get(name, 0) for name in names if name in now}

        return RequestCount(0.0, read)

    def announce(self, message: str) -> None:
        """Messages about deployments are not rehearsed."""

    def continue_deployment(self, deployment: ServiceDeployment, hook: LifecycleHook) -> None:
        self._ask(f"{self._url}/{self.prefix}/rollouts", {"continue": deployment.service})

    def stop_deployment(self, deployment: ServiceDeployment) -> None:
        """Have a deployment go back."""
        self._ask(f"{self._url}/{self.prefix}/rollouts", {"stop": deployment.service})

    def _rollouts(self) -> dict[str, Any]:
        return self._ask(f"{self._url}/{self.prefix}/rollouts")

    def _parameters(self) -> dict[str, list[str]]:
        return self._ask(self._parameters_url)

    def _state(self) -> dict[str, Any]:
        ask(f"{self._url.rpartition('/')[0]}/pipeline")  # Only a rehearsal that is not stopped is waited for.
        return self._ask(f"{self._url}/{self.prefix}", patience=PATIENCE_SECONDS)

    def _ask(self, url: str, body: object = None, patience: float = 0.0) -> dict[str, Any]:
        answer = ask(url, body, patience)
        if answer is None:
            raise NotDeployedError(f"environment: {self.name!r} does not run in the rehearsal yet")
        return answer


class RehearsedToolchain:
    """The pipeline of a rehearsal. See :class:`nova_infra.deployed.aws.toolchain.ToolchainAccount`."""

    def __init__(self, url: str) -> None:
        """Name it.

        Args:
            url: Where the rehearsal answers, and for which release: ``…/candidate`` or ``…/baseline``.
        """
        self._url = f"{url.rpartition('/')[0]}/pipeline"
        self._release = url.rpartition("/")[2]

    def executions(self) -> tuple[Execution, ...]:
        """The one that is being played."""
        name = str(self._ask()["releases"][self._release])
        return (Execution("rehearsal", "InProgress", name, "", None),)

    def actions(self, execution: str) -> tuple[PipelineAction, ...]:
        """What its actions came to so far."""
        statuses = {"succeeded": "Succeeded", "failed": "Failed", "running": "InProgress"}
        return tuple(
            PipelineAction(
                action["stage"],
                action["name"],
                statuses[action["status"]],
                build="rehearsal" if action["kind"] == "build" else "",
            )
            for action in self._ask()["actions"]
            if action["status"] in statuses
        )

    def failed_tests(self, build: str) -> tuple[str, ...]:
        """A rehearsal's own report names them."""
        return ()

    def publish(self, *, subject: str, message: str) -> None:
        """Have the rehearsal notify the approvers."""
        ask(self._url, {"subject": subject, "message": message})

    def _ask(self) -> dict[str, Any]:
        return ask(self._url) or {}


def ask(url: str, body: object = None, patience: float = 0.0) -> dict[str, Any] | None:
    """What a rehearsal answers; None where it knows nothing of the kind.

    Args:
        patience: How long to wait, in seconds. Default: long for an order, short for a question.
    """
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method="PUT" if data else "GET")  # noqa: S310  loopback
    patience = patience or (PATIENCE_SECONDS if data else AT_ONCE_SECONDS)
    try:
        with urllib.request.urlopen(request, timeout=patience) as response:  # noqa: S310  loopback
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise RefusedError(f"rehearsal: answers {error.code} at {url}: is it still running?") from None
    except OSError as error:
        late = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
        kind = PassingError if late else RefusedError
        raise kind(f"rehearsal: does not answer at {url} ({error}): is it still running?") from None
    return answer
