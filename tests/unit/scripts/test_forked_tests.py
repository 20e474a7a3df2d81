"""How tests end in a fork, and what may count as a mutant that they notice."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.scripts import SCRIPTS

TESTS = """
import time
import beside
def test_passes(): assert beside
def test_fails(): assert False
def test_hangs(): time.sleep(100)
"""
RUNS = {
    "passes": ["test_some.py::test_passes"],
    "fails": ["test_some.py::test_fails"],
    "hangs": ["test_some.py::test_hangs"],
    "is not found": ["test_some.py::test_of_another_name"],
    "holds nothing": ["test_none.py"],
}
PROGRAM = """
import json, pathlib, sys
import forked_tests
forked_tests.LOADED = ("pytest", "xdist.plugin")
PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}  # the others take seconds
tests = forked_tests.Tests(pathlib.Path.cwd(), environment=PLUGINS, timeout=50, broken=["beside"])
runs = json.loads(sys.argv[1]).items()
found = {name: tests.run(ids, shared=None, patience=0.01 if name == "hangs" else 1) for name, ids in runs}
tests.must_pass(["test_some.py::test_passes"], shared=None, seconds=pathlib.Path("seconds.json"))
print(json.dumps(found), flush=True)
tests.must_pass(["test_some.py::test_of_another_name"], shared=None)
"""


def test_only_a_test_that_fails_or_hangs_has_noticed_something(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_none.py").write_text("")
    (tmp_path / "beside.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(RUNS)],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    found = json.loads(ended.stdout)
    assert found == {"passes": 0, "fails": 1, "hangs": 1, "is not found": 4, "holds nothing": 5}
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "mutants: while nothing is broken, pytest ends with 4 in a fork: pytest -x -n0 test_"
    )
    assert json.loads((tmp_path / "seconds.json").read_text()).keys() == {"test_some.py"}
    kept = {file.name.split(".")[0] for file in tmp_path.rglob("*.pyc")}
    assert kept == {"beside", "test_some"}, "what a mutant is compiled to would be left for the next"
