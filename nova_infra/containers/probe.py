"""Checks that an engine can start a container with its limits, and get the base images."""

import io
import re
import resource
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nova_infra.containers.build import base_images
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, explain
from nova_infra.machine.scratch import scratch_directory

_PROBE = "localhost/nova-probe:1"
SECONDS = 60
MOST_OPEN_FILES = 2**20
"""The kernel allows no more unless fs.nr_open is raised: https://docs.kernel.org/admin-guide/sysctl/fs.html#nr-open"""
FARGATE_OPEN_FILES = 65535
"""What a task gets whose definition does not say: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html"""
_NOT_FOUND = 127
"""With this status a run ends whose program is missing: https://docs.docker.com/engine/containers/run/#exit-status"""
_PROCESSES = (None, 32768, 1024)
"""How many processes a user may have: as the engine has it, or fewer where the kernel refuses that."""
_REFUSED_FILES = re.compile(r"rlimit type 7\b|rlimit_nofile", re.IGNORECASE)
_REFUSED_PROCESSES = re.compile(r"rlimit type 6\b|rlimit_nproc", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What this machine's kernel lets a container have.

    Attributes:
        processes: How many processes a user may have, where that has to be said; None where the engine knows.
    """

    open_files: int
    processes: int | None = None

    @property
    def lacks(self) -> str:
        """What Fargate gives tasks and this machine does not, in clauses; empty for nothing."""
        clauses = []
        if self.open_files < MOST_OPEN_FILES:
            on_fargate = f"{FARGATE_OPEN_FILES}, or what Ulimits says"
            clauses.append(f"open files: at most {self.open_files} for a process here; on Fargate {on_fargate}")
        if self.processes is not None:
            # It counts the threads of a user id, whatever container they are in:
            # https://man7.org/linux/man-pages/man2/setrlimit.2.html
            clauses.append(
                f"threads: at most {self.processes} here for all tasks of one user id together, and further ones fail "
                "to start; on Fargate no task counts against another"
            )
        return "; ".join(clauses)


def require_usable(engine: Engine, dockerfiles: Iterable[Path]) -> Limits:
    """Check that an engine starts a container and has, or can pull, the base images.

    Returns:
        As :func:`require_start`.

    Raises:
        EngineError: It does not, on this machine as it is.
    """
    limits = require_start(engine)
    wanted = {
        image for file in dockerfiles for image in base_images(file.read_text(encoding="utf-8", errors="replace"))
    }
    for image in sorted(wanted):
        stand_in = f"localhost/{image.partition('@')[0].rpartition('/')[2]}"
        if engine.image(image) is None and engine.image(stand_in) is None:
            _pull(engine, image)
    return limits


def require_start(engine: Engine) -> Limits:
    """Start a container of an empty image: the only failure allowed is that its program is missing.

    It has a network and limits, as tasks have: engines without root often cannot give them.

    Returns:
        What it may have. Some kernels let nobody raise a limit above that of his shell.

    Raises:
        EngineError: This machine does not let the engine run containers.
    """
    have_program(engine, _PROBE, "probe", b"")
    # What this process may have tells nothing of a daemon, which may have less.
    open_files = sorted({MOST_OPEN_FILES, own_open_files(), FARGATE_OPEN_FILES}, reverse=True)
    processes = list(_PROCESSES)
    while error := _refusal(engine, Limits(open_files[0], processes[0])):
        if _REFUSED_FILES.search(str(error)) and open_files[1:]:
            del open_files[0]
        elif _REFUSED_PROCESSES.search(str(error)) and processes[1:]:
            del processes[0]
        else:
            raise error
    return Limits(open_files[0], processes[0])


def have_program(engine: Engine, image: str, name: str, program: bytes) -> None:
    """Have an image in the engine's store that holds one program and nothing else."""
    if engine.image(image) is not None:
        return
    with scratch_directory("image") as directory:
        archive, file = Path(directory, "image.tar"), tarfile.TarInfo(name)
        file.size, file.mode = len(program), 0o755
        with tarfile.open(archive, "w") as tar:
            tar.addfile(file, io.BytesIO(program))
        engine.run("import", str(archive), image)


def limit_options(soft: int, hard: int, processes: int | None) -> list[str]:
    """The options that limit open files and processes; with any, Podman drops its configured limits."""
    of_processes = [] if processes is None else [f"--ulimit=nproc={processes}:{processes}"]
    return [f"--ulimit=nofile={soft}:{hard}", *of_processes]


def own_open_files() -> int:
    """How many files a process of this machine's may have open, as far as that matters: its hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)


def _refusal(engine: Engine, limits: Limits) -> EngineError | None:
    options = ["--memory=64m", "--cpus=0.5"]
    options += limit_options(limits.open_files, limits.open_files, limits.processes)
    code, said = _said(engine, "run", "--rm", "--publish=127.0.0.1::80", *options, _PROBE, "/missing")
    error = explain(engine.program, ["run"], said)
    if isinstance(error, EngineError):
        return error
    if code == _NOT_FOUND or "/missing" in said:
        return None
    return EngineError(f"{error}: it does not start a container: see what it says")


def _pull(engine: Engine, image: str) -> None:
    _, said = _said(engine, "pull", "--quiet", image)
    if engine.image(image) is None:
        error = explain(engine.program, ["pull"], said)
        raise error if isinstance(error, EngineError) else EngineError(str(error))


def _said(engine: Engine, *arguments: str) -> tuple[int, str]:
    """Status and error output of a command of the engine that may fail. A pull takes as long as it takes."""
    command, limit = [engine.program, *arguments], None if arguments[0] == "pull" else SECONDS
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{engine.program} {arguments[0]}: does not end within {SECONDS} s: find out what it is doing"
        ) from None
    return done.returncode, done.stderr
