"""One line of ``nova doctor``: right, to be fixed, or not known."""

from dataclasses import dataclass

from nova_infra.errors import NovaError


@dataclass(frozen=True)
class Check:
    """One line.

    Attributes:
        right: Whether it is as it should be; None where that is not known.
        remedy: What to do; empty where nothing has to be done.
    """

    right: bool | None
    what: str
    remedy: str = ""


def not_known(what: str, error: NovaError) -> Check:
    """What AWS did not say."""
    return Check(None, f"{what}: not known: {error}")


def is_anothers(error: NovaError) -> bool:
    """Whether Route 53 says that a zone is another account's (hashicorp/terraform-provider-aws#12570)."""
    return "not authorized to access this resource" in str(error)
