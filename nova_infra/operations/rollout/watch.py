"""``nova watch``: reads all deployments until they have ended: a live picture, lines in a pipe, or JSON."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live

from nova_infra.deployed.protocol import FollowedEnvironment
from nova_infra.deployed.rollouts import Readings
from nova_infra.errors import PassingError, RefusedError
from nova_infra.machine.terminal import can_redraw
from nova_infra.operations.rollout.background import BackgroundLooks
from nova_infra.operations.rollout.follow import Follower
from nova_infra.operations.rollout.picture import release_lines
from nova_infra.operations.rollout.turns import turns
from nova_infra.operations.rollout.view import ReleaseView

REDRAWS = 4
"""Pictures in a second: between two looks only the clocks move."""

LEAST_SECONDS = 2.0
"""Between two looks."""


def seconds_between_looks(services: int, rollouts: int) -> float:
    """How long to wait between two looks, so that they make fewer than 2.5 calls a second."""
    calls = -(-services // 10) + -(-rollouts // 20) + 2
    return max(LEAST_SECONDS, calls / 2.5)


def looks(
    environment: FollowedEnvironment,
    services: Sequence[str] = (),
    *,
    patience: float = 0.0,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[ReleaseView]:
    """Look until all rollouts have ended: the first look is quick and asks only ECS.

    Args:
        patience: Seconds to wait for a rollout to begin.

    Raises:
        RefusedError: There is no such service, or nothing is under way.
    """
    follower, background = Follower(environment.name), BackgroundLooks(environment)
    names = environment.service_names()
    _require_known(environment, services, names)
    known: list[str] = []
    readings = Readings()
    view: ReleaseView | None = None
    began: datetime | None = None
    while True:
        try:
            deployments = environment.service_deployments(services, known)
            known = [deployment.arn for deployment in deployments]
            began = began or environment.now()
            if deployments:
                if view is None:
                    yield follower.view(deployments, readings, environment.now())
                readings = environment.readings(deployments)
                view = follower.view(deployments, readings, environment.now())
                view = background.add_to(view, deployments, jobs=not services)
                yield view
                if view.over:
                    return
            elif (environment.now() - began).total_seconds() >= patience:
                where = f" of {', '.join(services)}" if services else ""
                raise RefusedError(
                    f"watch: no deployment{where} is under way in {environment.name}: "
                    f"see `nova status {environment.name}`, or wait for one with --wait SECONDS"
                )
        except PassingError as error:
            if view is None:
                raise
            yield replace(view, unread=(f"the last look failed: {error}",))
        wait(seconds_between_looks(len(services) or len(names), len(known)))


def _require_known(environment: FollowedEnvironment, services: Sequence[str], names: Sequence[str]) -> None:
    for name in services:
        if name not in names and name in {job.name for job in environment.jobs()}:
            raise RefusedError(
                f"service: {name!r} is a job, which has no rollout: see `nova status {environment.name}`"
            )
        if name not in names:
            raise RefusedError(f"service: {name!r} is not one of {', '.join(names) or 'none'}: choose one of them")


def watch(views: Iterator[ReleaseView], console: Console, *, as_json: bool = False) -> ReleaseView:
    """Show looks until the last one, which is returned.

    Args:
        as_json: Whether to print each changed look as a line of JSON.
    """
    if as_json:
        return _print(views, lambda before, now: [as_line(now)] if before != now else [], console)
    if not can_redraw(console):
        return _print(views, _stamped, console)
    return _draw(views, console)


def as_line(view: ReleaseView) -> str:
    """A look as one line of JSON."""
    return json.dumps({**asdict(view), "over": view.over, "succeeded": view.succeeded}, ensure_ascii=False)


def _stamped(before: ReleaseView | None, now: ReleaseView) -> list[str]:
    return [f"{datetime.now():%H:%M:%S}  {line}" for line in turns(before, now)]


def _print(
    views: Iterator[ReleaseView], lines: Callable[[ReleaseView | None, ReleaseView], Sequence[str]], console: Console
) -> ReleaseView:
    before: ReleaseView | None = None
    for view in views:
        for line in lines(before, view):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        before = view
    assert before is not None, "there is at least one look"
    return before


class _Picture:
    """The latest look, whose clocks move on."""

    def __init__(self, console: Console, first: ReleaseView) -> None:
        self._console = console
        self._began = time.monotonic()
        self.show(first)

    def show(self, view: ReleaseView) -> None:
        """Show another look from now on."""
        self.latest = view, time.monotonic()

    def __call__(self) -> RenderableType:
        view, seen = self.latest
        now = time.monotonic()
        moved = tuple(
            r if r.seconds_left is None else replace(r, seconds_left=max(r.seconds_left - (now - seen), 0.0))
            for r in view.rollouts
        )
        width, height = self._console.size
        lines = release_lines(
            replace(view, rollouts=moved), elapsed=now - self._began, width=width, height=max(height - 1, 1)
        )
        return Group(*lines)


@contextmanager
def _drawn(picture: _Picture, console: Console) -> Iterator[None]:
    with Live(get_renderable=picture, console=console, refresh_per_second=REDRAWS, transient=False):
        yield


def _draw(views: Iterator[ReleaseView], console: Console) -> ReleaseView:
    view = next(views)
    picture = _Picture(console, view)
    with _drawn(picture, console):
        for view in views:
            picture.show(view)
    return view
