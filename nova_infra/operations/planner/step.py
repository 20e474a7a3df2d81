"""One stack of a plan at the moment of its deployment: the input of every check."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nova_infra.operations.planner.model import Consequence, Refusal, ResourceAction, StackKey, StackTemplate
from nova_infra.operations.planner.world import Owner, World

Fault = tuple[str, str, str]
"""The property of a resource, what is wrong with it, and the remedy."""
Judges = Mapping[str, Callable[[Mapping[str, Any]], Iterator[Fault]]]
"""Type of a resource, to what finds the faults in its properties."""


@dataclass(frozen=True)
class Step:
    """The deployment of one stack.

    Attributes:
        world: What is deployed by then, without the stacks that are deployed at the same time.
        before: The stack as it is deployed; None where it is new.
        claims: Identities of all resources that are deployed at the same time, this stack's included.
        never_deployed: Stacks of the release that its pipeline does not deploy.
        wave: The stacks that change at the same time, this one included.
        release: All stacks that the release describes, whether or not its pipeline deploys them.
    """

    world: World
    before: StackTemplate | None
    after: StackTemplate
    actions: Sequence[ResourceAction]
    claims: Mapping[str, Sequence[Owner]] = field(default_factory=dict)
    never_deployed: Sequence[StackTemplate] = ()
    wave: Sequence[StackTemplate] = ()
    release: Mapping[StackKey, StackTemplate] = field(default_factory=dict)

    @cached_property
    def given(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources whose services get them now: what does not change, nobody judges again."""
        changing = {action.logical_id for action in self.actions if action.changes}
        return {name: each for name, each in self.after.resources.items() if name in changing}

    def given_of_type(self, resource_type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of those of one type."""
        for logical_id, properties in self.after.of_type(resource_type):
            if logical_id in self.given:
                yield logical_id, properties

    def refuse(self, where: str, fault: str, remedy: str, verdict: str = "CloudFormation would refuse this") -> Refusal:
        """Something of this stack that AWS would refuse."""
        return Refusal(self.after.key.name, where, fault, remedy, verdict)

    def refuse_each(self, logical_id: str, faults: Iterable[Fault]) -> Iterator[Refusal]:
        """Everything of one resource that AWS would refuse."""
        for where, fault, remedy in faults:
            yield self.refuse(f"{logical_id}.{where}", fault, remedy)

    def judged_by(self, judges: Judges) -> Iterator[Refusal]:
        """The faults of all resources of the judges' types."""
        for kind, judge in judges.items():
            for logical_id, properties in self.given_of_type(kind):
                yield from self.refuse_each(logical_id, judge(properties))

    def note(self, where: str, what: str, *, hurts: bool = False, loses: bool = False) -> Consequence:
        """Something that the deployment of this stack would do, and that people should know."""
        return Consequence(self.after.key.name, where, what, hurts, loses)

    def identity_before(self, logical_id: str) -> str | None:
        """The identity that a resource had."""
        resource = self.before.resources.get(logical_id) if self.before is not None else None
        return self.world.identity_of(self.before, resource) if self.before and resource else None

    def others_with(self, identity: str, logical_id: str) -> Iterator[str]:
        """Other resources that have an identity by then, or take it at the same time, as ``stack.resource``."""
        me = (self.after.key, logical_id)
        owners = [owner for owner in self.world.owners(identity) if owner != me]
        # Of two that want it at the same time, the second is refused.
        owners += [owner for owner in self.claims.get(identity, ()) if owner < me and owner not in owners]
        for key, owner in owners:
            yield owner if key == self.after.key else f"{key.name}.{owner}"
