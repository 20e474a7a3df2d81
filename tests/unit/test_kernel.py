"""What Nova changes of jsii is called as jsii calls its own, and CDK says the same through it."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsii._type_checking as checking
import psutil
import pytest

from helpers.exhaustive import one_of_each
from nova_infra import kernel

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os
from jsii._kernel.providers.process import _NodeProcess as process
from nova_infra import kernel
from nova_infra.machine import tools
tools.prepare_node(os.environ)
kernel.connect_directly()
import psutil
from constructs import Construct, RootConstruct
root = RootConstruct()
print(Construct(root, "Ünter").node.id)
print(len(psutil.Process().children(recursive=True)))
Construct(root, "Same")
try:
    Construct(root, "Same")
except RuntimeError as error:
    print(error)
raise SystemExit(7)
"""


FAULTY = """
import os, sys
from nova_infra import kernel
from nova_infra.machine import tools
tools.prepare_node(os.environ)
os.environ["NODE_OPTIONS"] += f' "--require={sys.argv[1]}"'
kernel.connect_directly()
import aws_cdk as cdk
app = cdk.App(outdir=sys.argv[2])
known = cdk.Environment(account="111111111111", region="eu-west-1")
for scope, environment in ((app, None), (cdk.Stage(app, "Stage"), known)):
    stack = cdk.Stack(scope, "Stack", env=environment)
    cdk.CfnResource(stack, "Queue", type="AWS::SQS::Queue", properties={"DelaySeconds": 1000})
app.synth()
"""
_LATER = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)"
LOADED = """
const { isMainThread } = require("node:worker_threads");
const { Module } = WebAssembly;
const { wait } = Atomics;
Atomics.wait = (...given) => {
  const ended = wait(...given);
  if (isMainThread) console.error(`waited: ${ended}`);
  return ended;
};
WebAssembly.Module = class extends Module {
  constructor(...given) {
    super(...given);
    console.error(`loaded in ${isMainThread ? "CDK's" : "the second"} thread`);
    if (!isMainThread) { FAILS }
  }
};
"""


def test_what_stands_in_place_of_typeguard_is_called_as_jsii_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: getattr(checking, name) for name in ("check_type", "cached_type_hints")}
    assert [[*inspect.signature(each).parameters] for each in own.values()] == [
        ["argname", "value", "expected_type"],
        ["stub"],
    ]
    with pytest.raises(TypeError):
        checking.check_type(argname="argument count", value="five", expected_type=int)
    for name, function in own.items():
        monkeypatch.setattr(checking, name, function)  # so that they are put back
    kernel.trust_types()
    hints = checking.cached_type_hints(kernel.trust_types)
    assert checking.check_type(argname="argument count", value="five", expected_type=hints["count"]) is None


