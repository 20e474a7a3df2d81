"""Chooses the container engine, Docker or Podman, and runs its command line."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_infra.containers.errors import EngineError, explain, last_lines
from nova_infra.machine.parallel import to_the_end

ANSWER_SECONDS = 20
HANG_SECONDS = 300
"""A command that takes longer hangs: to create a container takes some storage drivers tens of seconds."""
_AS_LONG_AS_IT_TAKES = (
    *("build", "buildx", "pull", "load", "save", "import", "export"),
    *("run", "exec", "wait", "rm", "rmi"),
)
"""Commands that work for as long as there is work: an engine that hangs is found by the others."""
_SAYS_WHERE = {
    "docker": ("DOCKER_HOST", "DOCKER_CONTEXT"),
    "podman": ("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
}
"""Variables that lead an engine's program somewhere else."""
_TRIES = 5
PAUSE_SECONDS = 0.5
_ARCHIVE = "image.tar"
_CONTAINERD_STORE = "io.containerd.snapshotter"
_KEEPS_TIMES = (
    "not reproducible: Docker's classic image store keeps the times of this build, so a second build of the same "
    "files gets another digest; Docker's containerd image store does not, and neither do released images"
)
EMULATORS = Path("/proc/sys/fs/binfmt_misc")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "amd64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        program: ``docker`` or ``podman``; where nothing has to run, also ``buildah``.
        architecture: What it runs without emulation: ``amd64`` or ``arm64``.
    """

    program: str
    architecture: str

    @property
    def is_docker(self) -> bool:
        """Whether it is Docker, and not one of the Podman family."""
        return self.program == "docker"

    def run(self, *arguments: str, directory: str | None = None) -> str:
        """Run one of its commands to the end.

        Returns:
            What it printed, without the last line break.

        Raises:
            NovaError: It failed; the error says whether the machine is at fault.
        """
        result = self._run(arguments, directory)
        for _ in range(_TRIES):
            # An image that somebody else removes while Podman lists them all.
            if arguments[0] != "images" or not result.returncode or "image not known" not in result.stderr:
                break
            time.sleep(PAUSE_SECONDS)
            result = self._run(arguments, directory)
        if result.returncode:
            raise explain(self.program, arguments, result.stderr or result.stdout)
        return result.stdout.strip()

    def _run(self, arguments: Sequence[str], directory: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.program, *arguments],
                cwd=directory,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=_limit(arguments),
            )
        except subprocess.TimeoutExpired:
            raise self.hangs(arguments) from None
        except OSError as error:
            raise EngineError(f"{self.program}: cannot be run: {error.strerror}: reinstall it") from None

    def hangs(self, arguments: Sequence[str]) -> EngineError:
        """What to say of a command that does not end."""
        return EngineError(f"{self.program} {arguments[0]}: did not end within {HANG_SECONDS:g} s: restart it")

    def rubbish(self, command: str, said: str) -> EngineError:
        """The error for an answer that makes no sense."""
        return EngineError(f"{self.program} {command}: its answer makes no sense: {said[:80]!r}: reinstall it")

    async def call(self, *arguments: str, directory: str | None = None) -> str:
        """As :meth:`run`, without blocking. When cancelled, the command still ends: half a container would be left."""
        code, out, said = await self.attempt(*arguments, directory=directory)
        if code:
            raise explain(self.program, arguments, said or out)
        return out

    async def attempt(
        self, *arguments: str, directory: str | None = None, seconds: float | None = None
    ) -> tuple[int, str, str]:
        """Run a command that may fail.

        Args:
            seconds: How long it may take; what it has started in a container then goes on.

        Returns:
            Its exit code, and what it printed to its output and to its error output.

        Raises:
            EngineError: It hangs, or cannot be run.
            TimeoutError: It takes longer than it may.
        """
        return await to_the_end(self._communicate(arguments, directory, seconds))

    async def _communicate(
        self, arguments: Sequence[str], directory: str | None, seconds: float | None
    ) -> tuple[int, str, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                self.program,
                *arguments,
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C ends the rehearsal, which then cleans up by further commands.
            )
        except OSError as error:
            raise EngineError(f"{self.program}: cannot be run: {error.strerror}: reinstall it") from None
        try:
            out, said = await asyncio.wait_for(process.communicate(), seconds or _limit(arguments))
        except TimeoutError:
            # An engine's program may be a script, whose children hold the pipes that are waited for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if seconds:
                raise
            raise self.hangs(arguments) from None
        return process.returncode or 0, out.decode(errors="replace").strip(), said.decode(errors="replace").strip()

    def image(self, name: str) -> dict[str, Any] | None:
        """What the store knows of an image; None where it has none of that name."""
        arguments = ["inspect", "--type", "image", name] if self.program == "buildah" else ["image", "inspect", name]
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            result = self._run(arguments)
            if not result.returncode:
                return self._described(result.stdout)
            said = result.stderr.lower()
            if "no such" in said or "not known" in said:
                return None
            # An image that somebody else is just storing is half there.
            if "locating item" not in said:
                break
        raise explain(self.program, arguments, result.stderr)

    def _described(self, said: str) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            found = json.loads(said)
            first = found[0] if isinstance(found, list) and found else found
            if isinstance(first, dict):
                return first
        raise self.rubbish("image inspect", said)

    @property
    def emulates(self) -> bool:
        """Whether it may run programs for another architecture, as far as this machine shows it."""
        return sys.platform != "linux" or any(EMULATORS.glob("qemu-*"))

    def full_name(self, name: str) -> str:
        """An image's name with its registry: Podman knows no default one."""
        first, slash, _ = name.partition("/")
        if self.is_docker or (slash and ("." in first or ":" in first or first == "localhost")):
            return name
        return f"docker.io/{name}" if slash else f"docker.io/library/{name}"

    def image_names(self) -> dict[str, str]:
        """Every name in the store, with its tag, to the image's id."""
        name = "{{.Name}}" if self.program == "buildah" else "{{.Repository}}"
        listed = self.run("images", "--no-trunc", "--format", f"{name}:{{{{.Tag}}}} {{{{.ID}}}}")
        # Buildah fills its columns up.
        lines = (line.split() for line in listed.splitlines())
        return {line[0]: line[1] for line in lines if len(line) == 2 and "<none>" not in line[0]}

    def buildx_output(self, name: str, scratch: Path, *, tell: Callable[[str], None]) -> str:
        """The option that makes Docker's buildx write an image whose files carry no times.

        Args:
            scratch: A directory for it, where Docker's store cannot take it directly: :meth:`load_output`.
            tell: Called if the store keeps the times.
        """
        option = f"--output=type=docker,name={name},rewrite-timestamp=true"
        if _CONTAINERD_STORE in self.run("info", "--format", "{{.DriverStatus}}"):
            # This store unpacks what it gets, and BuildKit then refuses to rewrite times. Packing costs time only.
            return f"{option},compression=uncompressed,force-compression=true,dest={scratch / _ARCHIVE}"
        if re.search(r"^Driver:\s+docker$", self.run("buildx", "inspect"), re.MULTILINE):
            tell(_KEEPS_TIMES)
        return option

    def load_output(self, scratch: Path) -> None:
        """Put an image into the store that a build has left in its scratch directory."""
        if (scratch / _ARCHIVE).exists():
            self.run("load", "--quiet", f"--input={scratch / _ARCHIVE}")


