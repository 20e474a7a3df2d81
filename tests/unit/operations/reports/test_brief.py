"""``nova brief``: what an approver reads first, and what is left out."""

from typing import Any

import pytest

from nova_infra.deployed.aws.toolchain import PipelineAction
from nova_infra.documents.render import render
from nova_infra.operations.changes.differences import Difference, Kind, differences
from nova_infra.operations.reports.brief import Brief, StackChanges, apart_from_images, document, image_tags, subject
from nova_infra.operations.reports.commits import Commit, Commits

TESTS = (
    PipelineAction("Build", "Synth", "Succeeded", build="1"),
    PipelineAction("Staging", "E2ETests", "Succeeded", build="2"),
)
ONE = Commits((Commit("c" * 10, "Mei", "Raise the limit"),))


def changes(*kinds: Kind, what: str = "does something") -> StackChanges:
    return StackChanges(
        "nova-prod-audio", tuple(Difference("Thing", "AWS::T", kind, what, str(n)) for n, kind in enumerate(kinds))
    )


@pytest.fixture
def brief(make: Any) -> Any:
    """Makes a brief of a release that nothing speaks against, but for what is given."""

    def made(**values: Any) -> Brief:
        default = {
            "environment": "nova-prod",
            "name": "prod",
            "candidate": make.bad,
            "running": make.entry(make.good),
            "last_good": make.entry(make.good),
            "commits": ONE,
            "images": {"audio": ("old", "new"), "video": ("same", "same")},
            "stacks": (),
            "tests": TESTS,
            "alarms": (make.alarm("audio-errors"),),
            "warnings": (),
            "unseen": (),
        }
        return Brief(**{**default, **values})

    return made


def text(brief: Brief) -> str:
    return render(document(brief), "text")


def test_the_brief_of_a_good_release_fits_a_screen(brief: Any) -> None:
    assert text(brief()).splitlines() == [
        "nova-prod: release bbbbbbbbbbbb over aaaaaaaaaaaa",
        "It replaces no data, widens no access, opens no network.",
        "",
        "Commits (1)",
        "  - cccccccccc Raise the limit by Mei",
        "",
        "Images (1 of 2 change)",
        "  - audio: old → new",
        "  - 1 service keeps its image",
        "",
        "Tested",
        "  ✓ Build.Synth passed",
        "  ✓ Staging.E2ETests passed",
        "",
        "Alarms now",
        "  ✓ 1 is OK",
        "",
        "If it goes wrong",
        "    nova rollback prod --to aaaaaaaaaaaa",
    ]


def test_the_verdict_counts_what_must_not_be_missed_and_it_comes_first(brief: Any) -> None:
    stacks = (changes(Kind.REPLACES_DATA, Kind.WIDENS_ACCESS, Kind.WIDENS_ACCESS, Kind.OTHER),)
    lines = text(brief(stacks=stacks, warnings=("bbb is on hold: it loses uploads",))).splitlines()
    assert lines[1] == "Read before you approve: 1 replaces data, 2 widens access, 1 warning"
    titles = [line for line in lines if line and not line.startswith(" ")][2:]
    assert titles[:4] == ["Warnings", "Replaces data (1)", "Widens access (2)", "Commits (1)"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"warnings": ("a newer commit is on its way: ddd Fix",)}, "✗ a newer commit is on its way: ddd Fix"),
        (
            {"tests": (PipelineAction("Dev", "IntegrationTests", "Failed", build="1"),)},
            "✗ Dev.IntegrationTests failed for this",
        ),
        ({"tests": None}, "! not known: the pipeline could not be read"),
        ({"tests": ()}, "! nothing: the pipeline has run no build or test"),
        ({"commits": Commits(unknown="this is not a clone")}, "! not known: this is not a clone"),
        ({"commits": Commits()}, "- none: this commit already runs"),
        ({"commits": Commits((), (Commit("d" * 10, "Eve", "Fix"),))}, "✗ It leaves out 1 of the commits that run now"),
        ({"commits": Commits((), (Commit("d" * 10, "Eve", "Fix"),))}, "✗ left out: dddddddddd Fix by Eve"),
        ({"last_good": None}, "- there is no release to roll back to"),
        ({"unseen": ("the alarms: AWS does not allow it",)}, "! the alarms: AWS does not allow it"),
        ({"images": {"audio": (None, "new")}}, "- audio: not deployed yet → new"),
        ({"alarms": ()}, "! there are none"),
    ],
)
def test_blockers_and_unknowns_are_reported(brief: Any, values: dict[str, Any], says: str) -> None:
    assert f"  {says}" in text(brief(**values))


