"""What an image says of itself, and of the images that others on this machine stand in for."""

from typing import Any

import pytest

from nova_infra.rehearsal.tasks.containers.image import EngineImage

OF_OURS = "1.dkr.ecr.eu-west-1.amazonaws.com/nova-shop:77"


@pytest.mark.parametrize(
    ("wanted", "name", "labels", "stood_in"),
    [
        (OF_OURS, "localhost/nova-shop:77", {"nova.built-on": "node:22=id go:1=other"}, ["node:22", "go:1"]),
        (OF_OURS, "localhost/nova-shop:77", {"nova.built-on": "node:22=id and users"}, ["node:22"]),
        (OF_OURS, "localhost/nova-shop:77", {"nova.built-on": ""}, []),
        (OF_OURS, "localhost/nova-shop:77", None, []),  # fetched, and named as in the registry
        ("docker.io/library/postgres:17", "localhost/postgres:17", None, ["postgres:17"]),
        ("postgres:17@sha256:12", "localhost/postgres:17", {}, ["postgres:17"]),
        ("postgres:17", "docker.io/library/postgres:17", {}, []),
        ("localhost/postgres:17", "localhost/postgres:17", {}, []),
        ("shop:77", "localhost/shop:77", {"nova.built-on": ""}, []),
    ],
)  # fmt: skip
def test_each_image_that_another_stands_in_for_is_named(
    wanted: str, name: str, labels: dict[str, str] | None, stood_in: list[str]
) -> None:
    found: dict[str, Any] = {"Config": {"Labels": labels}, "RepoTags": [name]}
    said = EngineImage.read(wanted, found).stand_ins(wanted)  # the engine also finds it by a short name
    assert said == {each: f"{each}: an image of this machine stands in for it, and may differ" for each in stood_in}
