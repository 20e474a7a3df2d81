"""``nova promote``, ``nova abort``: answers deployments in progress, and records who, when and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nova_infra.deployed.protocol import SteeredEnvironment
from nova_infra.deployed.rollouts import ServiceDeployment
from nova_infra.errors import AwsError, NovaError, RefusedError
from nova_infra.operations.records.answers import Action, RolloutAnswer, encode_answer
from nova_infra.operations.records.parameter import parameter_name
from nova_infra.operations.rollout.announce import announce
from nova_infra.operations.rollout.follow import gate_in_words, stage_in_words, state_of


class UnrecordedError(AwsError):
    """ECS has the answer, but the ledger does not.

    Attributes:
        done: Service to where its deployment stood, of those that ECS was answered for.
    """

    def __init__(self, message: str, done: Mapping[str, str]) -> None:
        super().__init__(message)
        self.done = dict(done)


@dataclass(frozen=True)
class Answered:
    """The outcome of an answer.

    Attributes:
        left: A line for each deployment that was not answered, with the reason.
    """

    done: dict[str, str]
    left: tuple[str, ...]


def promote(environment: SteeredEnvironment, services: Sequence[str], *, why: str) -> Answered:
    """Let the deployments that wait at a gate continue, for some services or all.

    Raises:
        RefusedError: One of the services does not wait, or none does; nothing was changed.
        AwsError: AWS refused all of it.
    """
    found = _under_way(environment, services)
    waiting = [deployment for deployment in found if deployment.waiting]
    others = [deployment for deployment in found if not deployment.waiting]
    if services and others:
        raise RefusedError("\n".join(f"{_stands(each)}: it waits for no answer" for each in others))
    if not waiting:
        raise RefusedError(
            f"promote: no deployment waits for an answer in {environment.name}: "
            f"{'; '.join(map(_stands, others))}: see `nova watch {environment.name}`"
        )

    def go_on(deployment: ServiceDeployment) -> None:
        for hook in deployment.waiting:
            environment.continue_deployment(deployment, hook)

    return _answer(environment, "promoted", waiting, go_on, why, [f"{_stands(each)}: not promoted" for each in others])


def abort(environment: SteeredEnvironment, services: Sequence[str], *, why: str) -> Answered:
    """Roll back the deployments under way, for some services or all.

    Raises:
        RefusedError: One of the services has none that can go back, or none has; nothing was changed.
        AwsError: AWS refused all of it.
    """
    found = _under_way(environment, services)
    refused = [line for deployment in found if (line := _stays(deployment))]
    possible = [deployment for deployment in found if not _stays(deployment)]
    if refused and (services or not possible):
        raise RefusedError("\n".join(refused))
    return _answer(environment, "aborted", possible, environment.stop_deployment, why, refused)


def _under_way(environment: SteeredEnvironment, services: Sequence[str]) -> list[ServiceDeployment]:
    names = environment.service_names()
    for name in services:
        if name not in names:
            raise RefusedError(f"service: {name!r} is not one of {', '.join(names) or 'none'}: choose one of them")
    found = [each for each in environment.service_deployments(services) if not each.over]
    missing = [name for name in services if name not in {each.service for each in found}]
    if missing or not found:
        what = f"{missing[0]} is not being deployed" if missing else "no deployment is under way"
        raise RefusedError(f"{what} in {environment.name}: nothing was changed: see `nova status {environment.name}`")
    return found


def _stays(deployment: ServiceDeployment) -> str:
    """Why a deployment cannot be rolled back; empty if it can."""
    if state_of(deployment) == "going back":
        return f"{deployment.service}: is already rolling back"
    if deployment.old is None:
        return f"{deployment.service}: is deployed for the first time, so there is nothing to roll back to"
    return ""


def _stands(deployment: ServiceDeployment) -> str:
    return f"{deployment.service}: {stage_in_words(deployment, state_of(deployment))}"


def _where(deployment: ServiceDeployment) -> str:
    if deployment.waiting:
        return gate_in_words(deployment)
    share = "" if deployment.new.weight is None else f" at {deployment.new.weight:g} % of the traffic"
    return f"{share} ({stage_in_words(deployment, state_of(deployment))})".strip()


def _answer(
    environment: SteeredEnvironment,
    action: Action,
    deployments: Sequence[ServiceDeployment],
    act: Callable[[ServiceDeployment], None],
    why: str,
    left: Sequence[str],
) -> Answered:
    done: dict[str, str] = {}
    errors: list[NovaError] = []
    lines = list(left)
    for deployment in deployments:
        try:
            act(deployment)
            done[deployment.service] = _where(deployment)
        except NovaError as error:
            errors.append(error)
            lines.append(f"{deployment.service}: not {action}: {error}")
    if not done:
        raise errors[0]
    at = environment.now().replace(microsecond=0)
    answer = RolloutAnswer(action, done, at, environment.caller(), why)
    try:
        environment.put_parameter(parameter_name(environment, "release"), encode_answer(answer))
    except NovaError as error:
        others = "".join(f"; {line}" for line in lines)
        said = f"{action}: {', '.join(done)}; the ledger does not have it: {error}{others}"
        raise UnrecordedError(said, done) from None
    what = ", ".join(f"{service} {stood}" for service, stood in done.items())
    reason = f": {why}" if why else ""
    said = f"{what} {action} in {environment.name} by {answer.by}{reason}. Next: nova watch {environment.name}"
    if untold := announce(environment, said):
        lines.append(untold)
    return Answered(done, tuple(lines))
