"""Reads an environment, and its images in ECR, for a rollback: before the plan, and after the confirmation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nova_infra.deployed.model import Image, RunningService, TaskRevision
from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.deployed.stack import Stack
from nova_infra.errors import StrangerError
from nova_infra.machine.parallel import threads
from nova_infra.operations.records.holds import Hold, read_holds
from nova_infra.operations.records.ledger import Ledger, read_ledger
from nova_infra.operations.rollback.lock import Claim, read_claim
from nova_infra.operations.rollback.plan import Deployed, RollbackPlan
from nova_infra.operations.rollback.template import image_of, is_job


@dataclass(frozen=True)
class Survey:
    """What a rollback reads of an environment.

    Attributes:
        claim: The rollback that has it, or had it last.
    """

    ledger: Ledger
    holds: tuple[Hold, ...]
    claim: Claim
    deployed: tuple[Deployed, ...]
    strangers: Mapping[str, str]


def survey(environment: DeployedEnvironment) -> Survey:
    """Read everything, with all questions asked in parallel."""
    with threads() as pool:
        found = pool.submit(environment.stacks)
        described = pool.submit(environment.services)
        ledger = pool.submit(read_ledger, environment)
        holds = pool.submit(read_holds, environment)
        claim = pool.submit(read_claim, environment)
        stacks = {stack.name: stack for stack in found.result()}
        services = described.result()

        def deployed(service: RunningService) -> Deployed | str:
            try:
                return _deployed(environment, service, stacks.get(environment.stack_name(service.name)))
            except StrangerError as error:
                return str(error)

        def job(name: str) -> Deployed | None:
            try:
                return _job(environment, name, stacks[environment.stack_name(name)])
            except StrangerError:
                return None

        names = [service.name for service in services]
        released = {name for entry in ledger.result().entries for name in entry.images}
        others = [name for name in sorted(released - {*names}) if environment.stack_name(name) in stacks]
        jobs = pool.map(job, others)
        answers = dict(zip(names, pool.map(deployed, services), strict=True))
        return Survey(
            ledger.result(),
            holds.result(),
            claim.result(),
            (
                *(answer for answer in answers.values() if isinstance(answer, Deployed)),
                *(found for found in jobs if found is not None),
            ),
            {name: answer for name, answer in answers.items() if isinstance(answer, str)},
        )


def _deployed(environment: DeployedEnvironment, service: RunningService, stack: Stack | None) -> Deployed:
    if stack is None:
        raise StrangerError(
            f"{environment.stack_name(service.name)}: is not a stack: Nova did not deploy the service {service.name}"
        )
    template = environment.template(stack.name)
    image = image_of(template, stack=stack.name)
    definition = environment.task_definition(service.revision)
    [found] = environment.images([image])
    # Where the registry no longer has the image, its digest is the one that the tasks were started with.
    pulled = (task.digest for task in service.tasks if task.revision == definition.revision and task.digest)
    digest = found.digest if found else next(pulled, None)
    return Deployed(service.name, stack, template, definition, replace(image, digest=digest))


def _job(environment: DeployedEnvironment, name: str, stack: Stack) -> Deployed | None:
    """A job, which ECS does not keep running: its next run uses what its template names. None for other services."""
    template = environment.template(stack.name)
    if not is_job(template):
        return None
    image = image_of(template, stack=stack.name)
    [found] = environment.images([image])
    return Deployed(
        name, stack, template, TaskRevision("", True, ""), replace(image, digest=found.digest if found else None)
    )


def images_of(environment: DeployedEnvironment, plan: RollbackPlan) -> dict[str, tuple[Image | None, Image | None]]:
    """What the registry has under the digest and the tag of each service that rolls back."""
    wanted = []
    for move in plan.moves:
        repository = move.service.image.repository
        wanted += [Image(repository, move.image.tag, move.image.digest), Image(repository, move.image.tag)]
    found = environment.images(wanted)
    return {move.service.name: (found[2 * n], found[2 * n + 1]) for n, move in enumerate(plan.moves)}
