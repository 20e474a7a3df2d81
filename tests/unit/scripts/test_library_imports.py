"""What set-up lets mypy read: the libraries that the sources import, and nothing of the project."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "library_imports.py"
library_imports = runpy.run_path(str(SCRIPT))["library_imports"]


def test_libraries_are_imported_as_the_sources_do_and_the_projects_own_modules_are_not(tmp_path):
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
