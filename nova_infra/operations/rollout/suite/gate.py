"""Answers waiting deployments by a test suite's runs, which count only if they reached the new revision."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from nova_infra.deployed.protocol import SteeredEnvironment
from nova_infra.deployed.rollouts import RequestCount, ServiceDeployment
from nova_infra.deployed.stack import Template
from nova_infra.errors import NovaError, PassingError, RefusedError
from nova_infra.operations.rollout.answer import Answered, UnrecordedError, abort, promote
from nova_infra.operations.rollout.suite.load import Suite, SuiteLoad

_TO_ARRIVE = timedelta(minutes=2)
"""How long a deployment waits for the others of its release, so that one run of the suite answers all of them."""
_TO_FOLLOW = timedelta(minutes=15)
"""How long to wait for the next deployment once one was under way: they begin together."""
_TO_STOP = timedelta(minutes=1)
"""How long before a gate's deadline to stop the suite, so that the answer still comes in time."""
_MOST_TO_COUNT = 0.5
"""Share of the remaining time that counting the suite's requests may take."""

_TO_ASK_AGAIN = timedelta(minutes=10)
"""How long to retry a call that AWS did not answer before the suite starts again."""
_UNLIMITED = timedelta(hours=24)
"""How long a gate without a deadline waits."""
_NOTHING_TO_COUNT = RequestCount(0.0, dict)

_NEVER_MET = (
    "the suite is green, but 0 requests reached the new revision: have it call the service at BASE_URL, "
    'or choose gate = "person"'
)

_T = TypeVar("_T")