def test_a_red_alarm_warns_because_ecs_then_watches_none(brief: Any, make: Any) -> None:
    found = text(brief(alarms=(make.alarm("audio-errors", "ALARM"), make.alarm("audio-cpu", "INSUFFICIENT_DATA"))))
    found = " ".join(found.split())
    assert "errors is red: if it is a deployment alarm, ECS will watch none of its service's alarms during" in found
    assert "! 1 have no data, such as nova-prod-audio-cpu" in found


def test_a_red_alarm_of_a_job_is_said_to_stop_no_deployment(brief: Any, make: Any) -> None:
    found = " ".join(text(brief(alarms=(make.alarm("report-failed", "ALARM"),))).split())
    assert "report-failed is red: a job's run failed or is missing" in found
    assert "deployment alarm" not in found


def test_what_could_not_be_seen_weakens_the_verdict(brief: Any) -> None:
    assert text(brief(unseen=("the ledger: no",))).splitlines()[1] == ("Nothing that could be read warns against it.")


def test_long_lists_are_cut_and_say_so_but_not_what_replaces_data(brief: Any) -> None:
    many = Commits(tuple(Commit(f"{n:010}", "Mei", "Change") for n in range(40)))
    stacks = (changes(*[Kind.OTHER] * 30, *[Kind.REPLACES_DATA] * 30),)
    found = text(brief(commits=many, stacks=stacks))
    assert "Commits (40)" in found
    assert "  - and 25 more" in found
    assert "  - and 18 more: `cdk diff` shows them" in found
    assert found.count("  ✗ nova-prod-audio: Thing (T) does something") == 30


def task(image: str, release: str, cpu: str = "256") -> dict[str, Any]:
    container = {"Name": "app", "Image": image, "Environment": [{"Name": "NOVA_RELEASE", "Value": release}]}
    properties = {"Family": "f", "Cpu": cpu, "ContainerDefinitions": [container]}
    return {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}}}


def test_a_new_image_is_reported_once() -> None:
    found = StackChanges("s", tuple(differences(task("r:1", "1"), task("r:2", "2"))))
    assert found.differences
    assert apart_from_images(found).differences == ()


def test_a_task_definition_with_another_change_is_reported_in_full() -> None:
    found = StackChanges("s", tuple(differences(task("r:1", "1"), task("r:2", "2", cpu="512"))))
    assert apart_from_images(found) == found


def test_image_tags_are_read_whatever_way_the_reference_is_written() -> None:
    joined = {"Fn::Join": ["", ["444444444444.dkr.ecr.us-east-1.", {"Ref": "AWS::URLSuffix"}, "/nova/audio:abc"]]}
    assert image_tags(task(joined, "1")) == {"app": "abc"}  # type: ignore[arg-type]
    assert image_tags(None) == {}


def test_the_subject_is_short_ascii_on_one_line(brief: Any) -> None:
    grave = brief(stacks=(changes(Kind.REPLACES_DATA),), warnings=("x",))
    assert subject(grave) == "nova-prod: approve bbbbbbbbbbbb?, 1 warning, replaces data"
    odd = subject(brief(candidate="ünïcode\nBcc: all " * 20))
    assert len(odd) <= 100
    assert odd.isascii()
    assert odd.isprintable()


def test_a_hostile_commit_message_stays_text_in_every_format(brief: Any) -> None:
    evil = Commits((Commit("c" * 10, "<b>Eve</b>", "Fix <script>alert(1)</script> [a](http://x) \x1b[2J"),))
    found = document(brief(commits=evil))
    assert "<script>" not in render(found, "html")
    assert "`cccccccccc Fix <script>alert(1)</script> [a](http://x)  [2J`" in render(found, "markdown")
    assert "\x1b" not in render(found, "text")


def test_what_is_approved_is_known_by_its_templates(brief: Any) -> None:
    said = text(brief(digest="sha256:12ab"))
    assert "templates sha256:12ab: the preflight says it again" in said
    assert "preflight says it again" not in text(brief())
