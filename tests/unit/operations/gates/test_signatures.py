"""Which images of a release are not signed."""

from collections.abc import Sequence

from nova_infra.deployed.model import Image
from nova_infra.operations.gates.signatures import unsigned

IMAGES = {name: Image(f"registry/nova/{name}", "t", f"sha256:{name[0] * 64}") for name in ("carts", "bills", "store")}


class Environment:
    """Knows how far the signing of each image is."""

    def __init__(self, **statuses: tuple[str, ...]) -> None:
        self.statuses = statuses

    def signatures(self, images: Sequence[Image]) -> tuple[tuple[str, ...], ...]:
        return tuple(self.statuses[image.repository.rpartition("/")[2]] for image in images)


def found(**statuses: tuple[str, ...]) -> list[str]:
    return unsigned(Environment(**statuses), IMAGES)  # type: ignore[arg-type]


def test_a_release_whose_images_are_all_signed_may_pass() -> None:
    assert found(carts=("COMPLETE",), bills=("COMPLETE", "COMPLETE"), store=("COMPLETE",)) == []


def test_each_image_that_is_not_signed_is_named_with_its_service_and_what_to_do() -> None:
    carts, bills = found(carts=(), bills=("COMPLETE", "FAILED"), store=("COMPLETE",))
    assert carts == (
        "carts: its image sha256:cccccccccccc is not signed, so nobody knows who pushed it: find out in CloudTrail "
        "(PutImage), and build the release again"
    )
    assert bills.startswith("bills: its image sha256:bbbbbbbbbbbb is not signed")


def test_one_that_is_being_signed_is_worth_a_retry() -> None:
    [said] = found(carts=("IN_PROGRESS",), bills=("COMPLETE",), store=("COMPLETE",))
    assert said == "carts: its image sha256:cccccccccccc is still being signed: wait a minute, then retry"
