"""The server that ``nova preflight``, ``verify`` and others ask in a rehearsal instead of AWS.

The pipeline's steps call ``nova preflight`` and ``nova verify`` as they do in AWS. Their other implementation of
:class:`nova_infra.deployed.protocol.DeployedEnvironment` asks here instead of AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from nova_infra.assembly import Template, resources_of_type
from nova_infra.deployed.model import Alarm, Deployment, Image, RunningService, RunningTask
from nova_infra.deployed.rehearsed import rehearsed_digest
from nova_infra.deployed.stack import Stack
from nova_infra.names import environment_prefix, parameter_path, platform_stack_name, stack_name
from nova_infra.operations.records.ledger import Entry, ReleasedImage, encode_entry
from nova_infra.operations.rollback.template import image_of
from nova_infra.rehearsal.clock import ClockStoppedError
from nova_infra.rehearsal.delivery.definition import DeployAction
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, HookAnswer
from nova_infra.rehearsal.ecs.lifecycle.suite import SuiteAnswers
from nova_infra.rehearsal.ecs.service import PlacedTask, PlayedService
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.record import Record

MINUTES_UNTIL_DATA = 3
"""The baseline has run for long: its alarms have data once enough minutes were rehearsed."""


class ReleaseTools:
    """The endpoint. Use it as an asynchronous context manager."""

    def __init__(
        self,
        candidate: Release,
        baseline: Release,
        *,
        record: Record,
        announce: Callable[[str], None],
        suite: SuiteAnswers | None = None,
    ) -> None:
        """Prepare to answer about two releases.

        Args:
            suite: Takes the answers that a test suite gives to deployments. Default: nothing does.
        """
        self.url = ""
        self._releases = {"candidate": candidate, "baseline": baseline}
        self._record = record
        self._announce = announce
        self._suite = suite or SuiteAnswers(GoesOn())
        self._environments: dict[str, PlayedEnvironment] = {}
        self._parameters: dict[tuple[str, str], dict[str, list[str]]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> ReleaseTools:
        app = web.Application()
        app.router.add_get("/pipeline", self._pipeline)
        app.router.add_put("/pipeline", self._publish)
        app.router.add_get("/{release}/{prefix}", self._state)
        app.router.add_get("/{release}/{prefix}/release", self._release)
        app.router.add_get("/{release}/{prefix}/rollouts", self._rollouts)
        app.router.add_put("/{release}/{prefix}/rollouts", self._answer)
        app.router.add_get("/parameters/{platform}/{environment}", self._read_parameters)
        app.router.add_put("/parameters/{platform}/{environment}", self._write_parameter)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def open(self, environment: PlayedEnvironment, stacks: list[str]) -> None:
        """Answer about an environment from now on."""
        for name in stacks:
            if name.endswith("-platform"):
                self._environments[name.removesuffix("-platform")] = environment

    async def _state(self, request: web.Request) -> web.Response:
        prefix = request.match_info["prefix"]
        environment = self._environments.get(prefix)
        if environment is None:
            return web.json_response(self._state_before(prefix))
        await _until_data(environment)
        templates = environment.templates()
        states = environment.alarm_states()
        return web.json_response(
            {
                "url": environment.localize(str(environment.outputs(platform_stack_name(prefix)).get("Url", ""))),
                "services": [asdict(_service(service, prefix, templates)) for service in environment.services()],
                "on_alternate": [
                    service.name.removeprefix(f"{prefix}-")
                    for service in environment.services()
                    if service.gets_traffic_on_alternate
                ],
                "alarms": [asdict(Alarm(name, state, "in the rehearsal", None)) for name, state in states.items()],
            }
        )

    def _state_before(self, prefix: str) -> dict[str, Any]:
        """An environment whose stage is yet to come: nothing runs here, but what is deployed there is known."""
        templates = _templates(self._releases["baseline"], prefix)
        if not templates:
            raise web.HTTPNotFound
        services = [RunningService(n, stack_name(prefix, n), "", 0, 0, (), ()) for n in _images_in(templates, prefix)]
        return {
            "url": "",
            "services": [asdict(service) for service in services],
            "on_alternate": [],
            "alarms": None,
        }

    async def _rollouts(self, request: web.Request) -> web.Response:
        """What is being deployed, at once: nothing here waits for a minute to end."""
        prefix = request.match_info["prefix"]
        environment = self._environments.get(prefix)
        self._suite.look()
        if environment is None:
            templates = _templates(self._releases["baseline"], prefix)
            stacks = [Stack(name, "UPDATE_COMPLETE") for name in templates]
            return web.json_response(
                {
                    "url": "",
                    "deployments": [],
                    "reached": {},
                    "per_minute": {},
                    "stacks": [asdict(each) for each in stacks],
                    "templates": templates,
                }
            )
        deploying = {each.name for each in environment.services() if each.deploying.locked()}
        deployments = EcsApi(environment.services).under_way()
        return web.json_response(
            {
                "url": environment.localize(str(environment.outputs(platform_stack_name(prefix)).get("Url", ""))),
                "deployments": json.loads(json.dumps(deployments, default=str)),
                "reached": {
                    each.name.removeprefix(f"{prefix}-"): each.reached_on_alternate for each in environment.services()
                },
                "per_minute": {
                    each.name.removeprefix(f"{prefix}-"): each.deployments[-1].per_minute
                    for each in environment.services()
                    if each.deployments
                },
                "stacks": [
                    asdict(Stack(name, _status(name in deploying, reason), reason))
                    for name, reason in environment.stack_reasons().items()
                ],
                "templates": environment.templates(),
            }
        )

    async def _answer(self, request: web.Request) -> web.Response:
        said, prefix = await request.json(), request.match_info["prefix"]
        if "continue" in said:
            self._suite.settle(stack_name(prefix, said["continue"]), HookAnswer("CONTINUE"))
        if "stop" in said:
            self._suite.settle(stack_name(prefix, said["stop"]), HookAnswer("ROLLBACK", "its suite was red"))
        return web.json_response({})

    async def _pipeline(self, _: web.Request) -> web.Response:
        actions = [
            {"stage": stage.name, "name": action.name, "kind": action.kind, "status": action.status}
            for stage in self._record.stages
            for action in stage.actions
            if action.played == "real"
        ]
        releases = {key: _name(release) for key, release in self._releases.items()}
        return web.json_response({"actions": actions, "releases": releases})

    async def _publish(self, request: web.Request) -> web.Response:
        self._announce(str((await request.json())["subject"]))
        return web.json_response({})

    async def _release(self, request: web.Request) -> web.Response:
        release = self._releases[request.match_info["release"]]
        templates = _templates(release, request.match_info["prefix"])
        images = {name: str(image) for name, image in _images_in(templates, request.match_info["prefix"]).items()}
        return web.json_response({"release": _name(release), "images": images, "templates": templates})

    async def _read_parameters(self, request: web.Request) -> web.Response:
        return web.json_response(self._parameters_of(request))

    async def _write_parameter(self, request: web.Request) -> web.Response:
        written = await request.json()
        versions = self._parameters_of(request).setdefault(str(written["name"]), [])
        versions.append(str(written["value"]))
        return web.json_response({"version": len(versions)})

    def _parameters_of(self, request: web.Request) -> dict[str, list[str]]:
        """Name to versions of an environment's parameters; its ledger begins with what runs before."""
        platform, environment = request.match_info["platform"], request.match_info["environment"]
        if (platform, environment) not in self._parameters:
            long_ago = encode_entry(_long_ago(self._releases["baseline"], environment_prefix(platform, environment)))
            self._parameters[platform, environment] = {f"{parameter_path(platform, environment)}/release": [long_ago]}
        return self._parameters[platform, environment]


