"""A service behind a real load balancer, whose tasks are functions, and the load of its users."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.environment.load import Load
from nova_infra.rehearsal.environment.request_mix import Asked
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER, RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group
from nova_infra.rehearsal.record import Requests
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.requests.sample import SampleRequest

Answer = Callable[[web.BaseRequest, str], web.Response]


def rollout(percent: float = 100, minutes: int = 0) -> DeploymentConfiguration:
    steps = (TrafficStep(percent, minutes), TrafficStep(100, 0))
    return DeploymentConfiguration("CANARY", steps, (), True, None, 100, 200)


class Behind:
    """A service behind a real load balancer, whose tasks are functions."""

    def __init__(
        self,
        answer: Answer,
        *,
        paths: Sequence[str] = ("/tiny/*",),
        weights: tuple[int, int] = (100, 0),
        revisions: tuple[str, str] = ("tiny:1", "tiny:2"),
        sticky: bool = False,
    ) -> None:
        self.answer, self.paths, self.weights, self.revisions = answer, tuple(paths), weights, revisions
        self.attributes = [{"Key": "stickiness.enabled", "Value": str(sticky).lower()}]
        self.renamed = ""
        self.known: list[bool] = []
        self.records: list[Any] = []
        self.asked: list[web.BaseRequest] = []
        self.at_once: list[int] = []
        self.totals: dict[str, Requests] = {}
        self.most_at_once = 0
        self.hangs: asyncio.Event | None = None
        self._under_way = 0

    def run(
        self,
        minutes: int,
        *,
        files: Sequence[SampleRequest] = (),
        config: DeploymentConfiguration | None = None,
        **more: RoutingRule,
    ) -> Asked:
        return asyncio.run(asyncio.wait_for(self._run(minutes, files, config or rollout(), more), 60))

    async def _run(
        self,
        minutes: int,
        files: Sequence[SampleRequest],
        config: DeploymentConfiguration,
        more: dict[str, RoutingRule],
    ) -> Asked:
        balancer = LoadBalancer(full_name="lb", protocol="HTTP", public_port=80, siblings={}, store=MetricStore())
        await balancer.start()
        settings = read_target_group({"HealthCheckPath": "/up", "TargetGroupAttributes": self.attributes})
        groups = [TargetGroup(name, settings) for name in ("blue", "green")]
        runners: list[web.ServerRunner] = []
        tasks: list[Any] = []
        for revision, group in zip(self.revisions, groups, strict=True):
            runner = web.ServerRunner(web.Server(self._handler(revision)))
            await runner.setup()
            runners.append(runner)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            definition = SimpleNamespace(revision=revision, fault="")
            task: Any = SimpleNamespace(definition=definition, port=runner.addresses[0][1], running=True)
            group.targets.append(Target(task, healthy=True))
            tasks.append(SimpleNamespace(task=task))
        rule = RoutingRule(
            "tiny",
            9,
            self.paths,
            forward=[WeightedGroup(g, w) for g, w in zip(groups, self.weights, strict=True)],
        )
        balancer.rules = [rule]
        service: Any = SimpleNamespace(
            is_asked=True, name="tiny", load_balancer=balancer, rule=rule, groups=groups, tasks=tasks[:1], revision=None
        )
        load = Load(self.totals, "Prod", pace=Pace(0.01), files=RequestFiles({"tiny": list(files)}))
        await load.start()
        try:
            asked = load.include(service, "tiny", config)
            whose = asked
            if self.renamed:
                renamed: Any = SimpleNamespace(**{**vars(service), "name": self.renamed})
                whose = load.include(renamed, "tiny", config)
            whose.answers_of(self.revisions[1])
            await load.learn(baseline=True)
            self.asked.clear()
            balancer.rules += more.values()
            whose.service.tasks = tasks
            for _ in range(minutes):
                await load.minute()
            load.compare("Prod", self.records)
            self.known = [load.knows_answers()]
            load.forget()
            self.known.append(load.knows_answers())
            return asked
        finally:
            await load.stop()
            await balancer.stop()
            for runner in runners:
                await runner.cleanup()

    def _handler(self, revision: str) -> Callable[[web.BaseRequest], Any]:
        async def handle(request: web.BaseRequest) -> web.Response:
            if USER_HEADER in request.headers:
                self.asked.append(request)
                self._under_way += 1
                self.most_at_once = max(self.most_at_once, self._under_way)
                if self.hangs is not None and len(self.asked) == 1:
                    await self.hangs.wait()
                elif self.hangs is not None:
                    self.hangs.set()
                await asyncio.sleep(0.003)
                self._under_way -= 1
            return self.answer(request, revision)

        return handle
