"""What is said of a command that failed, and of a build that leaves nothing."""

import asyncio
from pathlib import Path

import pytest

from nova_infra.containers.errors import EngineError
from nova_infra.machine import git
from nova_infra.rehearsal.delivery.definition import BuildAction, Stage
from nova_infra.rehearsal.pipeline.builds import (
    ActionFailedError,
    asks_aws,
    begins_in,
    led_here,
    log_name,
    manifest_of,
    run_build_command,
    why_it_failed,
    why_no_artifact,
)
from nova_infra.rehearsal.pipeline.simulated import simulated
from nova_infra.rehearsal.record import ActionRecord

TAG = "8c70a0725ba0" + "4" * 52
NO_NPM = "its image does not build: STEP 4/8: RUN npm install / /bin/sh: 1: npm: not found"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], ""),
        (["make: *** [Makefile:7: images] Error 1"], ""),
        (
            ["src/a.c:3: error: x", "make: *** [Makefile:3: a] Error 1", "make: *** Waiting for unfinished jobs...."],
            "; src/a.c:3: error: x",
        ),
        (["a.c:3: no", "make: *** Deleting file 'a.o'", "make: *** [a.o] Error 1"], "; a.c:3: no"),
        (["a.c:3: no", "gmake[1]: *** [a.o] Error 1"], "; a.c:3: no"),
        (["make: *** No rule to make target 'check'.  Stop."], "; make: *** No rule to make target 'check'. Stop."),
        (
            ["FAILED tests/test_a.py::test_b - assert 0", "1 failed in 2 s", "make: *** x"],
            "; FAILED tests/test_a.py::test_b - assert 0",
        ),
        (["STEP 1", f"desk:{TAG}: {NO_NPM}", "make: *** x"], f"; desk:8c70a0725ba0: {NO_NPM}"),
        (
            ["built keep", f"desk:{TAG}: no", f"mail:{TAG}: no", "a word between", f"desk:{TAG}: no"],
            "; desk:8c70a0725ba0: no; mail:8c70a0725ba0: no",
        ),
        ([f"s{n}:{TAG}: no" for n in range(5)], "; s0:8c70a0725ba0: no; s1:8c70a0725ba0: no; s2:8c70a0725ba0: no; …"),
        (["all is well", "error: no space", "bye", "make[2]: *** x"], "; error: no space"),
        (["x" * 500 + " the cause"], f"; {'x' * 200}…{'x' * 189} the cause"),
    ],
)
def test_a_command_that_failed_says_why(lines: list[str], said: str) -> None:
    assert why_it_failed("\n".join(["error: of a command before", *lines]), lines) == said


def test_a_build_that_fails_for_what_a_stand_in_lacks_is_no_verdict(tmp_path: Path) -> None:
    def run(said: str) -> None:
        action = BuildAction("Images", 1, (), (), {}, privileged=True, updates_pipeline=False)
        record, log = ActionRecord("Images", "build", 1), tmp_path / "images.log"
        log.unlink(missing_ok=True)
        command = f"echo '{said}'; exit 2"
        asyncio.run(run_build_command(command, action, record, directory=tmp_path, environment={}, log=log))

    lacks = f"desk:{TAG}: Dockerfile:3 finds no such program in localhost/python:3, which stands in for python:3: x"
    with pytest.raises(EngineError, match="Dockerfile:3 finds no such program"):
        run(lacks)
    with pytest.raises(ActionFailedError):
        run(lacks.replace("which stands", "that stood"))


def test_a_build_has_to_write_what_its_artifact_is_taken_from(tmp_path: Path) -> None:
    place = tmp_path / "cdk.out"
    assert "leave no cdk.out" in why_no_artifact(place, manifest_of(place))
    place.mkdir()
    assert why_no_artifact(place, manifest_of(place)) == "", "something that is no assembly"
    (place / "manifest.json").touch()
    assert why_no_artifact(place, 0) == ""
    assert "leave no cdk.out" in why_no_artifact(place, manifest_of(place)), "an older one is not in a fresh checkout"
    assert why_no_artifact(tmp_path / "$OUT", 0) == ""


def test_commands_that_ask_aws_are_known() -> None:
    asking = ["aws ssm get-parameter --name x", "URL=$(aws ssm get-parameter)", "{ cd x\n} && { aws s3 cp a b\n}"]
    assert all(asks_aws([each]) for each in asking)
    assert not asks_aws(["echo aws is fine", "aws --version", "pytest tests/aws", "./aws x"])


