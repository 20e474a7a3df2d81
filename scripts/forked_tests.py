"""Runs a mutant's tests in forks of a process that has loaded all they need: most of a test's time."""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

LOADED = (
    *("pytest", "_pytest.assertion.rewrite", "xdist", "hypothesis", "yaml", "jinja2", "click", "pydantic"),
    *(
        "boto3",
        "botocore.session",
        "botocore.stub",
        "nova_infra.config",
        "nova_infra.assembly",
        "nova_infra.deployed.model",
    ),
)
"""Not CDK: it starts a process of its own, which forks cannot share."""
PASSED, FAILED, _CRASHED, NOTHING = 0, 1, 3, 5


class _Seconds:
    """A plugin of pytest that writes how long each file's tests take."""

    def __init__(self, place: Path) -> None:
        self._place, self._seconds = place, dict[str, float]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add what a part of a test took."""
        file = report.nodeid.split("::")[0]
        self._seconds[file] = self._seconds.get(file, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        self._place.write_text(json.dumps(self._seconds), encoding="utf-8")


class Tests:
    """The tests of a copy of the project."""

    def __init__(self, copy: Path, *, environment: Mapping[str, str], timeout: float, broken: Iterable[str]) -> None:
        """Load what all tests need.

        Args:
            copy: The project that is broken and tested.
            environment: Variables of the tests.
            timeout: Seconds for one run that has no more patience; a longer one has noticed something.
            broken: Where modules are broken, relative to the copy: none of these may be loaded before.
        """
        self._copy, self.timeout = copy, timeout
        os.environ.update(environment)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        for name in LOADED:
            importlib.import_module(name)
        places = [str(copy / each) for each in broken]
        loaded = [str(getattr(module, "__file__", None)) for module in list(sys.modules.values())]
        if early := next((file for file in loaded if file.startswith(tuple(places))), None):
            sys.exit(f"mutants: {early} is loaded before it is broken: take what imports it out of LOADED")

    def run(
        self, tests: Sequence[str], *, shared: Path | None, patience: float = 1, seconds: Path | None = None
    ) -> int:
        """Run some tests, until one fails.

        Args:
            tests: Their ids, or files and directories.
            shared: Where assemblies are that were synthesized before; None to synthesize them again.
            patience: How many times as long it may take.
            seconds: Where to write how long each of the files takes. What such a run compiles, the others load.

        Returns:
            How pytest ends: https://docs.pytest.org/en/stable/reference/exit-codes.html; ``FAILED`` after the timeout.
        """
        child = os.fork()
        if child == 0:
            code = _CRASHED
            try:
                code = self._run(tests, shared, seconds)
            finally:
                os._exit(code)
        try:
            deadline = time.monotonic() + patience * self.timeout
            while time.monotonic() < deadline:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.02)
            return FAILED
        finally:
            self._stop(child)

    def must_pass(self, tests: Sequence[str], *, shared: Path | None, seconds: Path | None = None) -> None:
        """Exit unless some tests pass while nothing is broken: what fails by itself notices nothing."""
        if code := self.run(tests, shared=shared, patience=30, seconds=seconds):
            some = " ".join(tests[:3])
            sys.exit(f"mutants: while nothing is broken, pytest ends with {code} in a fork: pytest -x -n0 {some} …")

    def _run(self, tests: Sequence[str], shared: Path | None, seconds: Path | None) -> int:
        os.setsid()  # so that all it starts can be stopped with it
        sys.dont_write_bytecode = seconds is None  # its variable is read when Python starts
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        if shared is not None:
            os.environ["NOVA_SHARED"] = str(shared)
        pytest = importlib.import_module("pytest")
        options = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
        return int(pytest.main([*options, *tests], plugins=[_Seconds(seconds)] if seconds else []))

    def _stop(self, child: int) -> None:
        try:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
