"""What set-up lets mypy read: the libraries that the sources import, and nothing of the project."""

import runpy
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "library_imports.py"
library_imports = runpy.run_path(str(SCRIPT))["library_imports"]


def test_libraries_are_imported_as_the_sources_do_and_the_projects_own_modules_are_not(tmp_path: Path) -> None:
    sources = {
        "app.py": "import json, shop\nfrom helper import this\n",
        "helper.py": "from __future__ import annotations\n",
        "shop/__init__.py": "from . import sibling\nfrom shop.parts import one\n",
        "shop/parts.py": "def late():\n    from boto3.session import (\n        Session as S, lookup)\n",
        "services/carts/src/carts/main.py": "import carts.words as words\nimport httpx as http\n",
        "services/carts/tests/test_main.py": "import pytest\n",
    }
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    given = [tmp_path / name for name in ("app.py", "shop", "services/carts/src", "services/none/src")]
    assert library_imports(given, tmp_path) == [
        "from boto3.session import Session",
        "from boto3.session import lookup",
        "import httpx",
        "import json",
    ]


def test_the_linter_leaves_out_what_set_up_writes_also_where_no_git_reads_its_list(tmp_path: Path) -> None:
    """As in an archive: what the script prints is sorted by module, and nobody's code."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "app.py").write_text('"""Tidy."""\n')
    for directory in (".nova", "cdk.out", "dist"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "generated.py").write_text("import sys, os")
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        result = subprocess.run(["ruff", *command, "."], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout
