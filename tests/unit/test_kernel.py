"""What Nova changes of jsii is called as jsii calls its own, and CDK says the same through it."""

import inspect
import os
import subprocess
import sys

import jsii._type_checking as checking
import pytest

from helpers.exhaustive import one_of_each
from nova_infra import kernel

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
    "no shell": "kernel.subprocess = type('No', (), {'Popen': lambda *_, **__: open('/nowhere')})",
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


def test_somebody_s_own_runtime_of_jsii_is_started_by_jsii() -> None:
    said = run(JSII_RUNTIME="/nowhere/runtime.js")
    assert "Cannot find module '/nowhere/runtime.js'" in said.stderr