def run(changed: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.replace("kernel.connect_directly()", f"{changed}\nkernel.connect_directly()")
    command, environment = [sys.executable, "-c", program], {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


STRANGE = {
    "no program": """
own, asked = process._jsii_runtime, []
process._jsii_runtime = lambda self: own(self) if asked else asked.append(1) or "/nowhere/bin/jsii-runtime.js"
""",
    "a program that ends": "kernel._WITH_A_THIRD = 'exit 3'",
    "another version": "kernel._WITH_A_THIRD = 'echo \\'{\"hello\": \"no\"}\\' >&0'",
    "an unknown hello": "kernel._WITH_A_THIRD = 'echo \\'{\"version\": 2}\\' >&0'",
    "no hello at all": "kernel._WITH_A_THIRD = 'echo 3 >&0'",
    "no such class": "import sys; sys.modules['jsii._kernel.providers.process'] = sys",
    "no shell": """
kernel.subprocess = type("No", (), {"Popen": lambda *_, **__: open("/nowhere"), "run": kernel.subprocess.run})
""",
}


@pytest.mark.parametrize(
    ("changed", "processes"),
    # One that begins to start and fails, and one of whose start nothing is known.
    [("", "1"), *one_of_each(((each, "2") for each in STRANGE.values()), kind=lambda case: "sys.modules" in case[0])],
)
def test_one_process_answers_for_cdk_or_those_that_jsii_starts(changed: str, processes: str) -> None:
    said = run(changed)
    assert said.stderr == ""
    named, running, refused = said.stdout.splitlines()
    assert (named, running) == ("Ünter", processes)
    assert refused.startswith("There is already a Construct with name 'Same'")
    assert said.returncode == 7


@pytest.mark.parametrize(
    ("says", "fault"),
    # What is no program, and what is none of Node's: each in a process of its own.
    one_of_each(
        [
            (None, "not found, and CDK runs in Node"),
            ("[ $1 = --version ] && echo v14.21.3", "is Node v14.21.3, and CDK needs 18 or newer"),
            ("exit 3", "does not run as Node does"),
            ("echo Python 3.11", "does not run as Node does"),
            ("[ $1 = --version ] && echo v24.19.0", "CDK does not start in it"),
        ],
        kind=lambda case: case[0] is None,
    ),
)
def test_a_node_that_cdk_cannot_use_is_said_in_one_line(says: str | None, fault: str, tmp_path: Path) -> None:
    node = tmp_path / "node"
    if says is not None:
        node.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
        node.chmod(0o755)
    said = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env={**os.environ, "JSII_NODE": str(node)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr.count("\n")) == (2, 1), said.stderr
    assert said.stderr.startswith(f"{node}: {fault}: run make setup")


def test_somebody_s_own_runtime_of_jsii_is_started_by_jsii() -> None:
    said = run(JSII_RUNTIME="/nowhere/runtime.js")
    assert "Cannot find module '/nowhere/runtime.js'" in said.stderr
    assert said.stderr.splitlines()[-1].endswith("leave JSII_NODE and JSII_RUNTIME unset")


@pytest.mark.parametrize("number", one_of_each([signal.SIGINT, signal.SIGKILL]))
def test_a_synthesis_that_is_interrupted_says_nothing_and_leaves_nothing(number: int, tmp_path: Path) -> None:
    """Both as CDK starts; the one signal reaches Python alone, the other every process of the terminal."""
    program = [sys.executable, str(ROOT / "app.py")]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "CDK_OUTDIR": str(tmp_path / "out")}
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (places := [*tmp_path.glob("*/jsii-kernel-*")]):
            assert process.poll() is None, "it ended before CDK started"
            time.sleep(0.01)
        [node] = psutil.Process(process.pid).children()
        assert node.cmdline()[-2].endswith("program.js")
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        assert process.communicate()[1] == b""
    assert process.returncode == -number
    psutil.wait_procs([node], timeout=30)
    assert (node.is_running(), [each for each in places if each.parent.exists()]) == (False, [])


@pytest.mark.parametrize(
    ("fails", "threads"),
    # Where the second thread fails, or ends while CDK waits for it, CDK's own loads the validator after all, at once.
    one_of_each(
        [
            ("", ["the second"]),
            (f"{_LATER}; process.exit(1)", ["CDK's", "the second"]),
            ("throw new Error('it fails')", ["CDK's", "the second"]),
        ],
        kind=lambda case: bool(case[0]),
    ),
)
def test_cdk_s_validator_runs_beside_cdk_and_finds_the_same(fails: str, threads: list[str], tmp_path: Path) -> None:
    (spy := tmp_path / "spy.cjs").write_text(LOADED.replace("FAILS", fails), encoding="utf-8")
    program = [sys.executable, "-c", FAULTY, str(spy), str(tmp_path / "out")]
    said = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "waited: timed-out" not in said.stderr
    assert sorted(re.findall("^loaded in (.+) thread$", said.stderr, re.MULTILINE)) == threads
    reports = json.loads((tmp_path / "out" / "validation-report.json").read_text(encoding="utf-8"))["pluginReports"]
    [report] = [each for each in reports if each["pluginName"] == "CloudFormation Validate"]
    assert report["pluginVersion"][0].isdecimal()
    [violation] = report["violations"]
    assert violation["description"] == "DelaySeconds: 1000 is greater than the maximum of 900"
    assert [each["constructPath"] for each in violation["violatingConstructs"]] == ["Stage/Stack/Queue", "Stack/Queue"]
