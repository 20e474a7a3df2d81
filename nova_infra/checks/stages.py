"""The stages and actions of a synthesized CodePipeline, as the rules need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

PIPELINE = "AWS::CodePipeline::Pipeline"


def stages(pipeline: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A pipeline's stages, in order."""
    found: list[Mapping[str, Any]] = pipeline["Stages"]
    return found


def actions(stage: Mapping[str, Any], *categories: str) -> list[Mapping[str, Any]]:
    """A stage's actions of some categories, such as ``Approval``."""
    return [action for action in stage["Actions"] if action["ActionTypeId"]["Category"] in categories]


def asks(stage: Mapping[str, Any]) -> bool:
    """Whether a stage waits for an approval, whatever a condition before it says."""
    skips = any(each.get("Result") == "SKIP" for each in stage.get("BeforeEntry", {}).get("Conditions", ()))
    return bool(actions(stage, "Approval")) and not skips


def deployments(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A stage's stack deployments."""
    return [a for a in actions(stage, "Deploy") if a["ActionTypeId"]["Provider"] == "CloudFormation"]


def environments(pipeline: Mapping[str, Any]) -> list[int]:
    """Places of the stages that deploy stacks, in promotion order."""
    return [place for place, stage in enumerate(stages(pipeline)) if deployments(stage)]


def stage_of(template: str) -> str:
    """The stage that a template is in, by its assembly's directory, such as ``assembly-NovaPipelineStack-Dev``."""
    return PurePath(template).parent.name.rpartition("-")[2]


@dataclass(frozen=True)
class Promotion:
    """The environments in promotion order, and what delivers them.

    Attributes:
        toolchain: The account of the pipeline and the images.
        environments: Each one's stage in the assembly, its account, and whether it waits for an approval.
    """

    toolchain: str
    environments: tuple[tuple[str, str, bool], ...]

    def beyond(self, stage: str) -> frozenset[str]:
        """The accounts that an approval protects from an environment; none where none follows, or for another stage."""
        protected = {account for _, account, approval in self._split(stage)[1] if approval}
        return frozenset({*protected, self.toolchain} if protected else ())

    def before(self, stage: str) -> frozenset[str]:
        """The accounts of the environments before the approval of one; none where it waits for none.

        For a stage that is none of theirs, as of what delivers, those before the first approval.

        The toolchain's is left out: what delivers has to reach every environment.
        """
        waiting = [name for name, _, approval in self.environments if approval]
        if stage not in [name for name, _, _ in self.environments]:
            stage = next(iter(waiting), "")
        found = frozenset(account for _, account, _ in self._split(stage)[0]) if stage in waiting else frozenset()
        return found - {self.toolchain}

    def _split(self, stage: str) -> tuple[tuple[tuple[str, str, bool], ...], ...]:
        """The environments before one, and those after it; none of either for another stage."""
        names = [name for name, _, _ in self.environments]
        if stage not in names:
            return (), ()
        place = names.index(stage)
        return self.environments[:place], self.environments[place + 1 :]
