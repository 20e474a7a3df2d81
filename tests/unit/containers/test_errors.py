"""What an engine says, as one line, and whose fault it is."""

import pytest

from nova_infra.containers.errors import EngineError, ImageError, build_error, explain, last_lines

MACHINE = [
    ("Error: write /var/tmp/x: no space left on device", "the disk is full"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "start it"),
    ('error during connect: Get "http://nowhere:2375/info": dial tcp: lookup nowhere: no such host', "start it"),
    ("Failed to initialize: unable to resolve docker endpoint: open ca.pem: no such file or directory", "start it"),
    ("dial unix /run/podman/podman.sock: connect: no such file or directory", "start it"),
    ("permission denied while trying to connect to the daemon socket at docker.sock: permission denied", "your user"),
    ("exec /server: exec format error", "different architecture"),
    ('pinging container registry r.example: Get "https://r.example/v2/": dial tcp: no such host', "cannot be pulled"),
    ("Get https://r.example: net/http: TLS handshake timeout", "cannot be pulled"),
    ("toomanyrequests: You have reached your pull rate limit", "cannot be pulled"),
    ("docker: unknown command: docker buildx", "install Docker's buildx"),
    ("unknown flag: --platform\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]", "install Docker's buildx"),
    ('failed to do request: Head "https://r.example/v2/x": connect: connection refused', "cannot be pulled"),
    ('pinging container registry: Get "https://r.example/v2/": connect: connection refused', "cannot be pulled"),
    ('/usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): Permission denied"', "does not let it run containers"),
    ("Error: pasta failed with exit code 1:\nExternal interface not usable", "does not let it run containers"),
    ("Error: could not find pasta, the network namespace can't be configured: exec", "does not let it run containers"),
    ("Error: failed to start pasta: fork/exec /usr/bin/pasta: permission denied", "does not let it run containers"),
    ("Resource limits are not supported and ignored on cgroups V1 rootless systems", "does not let it run containers"),
    ("crun: the requested cgroup controller `cpu` is not available: OCI runtime error", "does not let it run"),
    ("runc: error setting rlimit type 8: operation not permitted", "does not let it run containers"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "remedy"), MACHINE)
def test_what_the_machine_lacks_is_no_verdict_on_the_release(said: str, remedy: str) -> None:
    error = explain("podman", ["start", "tiny"], f"noise\n{said}\n")
    assert isinstance(error, EngineError)
    assert error.exit_code == 2
    assert str(error).startswith("podman start: ")
    assert remedy in str(error)
    assert "\n" not in str(error)


def test_everything_else_is_the_releases_fault_with_the_last_lines_of_its_log() -> None:
    error = explain("docker", ["build", "."], "one\ntwo\n\nthree\nfour\n")
    assert isinstance(error, ImageError)
    assert (error.exit_code, str(error)) == (1, "docker build: two / three / four")


@pytest.mark.parametrize("said", ["ERROR: no wheel of google-pasta", "/opt/pasta: not executable", "no pasta today"])
def test_an_error_that_only_names_an_engine_program_is_the_images(said: str) -> None:
    assert isinstance(explain("podman", ["build", "."], said), ImageError)


def test_what_no_image_has_a_part_in_is_the_machines_fault() -> None:
    error = explain("podman", ["network", "create"], "internal boom")
    assert isinstance(error, EngineError)
    assert str(error) == "podman network: internal boom: see what it says"


def test_the_frame_around_a_failed_step_is_no_part_of_its_log() -> None:
    said = (
        "------\n > [2/2] RUN make:\n0.1 compiling\n0.2 no model here\n------\nDockerfile:2\n--------------------\n"
        "   1 |     FROM base\n   2 | >>> RUN make\n   3 |     \n--------------------\nERROR: exit code: 3\n"
    )
    assert last_lines(said) == "0.1 compiling / 0.2 no model here / ERROR: exit code: 3"


