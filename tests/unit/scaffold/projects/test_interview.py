"""The answers that a new project is made from: options, and defaults for the rest."""

from dataclasses import replace
from pathlib import Path

import pytest

from nova_infra.errors import NovaError
from nova_infra.scaffold.projects import interview as interviewing
from nova_infra.scaffold.projects.answers import ACCOUNTS
from nova_infra.scaffold.projects.interview import Given, interview

NOTHING = Given(None, None, None, (), (), ())


def test_what_is_not_given_has_a_default(tmp_path: Path) -> None:
    answers = interview(NOTHING, tmp_path / "Acme Shop", ask=False)
    assert (answers.name, answers.repository, answers.engine) == ("acme-shop", "org/acme-shop-platform", "codepipeline")
    assert len({answers.accounts[place] for place in answers.accounts}) == 4
    assert set(answers.regions.values()) == {"us-east-1"}
    given = replace(NOTHING, accounts=("prod=900000000001", "900000000002"), regions=("eu-west-1", "dev=us-west-2"))
    answers = interview(given, tmp_path / "acme", ask=False)
    assert answers.accounts == dict.fromkeys(["toolchain", "dev", "staging"], "900000000002") | {"prod": "900000000001"}
    assert answers.regions == dict.fromkeys(["toolchain", "staging", "prod"], "eu-west-1") | {"dev": "us-west-2"}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("eu-west-1", "us-west-2"), "--region us-west-2: everything has eu-west-1 already: give one of them"),
        (("dev=eu-west-1", "us-west-2", "dev=eu-west-2"), "--region dev=eu-west-2: dev has eu-west-1 already"),
        (("dve=eu-west-1", "dev=mars"), "--region dve=eu-west-1: 'dve' is not one of .*\n--region 'mars' is not"),
    ],
)
def test_a_place_that_is_given_twice_is_refused(tmp_path: Path, given: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(NovaError, match=complaint):
        interview(replace(NOTHING, regions=given), tmp_path, ask=False)
    with pytest.raises(NovaError, match=f"^--account '12' is not an AWS account.*\n{complaint}"):
        interview(replace(NOTHING, regions=given, accounts=("prod=12",)), tmp_path, ask=False)


def test_every_option_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(NovaError) as refused:
        interview(
            Given("Up", "shop", "jenkins", ("12",), ("mars",), ("kit", "Two Words", "a", "a")), tmp_path, ask=False
        )
    lines = [line.partition(" ") for line in str(refused.value).splitlines()]
    assert [(option, fault.split("'")[1]) for option, _, fault in lines] == [
        ("--account", "12"),
        ("--region", "mars"),
        ("--name", "Up"),
        ("--repository", "shop"),
        ("--engine", "jenkins"),
        ("--service", "kit"),
        ("--service", "Two"),
        ("--service", "Words"),
        ("--service", "a"),
    ]


def test_a_region_that_is_given_twice_is_one(tmp_path: Path) -> None:
    given = replace(NOTHING, regions=("eu-west-1", "dev=us-west-2", "eu-west-1", "dev=us-west-2"))
    assert interview(given, tmp_path, ask=False).regions["dev"] == "us-west-2"


def test_regions_that_are_not_given_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []
    monkeypatch.setattr(interviewing, "has_terminal", lambda: True)

    def prompt(text: str, default: str) -> str:
        questions.append(f"{text} [{default}]")
        return default

    monkeypatch.setattr("click.prompt", prompt)
    given = replace(NOTHING, regions=("toolchain=eu-west-1", "dev=us-west-2"))
    assert interview(given, tmp_path, ask=True).regions == dict.fromkeys(ACCOUNTS, "eu-west-1") | {"dev": "us-west-2"}
    assert "AWS region of the rest [eu-west-1]" in questions


@pytest.mark.parametrize("region", ["eu-south-2", "us-gov-west-1", "cn-north-1"])
def test_a_region_that_cannot_deliver_is_refused_before_anything_is_written(tmp_path: Path, region: str) -> None:
    with pytest.raises(NovaError, match=f"--region '{region}' (has no|cannot sign) ") as raised:
        interview(replace(NOTHING, regions=(region,)), tmp_path, ask=False)
    assert "\n" not in str(raised.value)
    interview(replace(NOTHING, regions=(region, "toolchain=us-east-1")), tmp_path, ask=False)
    if "us-gov" in region:
        assert str(raised.value).endswith(": start again with --engine github-actions")