def detect(programs: Iterable[str] = ("docker", "podman")) -> Engine:
    """The first engine that answers.

    Raises:
        EngineError: There is none, or none answers.
    """
    programs = tuple(programs)
    silent = []
    for program in programs:
        if shutil.which(program) is None:
            continue
        try:
            return Engine(program, _architecture_of(program))
        except EngineError as error:
            silent.append(str(error))
    if silent:
        raise EngineError("; ".join(silent))
    raise EngineError(f"{', '.join(programs)}: not found: install Podman or Docker to build and run images")


def _architecture_of(program: str) -> str:
    """Asks the engine what it runs, which shows that it answers."""
    field = {"docker": "{{.Architecture}}", "podman": "{{.Host.Arch}}"}.get(program, "{{.host.arch}}")
    try:
        result = subprocess.run(
            [program, "info", "--format", field],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"{program}: did not answer within {ANSWER_SECONDS} s: restart it") from None
    except OSError as error:
        raise EngineError(f"{program}: cannot be run: {error.strerror}: reinstall it") from None
    [answer] = result.stdout.strip().splitlines()[-1:] or [""]
    if result.returncode or not answer:
        said = last_lines(result.stderr, 1) or "it says nothing"
        raise EngineError(f"{program}: does not answer: {said}: {_way_to(program)}")
    if (architecture := _ARCHITECTURES.get(answer.lower())) is None:
        known = " or ".join(sorted({*_ARCHITECTURES.values()}))
        raise EngineError(f"{program}: reports the platform {answer[:80]!r}, but images are for {known}: reinstall it")
    return architecture


def _way_to(program: str) -> str:
    """What to do about an engine that does not answer."""
    given = [name for name in _SAYS_WHERE.get(program, ()) if os.environ.get(name)]
    corrected = "".join(f", or correct {name}, which says {os.environ[name]}" for name in given)
    return f"start it, give your user access to it{corrected}"


def _limit(arguments: Sequence[str]) -> float | None:
    """Seconds after which a command hangs; None for one that takes as long as it takes."""
    return None if arguments[0] in _AS_LONG_AS_IT_TAKES else HANG_SECONDS
