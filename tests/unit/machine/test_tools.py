import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_the_project_s_own_tools_come_first_and_once(path, rest):
    variables = {"PATH": path, "HOME": "/home/a"}
    tools.put_first(variables)
    assert variables == {"PATH": ":".join([*OWN, *rest]), "HOME": "/home/a"}


def test_without_a_path_the_machine_s_default_follows():
    variables = {}
    tools.put_first(variables)
    assert variables["PATH"].split(":") == [*OWN, *os.defpath.split(":")]


def test_a_command_finds_them_where_no_environment_is_activated(nova, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "nova", lambda **_: seen.append(os.environ["PATH"]))
    nova("status", variables={"PATH": "/usr/bin:/bin"})
    assert seen == [":".join([*OWN, "/usr/bin", "/bin"])]


def test_node_is_the_program_itself_and_not_one_that_starts_it():
    said = subprocess.run([tools.node(), "-p", "process.execPath"], check=True, capture_output=True, text=True)
    assert Path(said.stdout.strip()) == Path(tools.node()).resolve()


def test_where_node_is_no_package_it_is_the_one_beside_python(monkeypatch):
    monkeypatch.setattr(tools, "find_spec", lambda _: None)
    assert tools.node() == str(Path(sys.executable).with_name("node"))
