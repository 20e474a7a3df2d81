import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.cli import main as cli
from nova_infra.machine import tools

OWN = [str(Path(sys.executable).parent), str(Path(__file__).parents[3] / "node_modules" / ".bin")]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/other/node/bin:/usr/bin", ["/other/node/bin", "/usr/bin"]),
        (f"/usr/bin:{OWN[0]}", ["/usr/bin"]),
        (f"{OWN[1]}:{OWN[0]}:/配 送/bin", ["/配 送/bin"]),
    ],
)
def test_the_project_s_own_tools_come_first_and_once(path: str, rest: list[str]) -> None:
    variables = {"PATH": path, "HOME": "/home/a"}
    tools.put_first(variables)
    assert variables == {"PATH": ":".join([*OWN, *rest]), "HOME": "/home/a"}


def test_without_a_path_the_machine_s_default_follows() -> None:
    variables: dict[str, str] = {}
    tools.put_first(variables)
    assert variables["PATH"].split(":") == [*OWN, *os.defpath.split(":")]


def test_a_command_finds_them_where_no_environment_is_activated(
    nova: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(cli, "nova", lambda **_: seen.append(os.environ["PATH"]))
    nova("status", variables={"PATH": "/usr/bin:/bin"})
    assert seen == [":".join([*OWN, "/usr/bin", "/bin"])]


@pytest.mark.exhaustive("test_where_node_is_no_package_it_is_the_one_beside_python")
def test_node_is_the_program_itself_and_not_one_that_starts_it() -> None:
    said = subprocess.run([tools.node(), "-p", "process.execPath"], check=True, capture_output=True, text=True)
    assert Path(said.stdout.strip()) == Path(tools.node()).resolve()


def test_where_node_is_no_package_it_is_the_one_beside_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find_spec", lambda _: None)
    assert tools.node() == str(Path(sys.executable).with_name("node"))


@pytest.mark.parametrize("directory", one_of_each(["plain", "with a space", 'with "quotes"', "with\\backslash"]))
def test_what_node_loads_before_cdk_is_found_wherever_the_project_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    there = tmp_path / directory
    there.mkdir()
    shutil.copy(Path(tools.__file__).with_name("node.cjs"), there)
    monkeypatch.setattr(tools, "__file__", str(there / "tools.py"))
    variables = dict(os.environ)
    variables.pop("NODE_OPTIONS", None)
    tools.prepare_node(variables)
    loaded = [variables["JSII_NODE"], "-p", "Object.keys(require.cache).join()"]
    said = subprocess.run(loaded, env=variables, check=True, capture_output=True, text=True)
    assert (said.stdout.strip(), said.stderr) == (str((there / "node.cjs").resolve()), "")


def test_what_somebody_sets_for_node_stays() -> None:
    variables = {"JSII_NODE": "/opt/node", "NODE_OPTIONS": "--max-http-header-size=7777"}
    tools.prepare_node(variables)
    assert variables == {"JSII_NODE": "/opt/node", "NODE_OPTIONS": "--max-http-header-size=7777"}
