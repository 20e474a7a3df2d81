"""An app that knows nothing of Nova is rehearsed as its authors would: with one command, in its own directory."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nova_infra.errors import NovaError
from nova_infra.synthesis import synthesize_app

ROOT = Path(__file__).parents[3]
NOVA = Path(sys.executable).with_name("nova")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a directory of its own, without a repository, synthesized."""
    directory = tmp_path_factory.mktemp("app") / "greeter"
    shutil.copytree(ROOT / "examples" / "rehearse-any-app", directory)
    return directory


def rehearse(app: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """The exit code, what was printed, and the record."""
    words = [str(NOVA), "rehearse", "--approve", "--tasks", "sources", "--json", "record.json", *options]
    path = os.pathsep.join([str(NOVA.parent), str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "GIT_CEILING_DIRECTORIES": str(app.parent)}
    done = subprocess.run(words, cwd=app, env=environment, check=False, capture_output=True, text=True)
    written = app / "record.json"
    return done.returncode, done.stdout + done.stderr, json.loads(written.read_text()) if written.exists() else {}


@pytest.mark.exhaustive("rehearsal/pipeline/test_player.py::test_a_good_release_goes_through_with_its_canary")
def test_an_app_that_nobody_wrote_for_nova_is_played(app: Path) -> None:
    assert not any("nova" in path.read_text() for path in app.rglob("*.*") if path.is_file())
    code, said, record = rehearse(app, "--app", f"{shlex.quote(sys.executable)} app.py")
    assert code == 0, said
    assert "✓ Production would take this release." in said
    assert {stage["name"]: stage["status"] for stage in record["stages"]} == dict.fromkeys(
        ["Source", "Build", "UpdatePipeline", "Assets", "Test", "Production"], "succeeded"
    )
    released = [each for each in record["deployments"] if not each["baseline"]]
    assert [each["service"].partition("-Greeter-")[0] for each in released] == ["Test", "Production"]
    assert all(set(each["answers"]) == {"GET /", "GET /version"} for each in released)


@pytest.mark.exhaustive("rehearsal/pipeline/test_player.py::test_a_good_release_goes_through_with_its_canary")
def test_what_production_alone_cannot_run_is_stopped_there(app: Path) -> None:
    assembly = app / ".nova" / "assembly"
    [production] = assembly.glob("assembly-*Production/*.template.json")
    production.write_text(production.read_text().replace('"GREETING"', '"GREETINGS"'))
    [server] = assembly.glob("asset.*/server.py")
    server.write_text(server.read_text() + "\n")
    server.write_text(server.read_text().replace("signal.signal(", "os.environ['GREETING']\nsignal.signal(", 1))
    code, said, _ = rehearse(app, "--assembly", str(assembly), "--app", "python app.py")
    # It is released over itself, so that nothing of it has ever run there.
    assert (code, "KeyError: 'GREETING'" in said.partition("✗")[2]) == (1, True), said
    assert "✗ This release would be stopped in Production" in said, said


def test_an_assembly_that_another_language_made_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "cdk.out" / "manifest.json").write_text("{}")
    assert synthesize_app(tmp_path, "cdk.out") == tmp_path / "cdk.out"


@pytest.mark.parametrize("app", ["cdk.out", "nowhere", "no-such-program"])
def test_what_is_neither_a_command_nor_an_assembly_is_reported_without_asking_the_cdk_cli(
    app: str, tmp_path: Path
) -> None:
    (tmp_path / "cdk.out").mkdir()
    with pytest.raises(NovaError, match=rf"--app {app}: is neither a command nor the directory of an assembly"):
        synthesize_app(tmp_path, app)
