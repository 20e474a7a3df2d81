"""What commands can ask of an environment, by role: AWS answers everything, a rehearsal everything but changes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.model import (
    Alarm,
    Answer,
    Image,
    ParameterVersion,
    PastDeployment,
    PlayedRelease,
    RunningService,
    StoppedTask,
    StoredSecret,
    TaskRevision,
)
from nova_infra.deployed.rollouts import LifecycleHook, Readings, RequestCount, RequestRate, ServiceDeployment
from nova_infra.deployed.stack import Certificate, ChangeSet, Stack, StackEvent, Template


class Account(Protocol):
    """Calls AWS in one account and region: see :class:`nova_infra.deployed.aws.client.session.Aws`."""

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call an operation."""

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """All items under a key of a paginated operation's answers."""


class ObservedEnvironment(Protocol):
    """What the observer role may ask of one environment: its stacks, services, alarms and parameters.

    Every method may raise :class:`nova_infra.errors.AwsError`. Methods may be called from several threads.

    Attributes:
        prefix: ``<platform>-<name>``, the prefix of all its physical names.
    """

    name: str
    prefix: str

    def played(self) -> PlayedRelease | None:
        """The release that a rehearsal plays there; None where the environment is a real one."""

    def services(self) -> tuple[RunningService, ...]:
        """Every service with its tasks and deployments, by name.

        Raises:
            NovaError: The environment does not exist.
        """

    def service_names(self) -> tuple[str, ...]:
        """The names of the services, as ``nova.toml`` has them: one quick call."""

    def jobs(self) -> tuple[RunningJob, ...]:
        """Every job with its latest runs and its schedule, by name."""

    def failed_task(self, run: JobRun) -> StoppedTask:
        """The task of a job's run that failed; where there is none, why the run failed."""

    def backlogs(self, services: Sequence[RunningService]) -> Mapping[str, Backlog]:
        """Worker to its queue; services without a queue are left out."""

    def stopped_tasks(self, service: str) -> tuple[StoppedTask, ...]:
        """The tasks of a service that ended within the hour, newest first."""

    def log_lines(self, service: str, stream: str, count: int) -> tuple[str, ...]:
        """The last lines of a log stream of a service; none where there is no such stream."""

    def past_deployments(self, service: str) -> tuple[PastDeployment, ...]:
        """The latest deployments of a service, newest first."""

    def task_definition(self, revision: str) -> TaskRevision:
        """A revision of a task definition, ``family:revision``."""

    def stack_name(self, name: str) -> str:
        """The name of a service's stack, or of ``platform`` or ``overview``."""

    def stacks(self, names: Sequence[str] | None = None) -> tuple[Stack, ...]:
        """Stacks by their names, or all of the environment's; those that do not exist are left out."""

    def environments(self) -> tuple[str, ...]:
        """Names of the installation's environments in this account and region, itself included."""

    def stack_revisions(self, stacks: Sequence[Stack]) -> Mapping[str, str]:
        """Stack to the task definition, ``family:revision``, that it made last; those that cannot tell are left out."""

    def template(self, stack: str) -> Template:
        """The template that a stack was last deployed with, as it was handed in."""

    def failures(self, stack: str) -> tuple[StackEvent, ...]:
        """What failed in a stack's latest operation, the first failure first."""

    def on_alternate(self) -> frozenset[str]:
        """Names of the services whose alternate target group gets traffic now, as after every other deployment."""

    def rules_on(self, listener: str) -> tuple[Sequence[Mapping[str, Any]], Collection[str]]:
        """All rules on a listener, as DescribeRules has them, and ARNs of those that the services stand on."""

    def alarms(self) -> tuple[Alarm, ...]:
        """The environment's alarms, composite ones included, by name."""

    def images(self, wanted: Sequence[Image]) -> tuple[Image | None, ...]:
        """Find images by their digest, or by their tag where they have none.

        Returns:
            Each image with its digest, in the order of the question; None where it is gone.
        """

    def signatures(self, images: Sequence[Image]) -> tuple[tuple[str, ...], ...]:
        """The status of the registry's signing of images, by their digests.

        Returns:
            For each image ``IN_PROGRESS``, ``COMPLETE`` or ``FAILED`` by each signing profile; nothing where it has
            not been signed at all.
        """

    def request_rates(self) -> Mapping[str, RequestRate]:
        """Service to how many requests it gets, and how many its alarms need; one without such alarms is left out."""

    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates in the platform's stack."""

    def vcpu_quota(self) -> float | None:
        """How many vCPUs Fargate may run in the account and region; None where that is not known."""

    def secrets(self, names: Sequence[str]) -> Mapping[str, StoredSecret | None]:
        """Secret, by ARN or name, to what is known without its value; None if missing; unreadable ones left out."""

    def have_parameters(self, names: Sequence[str]) -> Mapping[str, bool]:
        """Parameter to whether it exists, without its value; none where the role may not look."""

    def history(self, parameter: str) -> tuple[ParameterVersion, ...]:
        """The versions of a parameter that are kept, oldest first; none where it does not exist."""

    def parameters(self, path: str) -> Mapping[str, str]:
        """Name to value of all parameters below a path."""

    def now(self) -> datetime:
        """The time by the environment's clock, UTC: this machine's may be wrong."""

    def get(self, path: str) -> Answer:
        """Ask the environment's public address over HTTP."""


