"""What a rollback finds of the images that it returns to."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from nova_infra.deployed.model import Image
from nova_infra.operations.rollback.plan import RollbackPlan
from nova_infra.operations.rollback.survey import images_of


def digest(tag: str) -> str:
    return f"sha256:{tag.encode().hex():0>64}"


class Registry:
    """Has every image that is asked for by its tag, and none by its digest but that of carts."""

    def images(self, wanted: Sequence[Image]) -> list[Image | None]:
        return [each if each.digest in (None, digest("c1")) else None for each in wanted]


def test_each_service_gets_what_the_registry_has_under_its_own_digest_and_tag() -> None:
    wanted = {"bills": "b1", "carts": "c1", "store": "s1"}
    moves = [
        SimpleNamespace(
            service=SimpleNamespace(name=name, image=Image(f"registry/nova/{name}", "now")),
            image=SimpleNamespace(tag=tag, digest=digest(tag)),
        )
        for name, tag in wanted.items()
    ]
    found = images_of(cast(Any, Registry()), cast(RollbackPlan, SimpleNamespace(moves=moves)))
    by_tag = {name: Image(f"registry/nova/{name}", tag) for name, tag in wanted.items()}
    carts = Image("registry/nova/carts", "c1", digest("c1"))
    assert found == {
        "bills": (None, by_tag["bills"]),
        "carts": (carts, by_tag["carts"]),
        "store": (None, by_tag["store"]),
    }
