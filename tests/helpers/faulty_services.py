"""The project's own services as containers of their images, with a fault in one of them, in one environment.

Of each service one further image is made: the same, with a module that runs what the variable FAULT says when the
server starts. So a fault costs no build, and what is played is the service itself.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_infra.assembly import Assembly, Template, resources_of_type
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.delivery.definition import BuildAction, Pipeline
from nova_infra.rehearsal.drills.plan import only
from nova_infra.rehearsal.pipeline.edits import previous_images, repository_of
from nova_infra.rehearsal.pipeline.forecast import forecast, note_refusals
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.precheck import precheck
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.report.confidence import confidence
from nova_infra.rehearsal.report.verdict import Verdict, verdict
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import ImageRuntime, SourceRuntime

PLACE = f"localhost/nova-faults/{hashlib.sha256(str(Path(__file__)).encode()).hexdigest()[:8]}"
"""What the images of this checkout's tests are called: others' tests remove their own."""

Change = Callable[[dict[str, dict[str, Any]]], None]
"""Changes the resources of the service's stack."""

MODULE = r'''
import asyncio, os, sys, threading, time, traceback

kept, count = [], [0]

def on_request(handle):
    """Have a function see each request of a user or of the load balancer first, and none that the service sends itself.

    What it returns is the status to answer with; with None the service answers.
    """
    from fastapi import FastAPI
    call = FastAPI.__call__
    async def wrapped(app, scope, receive, send):
        sent = scope["type"] == "http" and (
            scope["path"] == "/health" or any(name == b"x-forwarded-for" for name, _ in scope["headers"])
        )
        if sent:
            count[0] += 1
            status = handle(scope["path"])
            if asyncio.iscoroutine(status):
                status = await status
            if status is not None:
                await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
                return
        await call(app, scope, receive, send)
    FastAPI.__call__ = wrapped

if "nova_kit.serve" in sys.orig_argv:
    try:
        exec(os.environ.get("FAULT", ""))
    except BaseException:  # Python itself would only print it and go on.
        traceback.print_exc()
        os._exit(1)
'''


@dataclass
class Played:
    """What a rehearsal came to.

    Attributes:
        story: What was told meanwhile.
    """

    verdict: Verdict
    record: Record
    story: list[str]

    def __str__(self) -> str:
        """All that a person needs to judge it."""
        return "\n".join([self.verdict.headline, self.verdict.why, *confidence(self.record), *self.story[-30:]])

    def require(self, sign: str, why: str) -> None:
        """Assert a verdict with a sign and with one of some reasons, which ``|`` separates."""
        named = any(each in self.verdict.why for each in why.split("|"))
        assert (self.verdict.sign, why) == (sign, why if named else self.verdict.why), str(self)