@dataclass
class SuiteGate:
    """Answers for the services of one release.

    Attributes:
        wanted: Service to the template of its stack in the release.
        patience: How long to wait for the first deployment, in seconds.
        load: What the suite sends requests to while they bake; None for nothing.
        only_loaded: Names of the services that it answers for nobody: people do, or nobody has to.
    """

    environment: SteeredEnvironment
    wanted: Mapping[str, Template]
    suite: Suite
    patience: float
    notify: Callable[[str], None]
    seconds_between_looks: float = 10.0
    wait: Callable[[float], None] = time.sleep
    load: SuiteLoad | None = None
    only_loaded: Collection[str] = ()
    _seen: set[str] = field(default_factory=set)
    _answered: set[str] = field(default_factory=set)
    _met: set[str] = field(default_factory=set)
    _left_alone: set[tuple[str, float | None]] = field(default_factory=set)
    _red: list[str] = field(default_factory=list)

    def answer(self) -> list[str]:
        """Answer every deployment of the release that waits, until all have ended or none has begun in time.

        Returns:
            A line for each run of the suite that was red.

        Raises:
            AwsError: AWS refuses to answer.
        """
        try:
            return self._answer_all()
        finally:
            if self.load is not None:
                self.load.record()

    def _answer_all(self) -> list[str]:
        active = waiting_since = self.environment.now()
        while True:
            try:
                left = self._left()
                now = self.environment.now()
                if self._seen & set(left):
                    active = now
                found = self.environment.service_deployments(tuple(self.wanted))
                waiting = self._waiting(found)
                if not waiting:
                    waiting_since = now
                elif now - waiting_since >= self._most_to_arrive or not self._arriving(left, found):
                    self._run(waiting)
                if not waiting and self.load is not None and (baking := self.load.baking(found)):
                    self.load.send(baking, partial(self._is_load_wanted, self.load))
                if not (left or waiting):
                    return self._red
                most = _TO_FOLLOW.total_seconds() if self._seen else self.patience
                if not waiting and (now - active).total_seconds() >= min(most, self.patience):
                    self.notify(f"not deployed, so nothing was tested: {', '.join(left)}")
                    return self._red
            except PassingError as error:
                self.notify(f"the last look failed: {error}")
            self.wait(self.seconds_between_looks)

    def _waiting(self, found: Sequence[ServiceDeployment]) -> list[ServiceDeployment]:
        """The deployments that wait for the suite's answer."""
        return [
            each
            for each in found
            if each.waiting
            and not each.tested_by
            and each.service not in self.only_loaded
            and _place(each) not in self._left_alone
        ]

    def _is_load_wanted(self, load: SuiteLoad) -> bool:
        try:
            found = self.environment.service_deployments(tuple(self.wanted))
        except PassingError:  # Not known: the run goes on.
            return True
        return bool(load.baking(found)) and not self._waiting(found)

    @property
    def _most_to_arrive(self) -> timedelta:
        return min(_TO_ARRIVE, timedelta(seconds=12 * self.seconds_between_looks))

    def _left(self) -> list[str]:
        """The services whose deployments have not ended, or not begun."""
        names = {self.environment.stack_name(service): service for service in self.wanted}
        stacks = {names[stack.name]: stack for stack in self.environment.stacks(tuple(names)) if stack.name in names}
        left = []
        for service, template in self.wanted.items():
            stack = stacks.get(service)
            if stack is not None and stack.status.endswith("_IN_PROGRESS"):
                self._seen.add(service)
                left.append(service)
            elif service in self._seen:
                continue
            elif stack is None or self.environment.template(stack.name) != template:
                left.append(service)
        return left

    def _arriving(self, left: Sequence[str], found: Sequence[ServiceDeployment]) -> bool:
        """Whether another deployment is on its way to its first gate."""
        there = {each.service for each in found if each.waiting or each.arn in self._answered or each.new.weight}
        gone = {each.service for each in found if each.over or each.status not in ("PENDING", "IN_PROGRESS")}
        return bool(set(left) - there - gone - set(self.only_loaded))

    def _run(self, waiting: Sequence[ServiceDeployment]) -> None:
        names = sorted(each.service for each in waiting)
        self.notify(f"{', '.join(names)}: running the suite")

        def look() -> list[ServiceDeployment]:
            return [each for each in self.environment.service_deployments(names) if each.waiting]

        def still_wanted() -> bool:
            try:
                return bool(look())
            except PassingError:  # Not known: the suite goes on.
                return True

        # Later steps have users' requests, too; and the same suite has met the new revision before the first one.
        fresh = [each for each in waiting if not each.new.weight and each.arn not in self._met]
        fresh, count = self._counting(fresh, waiting)
        self.wait(count.begins_in)
        why = self.suite(still_wanted, self._limit(waiting, count.lags))
        still = self._repeated(look, waiting, self._seconds_to_answer(waiting))
        self._answered |= {each.arn for each in waiting}
        for name in sorted(set(names) - {each.service for each in still}):
            self.notify(f"{name}: no longer waits: somebody else answered it, or it timed out")
        if why:
            self._red.append(f"{', '.join(names)}: {why}")
            self._send_back(still, why)
            return
        counted = {each.arn for each in fresh}
        fresh = [each for each in still if each.arn in counted]
        unmet = self._unmet(fresh, count) if fresh else {}
        for each in fresh:
            if each.service in unmet:
                self._red.append(f"{each.service}: {unmet[each.service]}")
                self._send_back([each], unmet[each.service])
        met = [each for each in still if each.service not in unmet]
        self._met |= {each.arn for each in met}
        self._let_go_on(met)

    def _repeated(self, ask: Callable[[], _T], waiting: Sequence[ServiceDeployment], seconds: float) -> _T:
        """Ask until AWS answers: the suite is not run again for that.

        Args:
            waiting: The deployments that it is about: those whose time is over by then are left to ECS.
            seconds: For how long, at most ten minutes.

        Raises:
            PassingError: AWS did not answer in that time.
        """
        ends = self.environment.now() + min(_TO_ASK_AGAIN, timedelta(seconds=seconds))
        while True:
            try:
                return ask()
            except PassingError as error:
                if self.environment.now() >= ends:
                    self._in_time(waiting)
                    raise
                self.notify(f"asked again: {error}")
            self.wait(self.seconds_between_looks)

    def _counting(
        self, fresh: list[ServiceDeployment], waiting: Sequence[ServiceDeployment]
    ) -> tuple[list[ServiceDeployment], RequestCount]:
        """Start counting new revisions' requests, after another look if ECS did not describe all of them.

        Returns:
            The deployments whose requests are counted, and what counts them.
        """
        names, arns = [each.service for each in fresh], {each.arn for each in fresh}

        def begin() -> tuple[list[ServiceDeployment], RequestCount]:
            nonlocal fresh
            try:
                return fresh, self.environment.count_requests(fresh)
            except PassingError:
                found = self.environment.service_deployments(names)
                fresh = [each for each in found if each.arn in arns and each.waiting]
                raise

        if not fresh:
            return fresh, _NOTHING_TO_COUNT
        try:
            return self._repeated(begin, waiting, self._seconds_left(waiting))
        except PassingError as error:
            return fresh, RequestCount(0.0, partial(_fail, error))

    def _unmet(self, deployments: Sequence[ServiceDeployment], count: RequestCount) -> dict[str, str]:
        """Service to why a green suite says nothing of it: no request reached it by the time that data are due."""
        ends = self.environment.now() + timedelta(seconds=min(count.lags, self._seconds_left(deployments)))
        told = False
        while True:
            trouble = ""
            found: Mapping[str, int] = {}
            try:
                found = count.read()
            except NovaError as error:
                trouble = f": {error}"
            unmet = [each.service for each in deployments if not found.get(each.service)]
            if not unmet or self.environment.now() >= ends:
                return {
                    name: _NEVER_MET if name in found else f"it is not known whether the suite reached it{trouble}"
                    for name in unmet
                }
            if not told:
                self.notify(f"{', '.join(unmet)}: the suite is green; its requests are counted")
                told = True
            self.wait(self.seconds_between_looks)

    def _send_back(self, deployments: Sequence[ServiceDeployment], why: str) -> None:
        self._answer("aborted", partial(abort, why=why), deployments)

    def _let_go_on(self, deployments: Sequence[ServiceDeployment]) -> None:
        self._answer("promoted", partial(promote, why="the suite is green"), deployments)

    def _answer(self, action: str, give: Callable[..., Answered], deployments: Sequence[ServiceDeployment]) -> None:
        """Retry an answer, not the suite, until ECS accepts or refuses it for each deployment, or stops waiting."""
        left = list(deployments)
        while left:
            names = [each.service for each in left]
            try:
                done = self._repeated(partial(give, self.environment, names), left, self._seconds_to_answer(left))
            except UnrecordedError as error:  # What the ledger lacks stops no release.
                self.notify(str(error))
                done = Answered(error.done, ())
            except RefusedError as error:
                for each in left if len(left) > 1 else ():
                    self._answer(action, give, [each])
                if len(left) == 1:
                    # Somebody was faster; or a first deployment has nothing to go back to, which ECS ends in time.
                    self.notify(str(error))
                    self._left_alone.add(_place(left[0]))
                return
            self._tell(done, action)
            left = self._in_time([each for each in left if each.service not in done.done])
            if left:
                self.wait(self.seconds_between_looks)

    def _tell(self, done: Answered, action: str) -> None:
        for service, stood in done.done.items():
            self.notify(f"{service}: {action} {stood}")
        for line in done.left:
            self.notify(line)

    def _limit(self, waiting: Sequence[ServiceDeployment], to_count: float) -> float:
        """Seconds that the suite may take, so that its requests can still be counted, and the answer comes in time."""
        left = self._seconds_left(waiting)
        return max(left - min(to_count, left * _MOST_TO_COUNT), 1.0)

    def _seconds_left(self, waiting: Sequence[ServiceDeployment]) -> float:
        """How long the suite may take, and what follows before the answer."""
        return max(min(map(self._waits, waiting)) - _TO_STOP.total_seconds(), 0.0)

    def _seconds_to_answer(self, waiting: Sequence[ServiceDeployment]) -> float:
        """How long one of them still waits for its answer: the last minute is kept for that."""
        return max(map(self._waits, waiting))

    def _in_time(self, waiting: Sequence[ServiceDeployment]) -> list[ServiceDeployment]:
        """Those that still wait. The others are left to ECS."""
        over = [each for each in waiting if self._waits(each) <= 0]
        self._left_alone |= set(map(_place, over))
        for each in over:
            self.notify(f"{each.service}: ECS got no answer in time, so its gate times out")
        return [each for each in waiting if each not in over]

    def _waits(self, deployment: ServiceDeployment) -> float:
        """Seconds for which ECS still waits for an answer."""
        ends = [hook.expires for hook in deployment.waiting if hook.expires is not None]
        return (min(ends) - self.environment.now()).total_seconds() if ends else _UNLIMITED.total_seconds()


def _place(deployment: ServiceDeployment) -> tuple[str, float | None]:
    """Where it waits: one hook may come again before every step, under the same id."""
    return deployment.arn, deployment.new.weight


def _fail(error: NovaError) -> Mapping[str, int]:
    raise error
