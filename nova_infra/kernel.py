"""Speeds up CDK's process in Node (jsii) and its start: call these before ``aws_cdk`` is imported."""

import atexit
import io
import os
import platform
import re
import shutil
import socket
import subprocess
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from nova_infra.errors import RefusedError

_WITH_A_THIRD = 'exec "$@" 3<&0 0</dev/null'
"""A shell script that runs a command whose file 3 is the shell's standard input, for reading and writing."""

_PRELOADED = Path(__file__).parent / "machine" / "kernel.cjs"
_YOUNG = "--max-semi-space-size=64"
"""MB for what is young, instead of 16: with less room, Node copies what soon ends, a tenth of a large synthesis."""
_OLDEST = 18  # kernel.cjs ends an older one
_REMEDY = "run make setup, which installs the right one, and leave JSII_NODE and JSII_RUNTIME unset"


def trust_types() -> None:
    """Leave out typeguard's look at every argument of every call, which takes as long as the calls.

    mypy has checked the types, the tests synthesize with typeguard, and CDK itself refuses what it cannot take.
    """
    from jsii import _type_checking as checking

    checking.check_type = lambda **_: None
    checking.cached_type_hints = lambda *_: defaultdict(lambda: None)


def connect_directly() -> None:
    """Let Python and CDK share a socket, without the process of jsii that hands each line on between them.

    A synthesis exchanges thousands of lines, each waiting for the one before: to hand them on takes a seventh of the
    processor time of 16 services in three environments, and more by the clock. What CDK prints goes where Python's own
    output goes. This is as jsii 1.142 starts it; where another version does not answer so, jsii starts it by itself.

    Raises:
        RefusedError: There is no Node, now; or, when ``aws_cdk`` is imported, CDK does not start in it.
    """
    node = os.environ.get("JSII_NODE", "node")
    if shutil.which(node) is None:
        raise RefusedError(f"{node}: not found, and CDK runs in Node: {_REMEDY}")
    try:
        from jsii._kernel.providers.process import _NodeProcess

        provider: Any = _NodeProcess
        own = provider.start
    except (ImportError, AttributeError):
        return

    def start(process: Any) -> Any:
        for begin in (_start, own) if "JSII_RUNTIME" not in os.environ else (own,):
            try:
                return begin(process)
            except Exception:  # whatever another version of jsii answers otherwise, its own start can read
                if fault := _fault(node):
                    break
        atexit.unregister(process.stop)
        process.stop = process._ctx_stack.close  # there is nothing else to stop when it is let go
        raise RefusedError(f"{node}: {fault or 'CDK does not start in it'}: {_REMEDY}")

    provider.start = start


def _fault(node: str) -> str:
    """What is wrong with a program that should be a Node in which CDK runs, by the version that it names."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, errors="replace", check=False).stdout
    except OSError:
        said = ""
    version = re.match(r"v(\d+)\.", said)
    if version is None:
        return "does not run as Node does"
    return f"is Node {said.strip()}, and CDK needs {_OLDEST} or newer" if int(version[1]) < _OLDEST else ""


def _start(process: Any) -> None:
    """Start CDK's program, which ``jsii-runtime.js`` would start: its file 3 is the connection.

    It is in a process group of its own, so that Ctrl-C ends only Python, and then Node, by the end of the connection.
    """
    program = Path(process._jsii_runtime()).parents[1] / "lib" / "program.js"
    if not program.is_file():
        raise FileNotFoundError(program)
    options = ["--max-old-space-size=4069", _YOUNG, "--preserve-symlinks", f"--require={_PRELOADED}"]
    node = [os.environ.get("JSII_NODE", "node"), *options, str(program), str(program.parents[1])]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started: Any = subprocess.Popen(
            ["/bin/sh", "-c", _WITH_A_THIRD, "sh", *node],
            stdin=theirs.fileno(),
            process_group=0,
            env={**os.environ, "JSII_AGENT": f"Python/{platform.python_version()}"},
        )
        # What jsii reads, writes, and closes at the end.
        started.stdin, started.stdout = (os.fdopen(os.dup(ours.fileno()), mode) for mode in ("wb", "rb"))
    # Nothing to pass on: jsii waits for neither.
    started.stderr, process.sink_thread = io.BytesIO(), threading.Thread()
    process._process = started
    try:
        process.handshake()
    except BaseException:
        started.kill()
        started.wait()
        raise
    atexit.register(process.stop)