def _status(deploying: bool, reason: str) -> str:
    if deploying:
        return "UPDATE_IN_PROGRESS"
    return "UPDATE_ROLLBACK_COMPLETE" if reason else "UPDATE_COMPLETE"


async def _until_data(environment: PlayedEnvironment) -> None:
    for _ in range(MINUTES_UNTIL_DATA):
        if "INSUFFICIENT_DATA" not in environment.alarm_states().values():
            return
        try:
            await environment.next_minute()
        except ClockStoppedError:  # The environment has ended: whoever asks is about to end, too.
            raise web.HTTPServiceUnavailable from None


def _long_ago(release: Release, prefix: str) -> Entry:
    images = {
        name: ReleasedImage(image.tag, rehearsed_digest(image)) for name, image in _images(release, prefix).items()
    }
    return Entry(_name(release), images, datetime.now(UTC) - timedelta(days=1), "verified", "the rehearsal")


def _name(release: Release) -> str:
    """A release's name as a commit would be: without spaces."""
    return "-".join(release.name.partition(",")[0].split())


def _images(release: Release, prefix: str) -> dict[str, Image]:
    """Service to its image, in the stacks that a release's pipeline deploys to an environment."""
    return _images_in(_templates(release, prefix), prefix)


def _templates(release: Release, prefix: str) -> dict[str, Template]:
    """Stack to its template, of those that a release's pipeline deploys to an environment."""
    return {
        action.stack_name: release.template(action)
        for stage in release.pipeline().stages
        if any(isinstance(a, DeployAction) and a.stack_name == platform_stack_name(prefix) for a in stage.actions)
        for action in stage.actions
        if isinstance(action, DeployAction)
    }


def _images_in(templates: Mapping[str, Template], prefix: str) -> dict[str, Image]:
    return {
        name.removeprefix(f"{prefix}-"): image_of(template, stack=name)
        for name, template in templates.items()
        if resources_of_type(template, "AWS::ECS::Service")
    }


def _service(service: PlayedService, prefix: str, templates: dict[str, Template]) -> RunningService:
    assert service.revision is not None, "a service is known once it runs"
    revision = service.revision.name
    template = templates.get(service.name, {})
    configurations = [
        resource["Properties"].get("DeploymentConfiguration", {})
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == "AWS::ECS::Service"
    ]
    alarms: list[Any] = [name for c in configurations for name in c.get("Alarms", {}).get("AlarmNames", ())]
    tasks = [_task(entry) for entry in service.tasks]
    running = sum(task.status == "RUNNING" for task in tasks)
    state = "IN_PROGRESS" if service.deploying.locked() else "COMPLETED"
    return RunningService(
        name=service.name.removeprefix(f"{prefix}-"),
        stack=service.name,
        revision=revision,
        desired=service.desired,
        running=running,
        deployments=(Deployment("PRIMARY", state, "", revision, None, service.desired, running, 0),),
        tasks=tuple(tasks),
        deployment_alarms=tuple(map(str, alarms)),
    )


def _task(entry: PlacedTask) -> RunningTask:
    definition = entry.task.definition
    image = Image.parse(definition.image)
    status = "RUNNING" if entry.task.running else "STOPPED"
    return RunningTask(definition.revision, status, entry.target.healthy, str(image), rehearsed_digest(image), 256)
