import subprocess
import sys
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each

# Runs `nova` where one package is not installed.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
sys.argv = ["nova", *sys.argv[2:]]
from nova_infra.cli.entry import main
main()
"""


@pytest.mark.parametrize(("package", "command"), one_of_each([("click", "--help"), ("aiohttp", "rehearse")]))
def test_a_missing_package_is_named_with_the_way_to_install_it(example: Path, package: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, command], cwd=example, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"nova: {package} is not installed: pip install 'nova-infra[tools,rehearsal]'",
    )
