"""The lock that allows one rollback at a time, and its journal: both are one parameter.

Each version of ``/<platform>/<environment>/rollback`` is a sign of life of one rollback, identified by its nonce. All
readers of the versions, in order, come to the same result: a claim holds until its owner ends it or is silent for two
minutes, and anything that another one writes meanwhile is ignored. Times are those of Parameter Store, not of a local
clock. Parameter Store keeps 100 versions: fifty minutes of signs of life, of which two minutes count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Literal, get_args

from nova_infra.deployed.model import ParameterVersion
from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.errors import CheckFailedError, NovaError, RefusedError
from nova_infra.operations.records.parameter import NEVER, Fields, UnreadableError, encode, parameter_name

SILENCE = timedelta(minutes=2)
"""A rollback that gives no sign of life for this long counts as killed."""

SECONDS_BETWEEN_SIGNS = 30.0

State = Literal["running", "interrupted", "done"]


@dataclass(frozen=True)
class Claim:
    """A rollback, as its claim and journal describe it.

    Attributes:
        nonce: What it is known by; empty where there never was a rollback.
        state: Whether it works, ended with its work undone, or is done.
        ledger: Version of the ledger that it began with.
        seen: Its last sign of life, UTC.
    """

    nonce: str = ""
    state: State = "done"
    release: str = ""
    left: str = ""
    change_set: str = ""
    services: tuple[str, ...] = ()
    ledger: int = 0
    by: str = ""
    seen: datetime = NEVER

    def alive(self, now: datetime) -> bool:
        """Whether it is under way."""
        return self.state == "running" and now - self.seen < SILENCE

    def unfinished(self, ledger: int) -> bool:
        """Whether it ended unfinished, and nothing was released since."""
        return bool(self.nonce) and self.state != "done" and self.ledger == ledger

    def owns(self, change_set: str) -> bool:
        """Whether a change set, by its ARN, is one of its own."""
        return bool(self.change_set) and f"/{self.change_set}-" in change_set


def read_claim(environment: ObservedEnvironment) -> Claim:
    """The rollback that holds the environment, or held it last."""
    return holder(environment.history(parameter_name(environment, "rollback")))


def holder(versions: Iterable[ParameterVersion]) -> Claim:
    """The claims that count, by their signs of life, oldest first."""
    held = Claim()
    for version in versions:
        sign = _decode(version)
        if sign is None:
            continue  # no rollback wrote it
        if sign.nonce != held.nonce and held.nonce and (held.alive(sign.seen) or sign.state != "running"):
            continue  # it came second, or ends what it had lost
        held = sign
    return held


def check(environment: ObservedEnvironment, claim: Claim) -> None:
    """Refuse while another rollback is under way."""
    now = environment.now()
    if not claim.alive(now):
        return
    if claim.seen > now + SILENCE:
        raise RefusedError(
            f"rollback: the lock of {claim.by} was renewed at {claim.seen:%Y-%m-%d %H:%M} UTC, which is in the future: "
            f"check this machine's clock; if it is right, delete {parameter_name(environment, 'rollback')} from "
            "Parameter Store"
        )
    raise RefusedError(
        f"rollback: another one, to {claim.release}, is under way, started by {claim.by}, last active at "
        f"{claim.seen:%H:%M:%S} UTC: wait for it; if it was killed, run this again two minutes after that"
    )


class RollbackLock:
    """A rollback's hold on the environment, renewed while it works. Use it as a context manager."""

    def __init__(self, environment: RecordedEnvironment, claim: Claim, notify: Callable[[str], None]) -> None:
        """Prepare to take it."""
        self._environment, self._tell = environment, notify
        self._claim = replace(claim, state="running", by=environment.caller())
        self._ended = threading.Event()
        self._signs = threading.Thread(target=self._give_signs, daemon=True)
        self._writing = threading.Lock()
        self.change_set = claim.change_set
        self.done = False

    def __enter__(self) -> RollbackLock:
        try:
            self._write()
            other = read_claim(self._environment)
        except NovaError:
            self.give_back()  # it may have been taken, although the answer is lost
            raise
        if other.nonce != self._claim.nonce:
            raise RefusedError(
                f"rollback: {other.by} started one at the same moment and was first: this one changed nothing: "
                "wait for it, and see `nova releases`"
            )
        self._signs.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """Give it back. A failure is reported as a warning and never hides an earlier one."""
        self._ended.set()
        self.give_back()

    def give_back(self) -> None:
        """End the claim, if it is still this rollback's; a failure is a warning."""
        try:
            with self._writing:
                if read_claim(self._environment).nonce == self._claim.nonce:
                    self._claim = replace(self._claim, state="done" if self.done else "interrupted")
                    self._write()
        except NovaError as error:
            self._tell(f"warning: this rollback's lock was not released, and expires in 2 min: {error}")

    def check(self) -> None:
        """Look whether it is still there."""
        other = read_claim(self._environment)
        if other.nonce != self._claim.nonce:
            raise CheckFailedError(
                f"rollback: {other.by or 'somebody'} took over this rollback's lock, because it was silent for too "
                "long: this one stops: see `nova status`"
            )

    def _give_signs(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_SIGNS):
            with self._writing:
                if self._ended.is_set():
                    return
                try:
                    self._write()
                except NovaError:
                    continue  # the next sign may get through; if none does, the claim is lost, and is looked at

    def _write(self) -> None:
        written = {key: value for key, value in vars(self._claim).items() if key != "seen"}
        # To the microsecond, unlike other times here: no two signs are alike.
        text = encode({**written, "at": self._environment.now().isoformat()})
        self._environment.put_parameter(parameter_name(self._environment, "rollback"), text)


def _decode(version: ParameterVersion) -> Claim | None:
    """A sign of life; None for anything else."""
    try:
        fields = Fields(version.value)
        return Claim(
            nonce=fields.text("nonce"),
            state=fields.one_of("state", get_args(State)),
            release=fields.text("release"),
            left=fields.text("left", ""),
            change_set=fields.text("change_set", ""),
            services=fields.texts("services", ()),
            ledger=fields.number("ledger", -1),
            by=fields.text("by"),
            seen=(version.at or fields.time("at")).astimezone(UTC),
        )
    except UnreadableError:
        return None
