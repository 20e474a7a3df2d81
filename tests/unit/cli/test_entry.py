import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.cli.entry import main

# Runs `nova` where one package is not installed.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
sys.argv = ["nova", *sys.argv[2:]]
from nova_infra.cli import entry
entry.main()
"""


def test_an_interruption_while_modules_load_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "nova_infra.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "nova_infra.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted: nothing had been started\n")


@pytest.mark.parametrize(("package", "command"), one_of_each([("click", "--help"), ("aiohttp", "rehearse")]))
def test_a_missing_package_is_named_with_the_way_to_install_it(example: Path, package: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, command], cwd=example, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"nova: {package} is not installed: pip install 'nova-infra[tools,rehearsal]'",
    )
