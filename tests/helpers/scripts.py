"""The programs in ``scripts/``, which are in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[2] / "scripts"


def load_script(name: str) -> ModuleType:
    """Import a script by its name, without running it."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018 - the file is there
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its data classes look themselves up
    sys.path.insert(0, str(SCRIPTS))  # it may import another one
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module
