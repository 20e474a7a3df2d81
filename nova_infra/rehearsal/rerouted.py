"""Finds requests that other services, or the load balancer itself, answer after a release."""

from dataclasses import dataclass, field

Answers = dict[str, dict[int, int]]
"""Operation, such as ``GET /items/{id}``, to its answers by status; 0 stands for none."""


@dataclass
class Elsewhere:
    """The answers that one service's users got from anything but the service.

    A listener rule that moves, changes or goes away leads its requests elsewhere, whether or not the release deploys
    the service.

    Attributes:
        by_others: Operation to the revisions of other services that answered it, and what they answered.
        by_nobody: What the load balancer answered itself, where no target was asked.
    """

    before: Answers = field(default_factory=dict)
    by_others: dict[str, Answers] = field(default_factory=dict)
    by_nobody: Answers = field(default_factory=dict)

    def note(self, operation: str, revision: str | None, status: int) -> None:
        """Note an answer.

        Args:
            revision: Which revision of another service got it; None where no target did.
        """
        if revision is None:
            answers = self.by_nobody.setdefault(operation, {})
        else:
            answers = self.by_others.setdefault(operation, {}).setdefault(revision, {})
        answers[status] = answers.get(status, 0) + 1