class FollowedEnvironment(ObservedEnvironment, Protocol):
    """What the observer role may ask while deployments are under way, again and again."""

    def service_deployments(
        self, services: Collection[str] = (), known: Collection[str] = ()
    ) -> tuple[ServiceDeployment, ...]:
        """The deployments that are under way, and those that are known, by service.

        Args:
            services: Names of the services to look at; none for all.
            known: ARNs of deployments to describe even if they have ended.
        """

    def queues(self, revisions: Mapping[str, str]) -> Mapping[str, Backlog]:
        """Service to the queue that its ``family:revision`` takes messages from; cached, those without left out."""

    def readings(self, deployments: Sequence[ServiceDeployment]) -> Readings:
        """What CloudWatch and the load balancer know of deployments; what cannot be read is left out."""


class RecordedEnvironment(ObservedEnvironment, Protocol):
    """What the release role may also write down: ledger, holds and waivers."""

    def caller(self) -> str:
        """Who asks, for the record: the last part of an ARN, or what starts the builds."""

    def put_parameter(self, name: str, value: str) -> int:
        """Write a value of at most 8 KB that no other version has, once; return the new version's number, from 1."""


class SteeredEnvironment(FollowedEnvironment, RecordedEnvironment, Protocol):
    """What the release role and the operator may do to deployments under way, and write down."""

    def announce(self, message: str) -> None:
        """Notify everybody who subscribes to the environment's alerts, in one message."""

    def count_requests(self, deployments: Sequence[ServiceDeployment]) -> RequestCount:
        """Count the requests that the new revisions of some deployments get from about now on."""

    def continue_deployment(self, deployment: ServiceDeployment, hook: LifecycleHook) -> None:
        """Continue a deployment that waits at a hook."""

    def stop_deployment(self, deployment: ServiceDeployment) -> None:
        """Stop a deployment under way: ECS returns to what ran before."""


class DeployedEnvironment(RecordedEnvironment, Protocol):
    """What the release role may also change, which a rehearsal does not play."""

    def announce(self, message: str) -> None:
        """Notify everybody who subscribes to the environment's alerts, in one message."""

    def create_change_set(self, stack: Stack, template: Template, *, name: str, description: str) -> ChangeSet:
        """Create a change set from another template, with all else of the stack as it is, and wait for it."""

    def execute_change_set(self, change_set: ChangeSet) -> bool:
        """Start a change set's execution.

        Returns:
            False where it cannot be executed any more, because the stack is being changed or has been since.
        """

    def change_set_names(self, stack: str) -> tuple[str, ...]:
        """The names of a stack's change sets that are ready and were not executed."""

    def delete_change_set(self, change_set: ChangeSet) -> None:
        """Delete a change set that was not executed, by its ARN or its name."""

    def cancel_update(self, stack: str) -> None:
        """Cancel a stack's update under way: CloudFormation restores what was before."""

    def wait_for_stacks(self, names: Sequence[str]) -> Iterator[Stack]:
        """Each stack when no operation on it is under way any more, the first one first."""