def test_what_an_engine_quotes_of_another_program_is_told_without_its_remarks() -> None:
    remarks = r"\nWARNING: Support for seccomp is experimental\nWARNING: Support for IPv6 is experimental"
    said = rf'Error: slirp4netns failed: "open(\"/dev/net/tun\"): Permission denied{remarks}\nchild failed(1){remarks}"'
    assert (
        last_lines(said) == r'Error: slirp4netns failed: "open(\"/dev/net/tun\"): Permission denied\nchild failed(1)"'
    )


def test_a_long_line_is_cut() -> None:
    assert last_lines("x" * 1000 + " the cause") == f"{'x' * 120}…{'x' * 109} the cause"


COPY_TAKES = "COPY only supports the --chmod=<permissions> --chown=<uid:gid> and the --from=<image|stage> flags"
# What Buildah 1.28 says, and the Dockerfile's line.
OF_BUILDKIT = [
    ('COPY <<EOF /x": copier: stat: "/<<EOF": no such file or directory', "COPY <<EOF /x"),
    ('ECHO ": Build error: Unknown instruction: "ECHO" &imagebuilder.Step{}', "RUN <<-'END' python3 -"),
    (f'COPY --link a /x": {COPY_TAKES}', "COPY --link a /x"),
    (f'COPY --exclude=*.md a /x": {COPY_TAKES}', "COPY --exclude=*.md a /x"),
    ('ADD --checksum=sha256:0 b /y": ADD only supports the --chmod=<permissions> and the --chown=<uid:gid>', "ADD"),
    ('HEALTHCHECK --start-interval=1s CMD true": flag provided but not defined: -start-interval', "HEALTHCHECK"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "line"), OF_BUILDKIT)
def test_what_buildkit_builds_and_this_engine_does_not_is_no_verdict_on_the_release(said: str, line: str) -> None:
    lines = ["STEP 1/2: FROM base", "STEP 2/2", f'Error: building at STEP "{said}']
    error = build_error("podman", "shop:1", lines, f"FROM base\n{line}\n")
    assert isinstance(error, EngineError), str(error)
    assert str(error).startswith("shop:1: podman build: Error: building at STEP")
    assert str(error).endswith("install a newer one, or Docker with buildx")
    assert isinstance(build_error("docker", "shop:1", lines, f"FROM base\n{line}\n"), ImageError)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (f'COPY --chwon=1 a /x": {COPY_TAKES}', "COPY --chwon=1 a /x"),
        ('FROMX ": Build error: Unknown instruction: "FROMX" &imagebuilder.Step{}', "FROMX y"),
        ('COPY a /x": checking on sources under "/t": copier: stat: "/a": no such file or directory', "COPY a /x"),
        ('RUN <<EOF": while running runtime: exit status 7', "RUN <<EOF"),
        ('RUN <<EOF && false": unknown instruction: while running runtime: exit status 7', "RUN <<EOF"),
    ],
)  # fmt: skip
def test_a_dockerfile_that_no_engine_builds_is_the_releases_fault(said: str, line: str) -> None:
    error = build_error("podman", "shop:1", [f'Error: building at STEP "{said}'], f"FROM base\n{line}\n")
    assert isinstance(error, ImageError), str(error)
    assert str(error).endswith("run `nova image build --local shop`")


PIP = 'building at STEP "RUN pip install flask && true": while running runtime: exit status'


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["sh: 1: pip: not found", f"Error: {PIP} 127"], "Dockerfile:3"),
        (["python3: No module named pip", f"Error: {PIP} 1"], "Dockerfile:3"),
        (["sh: pip: not found", "a/Dockerfile:4", "did not complete successfully: exit code: 127"], "a/Dockerfile:4"),
        (["No module named venv", "while running runtime: exit status 1"], "a step of its Dockerfile"),
    ],
)  # fmt: skip
def test_what_a_stand_in_lacks_is_no_verdict_on_the_release(lines: list[str], place: str) -> None:
    dockerfile = "# an app\nFROM python:3\nRUN pip install flask \\\n  && true\n"
    error = build_error("podman", "shop:1", lines, dockerfile, [("python:3", "localhost/python:3", "5f")])
    assert isinstance(error, EngineError), str(error)
    assert f"shop:1: {place} finds no such program in localhost/python:3, which stands in for python:3: " in str(error)
    assert isinstance(build_error("podman", "shop:1", lines, dockerfile), ImageError)