def prepare(engine: Engine, assembly: Assembly, services: Sequence[str]) -> dict[str, str]:
    """Make the further images.

    Args:
        assembly: Names the images that they are made of.
        services: Names of the services.

    Returns:
        Service to the name of its image.
    """
    images = {}
    for stage in Release("any", assembly, Path()).pipeline().stages:
        for action in stage.actions:
            for image in _images(assembly.template(path)) if (path := getattr(action, "template_path", "")) else ():
                images[image.rpartition("/")[2].partition(":")[0]] = image
    made = {}
    for service in services:
        tag = images[service].rpartition(":")[2]
        made[service] = f"{PLACE}/{service}:{tag}-{hashlib.sha256(MODULE.encode()).hexdigest()[:8]}"
        with Path(tempfile.gettempdir(), "nova-faults.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Tests side by side would build it side by side.
            if engine.image(made[service]) is None:
                _build(engine, f"localhost/nova/{service}:{tag}", made[service])
    return made


def remove_images() -> None:
    """Remove the images that these tests have made, wherever there is an engine. By name: others may have the same."""
    with contextlib.suppress(EngineError):
        engine = detect()
        if found := [name for name in engine.image_names() if name.startswith(f"{PLACE}/")]:
            engine.run("rmi", *sorted(found))


def _build(engine: Engine, base: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "nova_fault.py").write_text(MODULE, encoding="utf-8")
        Path(directory, "nova_fault.pth").write_text("import nova_fault\n", encoding="utf-8")
        Path(directory, "Dockerfile").write_text(
            f"FROM {base}\nCOPY nova_fault.py /opt/nova/src/\n"
            "COPY nova_fault.pth /opt/nova/lib/python3.13/site-packages/\n",
            encoding="utf-8",
        )
        # Podman finds cached layers by the history, which the base has not.
        layers = [] if engine.is_docker else ["--layers=false"]
        engine.run("build", "--quiet", *layers, f"--tag={name}", directory)


def play(
    runtime: ImageRuntime,
    assembly: Assembly,
    sources: Path,
    logs: Path,
    *,
    service: str,
    image: str,
    fault: str = "",
    environment: str = "Prod",
    change: Change | None = None,
    change_both: Change | None = None,
    requests: str = "",
    tested: bool = False,
) -> Played:
    """Release a service with a fault or a change over the same service without.

    Args:
        runtime: What runs containers.
        assembly: The project's templates.
        logs: Where to write what commands say.
        image: The image that runs what FAULT says.
        fault: Python that the server runs when it starts.
        environment: Name of the stage that is played.
        change: Changes the candidate's resources.
        change_both: Changes those of both releases.
        requests: What users ask, as ``requests.http`` holds it; otherwise what the service's document says.
        tested: Whether the service's own integration tests follow.
    """

    def edit(changes: Sequence[Change | None]) -> Callable[[Template], Template]:
        def edited(template: Template) -> Template:
            copy: dict[str, Any] = json.loads(json.dumps(template))
            for change in filter(None, changes) if service in _repositories(copy) else ():
                change(copy["Resources"])
            return copy

        return edited

    baseline = Release("before", assembly, sources, (edit([change_both]), previous_images))
    faulty = [_with(image, fault)] if fault else []
    candidate = Release("candidate", assembly, sources, (edit([change_both, *faulty, change]),))
    whole = candidate.pipeline()
    stage = next(stage for stage in whole.stages if stage.name == environment)
    narrow = only(stage, service, assembly)
    kept = tuple(action for action in narrow.actions if not isinstance(action, BuildAction))
    if tested:
        builds = [action for action in stage.actions if isinstance(action, BuildAction)]
        [test] = [build for build in builds if any("#{" in value for value in build.environment.values())]
        kept = (
            *kept,
            replace(test, commands=(f"pytest -q services/{service}/tests/integration",)),
        )
    pipeline = Pipeline(whole.name, (replace(narrow, actions=kept),), whole.told)
    precheck(candidate)
    record = new_record(pipeline, candidate=candidate, baseline=baseline, runtime=runtime)
    files = RequestFiles.load(sources)
    if requests:
        (logs / "requests.http").write_text(requests, encoding="utf-8")
        files = RequestFiles.load(logs)
    return play_to_end(
        pipeline, candidate, baseline, record, runtime=runtime, files=files, logs=logs / "logs", most_seconds=400
    )


def play_to_end(
    pipeline: Pipeline,
    candidate: Release,
    baseline: Release,
    record: Record,
    *,
    runtime: ImageRuntime | SourceRuntime,
    files: RequestFiles,
    logs: Path,
    most_seconds: float,
    approve: bool = True,
    seconds_per_minute: float = 1.0,
    ahead: bool = False,
) -> Played:
    """Play a release, unless CloudFormation would refuse it, and judge it.

    Args:
        pipeline: What is played.
        record: What happens is written here.
        runtime: What runs tasks.
        files: What users ask.
        logs: Where to write what commands say.
        most_seconds: How long it may take.
        approve: The answer to every approval.
        seconds_per_minute: How long a simulated minute lasts.
        ahead: Whether environments open before their turn.
    """
    story: list[str] = []

    async def answer(_: str) -> bool:
        return approve

    player = Player(
        pipeline, candidate, baseline, record, approve=answer, tell=story.append, logs=logs, runtime=runtime,
        files=files, seconds_per_minute=seconds_per_minute, ahead=ahead,
    )  # fmt: skip

    async def played() -> None:
        async with runtime:
            await player.play()

    if not note_refusals(forecast(candidate, baseline), pipeline, record):
        asyncio.run(asyncio.wait_for(played(), most_seconds))
    return Played(verdict(record), record, story)


def container(**changes: Any) -> Change:
    """Change the service's container."""

    def change(resources: dict[str, dict[str, Any]]) -> None:
        for definition in _of(resources, "AWS::ECS::TaskDefinition"):
            definition["ContainerDefinitions"][0].update(changes)

    return change


def variable(name: str, value: str) -> Change:
    """Set an environment variable of the service's container."""

    def change(resources: dict[str, dict[str, Any]]) -> None:
        for definition in _of(resources, "AWS::ECS::TaskDefinition"):
            [found, *_] = definition["ContainerDefinitions"]
            found["Environment"] = [v for v in found["Environment"] if v["Name"] != name]
            found["Environment"].append({"Name": name, "Value": value})

    return change


def properties(resource_type: str, **changes: Any) -> Change:
    """Change all resources of a type."""

    def change(resources: dict[str, dict[str, Any]]) -> None:
        for found in _of(resources, resource_type):
            found.update(changes)

    return change


def rollout(**changes: Any) -> Change:
    """Change how the service is deployed."""

    def change(resources: dict[str, dict[str, Any]]) -> None:
        for found in _of(resources, "AWS::ECS::Service"):
            found["DeploymentConfiguration"].update(changes)

    return change


def _with(image: str, fault: str) -> Change:
    def change(resources: dict[str, dict[str, Any]]) -> None:
        container(Image=image)(resources)
        variable("FAULT", fault)(resources)

    return change


def _of(resources: Mapping[str, Mapping[str, Any]], resource_type: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == resource_type]


def _images(template: Template) -> list[str]:
    found = []
    for definition in resources_of_type(template, "AWS::ECS::TaskDefinition").values():
        for each in definition["Properties"]["ContainerDefinitions"]:
            image = each["Image"]
            found.append(str(image["Fn::Join"][1][-1]) if isinstance(image, dict) else str(image))
    return found


def _repositories(template: Template) -> list[str]:
    definitions = resources_of_type(template, "AWS::ECS::TaskDefinition").values()
    return [repository_of(c) for each in definitions for c in each["Properties"]["ContainerDefinitions"]]
