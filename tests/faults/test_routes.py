"""Edits that lead users elsewhere, whether or not the release deploys their service, on the miniature: `make faults`."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from faults.edits import Templates, all_of, container_of, paths, rule, service_of

REDIRECT = {"Type": "redirect", "RedirectConfig": {"Path": "/moved", "StatusCode": "HTTP_301"}}
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "closed"}}


def deploys_nothing(templates: Templates) -> None:
    """The release has the same image as what runs before."""
    for place in ("Dev", "Prod"):
        container = container_of(templates, place)
        container["Image"] = "registry/tiny:one"
        for variable in container["Environment"]:
            if variable["Name"] == "RELEASE":
                variable["Value"] = "one"


def second_rule(**changes: Any) -> Any:
    """Another rule that sends an operation to the same service."""

    def edit(templates: Templates) -> None:
        resources = templates["Prod"]["Resources"]
        resources["More"] = copy.deepcopy(resources["Rule"])
        resources["More"]["Properties"].update(changes)

    return edit


def without_service(templates: Templates) -> None:
    for name in ("Service", "Rule", "Task"):
        del templates["Prod"]["Resources"][name]


def renamed(templates: Templates) -> None:
    service_of(templates)["ServiceName"] = "prod-small"


FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nothing changes": ("✓", "", {"edit": deploys_nothing}),
    "its rule loses an operation": (
        "!",
        "GET /tiny/2 finds no listener rule",
        {"edit": all_of(deploys_nothing, rule(Conditions=paths("/tiny/0", "/tiny/1", "/tiny/o*")))},
    ),
    "its rule redirects": ("!", "answers 301", {"edit": all_of(deploys_nothing, rule(Actions=[REDIRECT]))}),
    "a rule before it answers one operation itself": (
        "!",
        "GET /tiny/2 reaches no service, and the load balancer answers 200 itself",
        {
            "edit": all_of(deploys_nothing, second_rule(Priority=7, Conditions=paths("/tiny/2"), Actions=[FIXED])),
            "edit_both": rule(Priority=9),
        },
    ),
    "it is deleted with its rule": ("!", "GET /tiny/1 finds no listener rule", {"edit": without_service}),
    "it has another name": ("!", "", {"edit": renamed}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)