def test_a_synthesis_asks_aws_for_zones_that_nobody_has_looked_up(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"missing": [{"provider": "availability-zones", "props": {}}]}')
    assert asks_aws(["cdk synth"], tmp_path)
    assert not asks_aws(["cdk synth"], tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("commands", "leaves", "played"),
    [(("cdk synth",), "cdk.out", True), (("make images",), "", False), (("docker build .",), "out", False)],
)
def test_a_synth_step_that_may_use_an_engine_is_played_without_one(
    commands: tuple[str, ...], leaves: str, played: bool
) -> None:
    action = BuildAction("Synth", 1, (), commands, {}, privileged=True, updates_pipeline=False, leaves=leaves)
    assert (simulated(action, Stage("Build", (action,)), with_images=False) is None) == played


@pytest.mark.parametrize(
    ("command", "here"),
    [
        ("curl http://$HOST/", "curl http://127.0.0.1:4080/"),
        ('curl "http://${HOST}/v"; x', 'curl "http://127.0.0.1:4080/v"; x'),
        ("curl http://'$HOST'", "curl http://127.0.0.1:4080"),
        ("curl -k https://$HOST:443/a", "curl -k http://127.0.0.1:4443/a"),
        ("curl http://$HOST:80", "curl http://127.0.0.1:4080"),
        ("curl http://$HOST:8080", "curl http://$HOST:8080"),
        ("curl http://$HOSTS/", "curl http://$HOSTS/"),
        ("curl http://$OTHER/", "curl http://$OTHER/"),
        ("nc -z $HOST", "nc -z $HOST"),
    ],
)
def test_a_name_of_a_load_balancer_leads_here(command: str, here: str) -> None:
    def localize(text: str) -> str:
        return text.replace("http://a.elb.test", "http://127.0.0.1:4080").replace(
            "https://a.elb.test", "http://127.0.0.1:4443"
        )

    variables = {"HOST": "a.elb.test", "OTHER": "b.test", "PAGE": "a.elb.test/page", "N": "a"}
    led = {"HOST": "127.0.0.1:4080", "OTHER": "b.test", "PAGE": "127.0.0.1:4080/page", "N": "a"}
    assert led_here([command], variables, localize) == ([here], led)


def test_a_name_that_answers_https_alone_answers_nothing_else_here() -> None:
    led = led_here(
        ["curl http://$HOST", "curl https://$HOST"], {"HOST": "a.test"}, lambda t: t.replace("https://a.test", "u")
    )
    assert led == (["curl http://$HOST", "curl u"], {"HOST": "a.test"})


@pytest.mark.parametrize("name", ["Dev.deploy / build: Push", "Dev.a: " + 300 * "x", "Dev.a: " + 100 * "試"])
def test_the_log_of_an_action_of_any_name_can_be_written(name: str, tmp_path: Path) -> None:
    for each in (name, name.replace("/", "-") + "x"):
        (tmp_path / log_name(each)).write_text("done")
    assert [each.name[:5] for each in tmp_path.iterdir()] == [name[:5]] * 2, "each has its own"


@pytest.mark.parametrize(
    ("commands", "leaves", "at_top"),
    [
        (("cd infra/shop; npx cdk synth",), "infra/shop/cdk.out", True),
        (("pip install -r infra/shop/requirements.txt",), "cdk.out", True),
        (("npx cdk synth",), "infra/shop/cdk.out", True),
        (("npx cdk synth",), "cdk.out", False),
        (("cd my-infra/shop; npx cdk synth",), "cdk.out", False),
        (("cd infra/shops; npx cdk synth",), "cdk.out", False),
    ],
)
def test_a_build_of_an_app_in_a_larger_repository_begins_where_its_commands_expect(
    tmp_path: Path, commands: tuple[str, ...], leaves: str, at_top: bool
) -> None:
    app = tmp_path / "infra" / "shop"
    app.mkdir(parents=True)
    git.run(tmp_path, "init", "--quiet")
    action = BuildAction("Synth", 1, (), commands, {}, privileged=False, updates_pipeline=False, leaves=leaves)
    assert begins_in(app, action).resolve() == (tmp_path if at_top else app).resolve()


def test_a_build_of_an_app_that_is_all_of_its_repository_begins_there(tmp_path: Path) -> None:
    action = BuildAction("Synth", 1, (), ("cd infra",), {}, privileged=False, updates_pipeline=False)
    assert begins_in(tmp_path, action) == tmp_path
    git.run(tmp_path, "init", "--quiet")
    assert begins_in(tmp_path, action) == tmp_path
