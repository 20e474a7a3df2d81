"""Set-up by stand-ins: Pythons that only say their version and make a .venv of stand-ins."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
DONE = "setting up: Python packages\nsetting up: the CDK CLI, Python's bytecode and types\n"
PYTHON = """#!/bin/sh
case "$*" in
  *version_info*) echo {version} ;;
  *"import fcntl"*) exec {real} "$@" ;;
  "-I -m venv .venv")
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    printf '#!/bin/sh\\necho "$@" "${{UV_NO_INDEX:+no index}}" >> called\\n' > .venv/bin/uv
    echo '[ ! -e no-wheel ] || [ -z "${{UV_NO_INDEX:-}}" ]' >> .venv/bin/uv
    printf '#!/bin/sh\\necho "$@" "${{npm_config_offline:+offline}}" >> called\\n' > .venv/bin/npm
    echo '[ ! -d ../wheels ] || {{ mkdir -p ../npm && echo npm > ../npm/packed; }}' >> .venv/bin/npm
    echo '[ "$1" != ci ] || {{ mkdir -p node_modules/.bin && touch node_modules/.bin/cdk; }}' >> .venv/bin/npm
    echo '[ "$1" != pack ] || echo "$@" > ../cli/packed' >> .venv/bin/npm
    printf '#!/bin/sh\\necho mypy "$@" >> called\\n' > .venv/bin/mypy
    chmod +x .venv/bin/* ;;
  *ensurepip*) ;;
  *"pip download"*requirements-tests*) [ ! -e no-wheel ] || exit 1 ;;
  *"pip download"*) mkdir -p .nova/tools/wheels && echo wheel > .nova/tools/wheels/a.whl; echo "$@" >> downloaded ;;
  "-I -c import "*) echo "imports ${{3#import }}" >> called ;;
  "-I -m nova_infra.machine.kit") printf 'audio\\nweb\\n' ;;
  *pip*) echo pip "${{PIP_NO_INDEX:+no index}}" >> called ;;
esac
"""


def project_of_stand_ins(tmp_path: Path) -> Path:
    """A directory for set-up whose name has a space and letters beyond ASCII, and a directory of Pythons."""
    root = tmp_path / "配送 platform"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPTS / "setup.sh", root / "scripts")
    for name in ("requirements-uv.txt", "requirements-dev.txt", "requirements-tests.txt", "pyproject.toml"):
        (root / name).touch()
    (root / "package.json").write_text('{"devDependencies": {\n  "aws-cdk": "2.1.0"\n}}\n')
    (tmp_path / "bin").mkdir()
    for name, version in {"python3": "3.12.1", "python3.9": "3.9.18", "python3.13": "3.13.0"}.items():
        add_python(tmp_path, name, version)
    return root


def add_python(directory: Path, name: str, version: str) -> None:
    path = directory / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(PYTHON.format(version=version, real=shlex.quote(sys.executable)))
    path.chmod(0o755)


def setup(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it; the calls that it makes for packages are in `called`."""
    (root / "called").unlink(missing_ok=True)
    with begin_setup(root, **variables) as running:
        out, err = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def begin_setup(root: Path, **variables: str) -> subprocess.Popen[str]:
    """Start it."""
    path = f"{root / '.venv' / 'bin'}:{root.parent / 'bin'}:{os.environ['PATH']}"  # as make and an activation have it
    environment = {"PATH": path, "HOME": str(root.parent)} | variables
    return subprocess.Popen(
        [root / "scripts" / "setup.sh"],
        env=environment,
        cwd=root.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