@pytest.mark.parametrize(
    "lines",
    [
        ["ModuleNotFoundError: No module named 'pipes'", f"Error: {PIP} 1"],
        ["sh: ./nope.sh: not found", f"Error: {PIP} 127"],
        ["sh: 1: ./nope.sh: Permission denied", f"Error: {PIP} 126"],
        ["No module named 'pip'", "goes on without", "compiles", "has no such file", f"Error: {PIP} 1"],
    ],
)
def test_what_fails_on_a_stand_in_for_reasons_of_its_own_is_the_releases_fault(lines: list[str]) -> None:
    assert isinstance(
        build_error("podman", "shop:1", lines, "", [("python:3", "localhost/python:3", "5f")]), ImageError
    )


def test_what_buildah_holds_in_memory_is_no_part_of_its_log() -> None:
    said = (
        'STEP 4/5: RUNN true\ntime="2026-11-26" level=error msg="+(UNHANDLED LOGLEVEL) &imagebuilder.Step{Env:[]}"\n'
        'Error: building at STEP "RUNN ": Unknown instruction: "RUNN"'
    )
    assert last_lines(said) == 'STEP 4/5: RUNN true / Error: building at STEP "RUNN ": Unknown instruction: "RUNN"'


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["error: failed to run custom build command for `openssl-sys v0.9`", "--- stderr", "no OpenSSL"], None),
        (["error: Failed to parse: `pyproject.toml`"], None),
        (["error[E0425]: cannot find value `x`", " --> src/main.rs:3:5"], "error[E0425]: cannot find value `x`"),
        ([], 'Error: building at STEP "RUN x": while running runtime: exit status 1'),
    ],
)
def test_the_words_of_a_step_are_told_from_those_of_the_engine(said: list[str], why: str | None) -> None:
    ended = 'Error: building at STEP "RUN x": while running runtime: exit status 1'
    error = str(build_error("podman", "shop:1", ["STEP 1/2: FROM x", "STEP 2/2: RUN x", *said, ended], "FROM x\n"))
    assert error.startswith(f"shop:1: its image does not build: {said[0] if why is None else why}")
    assert "STEP 2/2" not in error


STEP = 'Error: building at STEP "RUN pip install --require-hashes -r requirements.txt": while running runtime: '
PIP = """[2/4] STEP 7/10: RUN pip install --require-hashes -r requirements.txt
Collecting pybreaker==1.4.1
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE.
    pybreaker==1.4.1 from https://files.example/pybreaker-1.4.1-py3-none-any.whl:
        Expected sha256 8df2
             Got        b4da
"""


@pytest.mark.parametrize(
    ("program", "log"),
    [
        (
            "podman",
            f'{PIP}\ntime="2026-01-02T03:04:05Z" level=error msg="error unmounting"\n{STEP}exit status 1',
        ),
        (
            "docker",
            "".join(f"#9 1.{number}00 {line}\n" for number, line in enumerate(PIP.splitlines()[1:]))
            + '#9 ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 1\n------\n'
            + 'ERROR: failed to solve: process "/bin/sh -c pip" did not complete successfully: exit code: 1',
        ),
    ],
)
def test_a_failed_step_says_why_before_it_says_its_last_words(program: str, log: str) -> None:
    error = build_error(program, "shop:1", log.splitlines(), "FROM base\n")
    assert isinstance(error, ImageError)
    wanted = "shop:1: its image does not build: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE."
    assert str(error).startswith(f"{wanted} / Got b4da / E")
    assert "unmounting" not in str(error)
