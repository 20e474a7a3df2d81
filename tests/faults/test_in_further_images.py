"""More faults that show only in an image: its entry point, its C library, its signals, what it takes for granted.

Each is played on the miniature, as a container: what AWS Fargate and the load balancer would do is the verdict.
"""

from pathlib import Path
from typing import Any

import pytest

from helpers.faulty_images import ALARM, AS_ROOT, AS_USER, BASE, DOCKERFILE, check, image, play
from nova_infra.containers.engine import Engine

KILLED = "killed at the end of its stop timeout"

MUSL = (
    "b = open('/bin/sleep', 'rb').read(); old = b'/lib64/ld-linux-x86-64.so.2'; assert old in b; "
    "open('/app/sleep', 'wb').write(b.replace(old, b'/lib/ld-musl-x86_64.so.1'.ljust(len(old), bytes(1))))"
)

FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # What is wrong: the verdict, a part of its reason, and how it is put in.
    # Commands
    "an entry point for a shell, which drops the command": (
        "✓",
        "",
        image("ENTRYPOINT exec python3 serve.py", 'CMD ["--port", "1"]'),
    ),
    "a command for a shell of its own": (
        "✓",
        "",
        image(
            'SHELL ["/bin/bash", "-o", "pipefail", "-c"]',
            "RUN [[ a == a ]]",
            "CMD [[ a == a ]] && exec python3 serve.py",
        ),
    ),
    "a command for another shell than it names": ("✗", "not found", image("CMD [[ a == a ]] && exec python3 serve.py")),
    "what a stage leaves to those that begin with it": (
        "✓",
        "",
        {
            "before": "open('/app/left')",
            "dockerfile": DOCKERFILE.replace(
                f"FROM {BASE}", f"FROM {BASE} AS first\nONBUILD COPY notes.txt /app/left\nFROM first"
            ),
        },
    ),
    "a shell that does not pass the signal on": ("!", KILLED, image("CMD python3 serve.py; exit 1")),
    "a shell that does not pass the signal on, with an init process": (
        "✓",
        "",
        {**image("CMD python3 serve.py; exit 1"), "LinuxParameters": {"InitProcessEnabled": True}},
    ),
    "a pipe after the program": ("!", KILLED, image("CMD python3 serve.py 2>&1 | cat")),
    "a PATH that lacks the program": ("✗", "CannotStartContainerError", image("ENV PATH=/nowhere")),
    "a program for another C library": (
        "✗",
        "no such file",
        image(AS_ROOT, f'RUN python3 -c "{MUSL}" && chmod 755 sleep', AS_USER, 'CMD ["./sleep", "60"]'),
    ),
    "a link to a program that is not there": (
        "✗",
        "CannotStartContainerError",
        image(AS_ROOT, "RUN ln -s /opt/venv/bin/python run", AS_USER, 'CMD ["./run", "serve.py"]'),
    ),
    "an empty file for a program": (
        "✗",
        "exec format error",
        image(AS_ROOT, "RUN touch run && chmod 755 run", AS_USER, 'CMD ["./run"]'),
    ),
    # Users and homes
    "a user by number has no home but the root": (
        "✓",
        "",
        {"before": "assert os.environ['HOME'] == '/', os.environ['HOME']", **image("USER 4321")},
    ),
    "a user by name has the home of /etc/passwd": (
        "✓",
        "",
        {
            "before": "assert os.environ['HOME'] == '/home/tiny', os.environ['HOME']",
            **image(AS_ROOT, "RUN echo 'tiny:x:4321:4321::/home/tiny:/bin/sh' >> /etc/passwd", "USER tiny"),
        },
    ),
    "it keeps a cache in its home, which it owns, in a request": (
        "✗",
        ALARM,
        {
            "within": "open(os.path.expanduser('~/cache'), 'w')",
            **image(
                AS_ROOT,
                "RUN mkdir -p /home/tiny && chown 4321 /home/tiny && echo 'tiny:x:4321:4321::/home/tiny:/bin/sh' >> /etc/passwd",
                "USER tiny",
            ),
        },
    ),
    "a program that runs as its owner": (
        "✓",
        "",
        {
            "before": "assert subprocess.run(['/app/id', '-u'], capture_output=True).stdout == b'0\\n'",
            **image(AS_ROOT, "RUN cp /usr/bin/id /app/id && chmod 4755 /app/id", AS_USER),
        },
    ),
    # What it takes for granted
    "the time zones are missing": (
        "✗",
        "ZoneInfoNotFoundError|No time zone found",
        {
            "before": "import zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin')",
            **image(AS_ROOT, "RUN rm -rf /usr/share/zoneinfo", AS_USER),
        },
    ),
    "the certificates are missing": (
        "✗",
        "AssertionError",
        {
            "before": "import ssl; assert ssl.create_default_context().get_ca_certs()",
            **image(AS_ROOT, "RUN rm -rf /etc/ssl/certs /usr/lib/ssl/cert*", AS_USER),
        },
    ),
    "a locale that is not there": (
        "✗",
        "unsupported locale",
        {"before": "import locale; locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8')"},
    ),
    "a secret in a file": ("✗", "/run/secrets/key", {"before": "open('/run/secrets/key')"}),
    "a port in a variable that nobody sets": ("✗", "KeyError: 'PORT'", {"before": "os.environ['PORT']"}),
    "something to read on its input": ("✗", "EOF", {"before": "input()"}),
    "heartbeats in shared memory": ("✓", "", {"before": "open('/dev/shm/beat', 'wb').write(bytes(2**20))"}),
    "a device": ("✗", "/dev/fuse", {"before": "open('/dev/fuse')", "User": "0"}),
    "a setting of the kernel": (
        "✗",
        "Read-only file system",
        {"before": "open('/proc/sys/net/core/somaxconn', 'w').write('9')", "User": "0"},
    ),
    # What a container may not do
    "a network interface": (
        "✗",
        "Operation not permitted",
        {
            "before": "import fcntl; fcntl.ioctl(socket.socket(), 0x8914, b'lo'.ljust(16, bytes(1)) + bytes(24))",
            "User": "0",
        },
    ),
    "a mount": (
        "✗",
        "AssertionError",
        {"before": "assert not subprocess.call(['mount', '-t', 'tmpfs', 'x', '/tmp'])", "User": "0"},
    ),
    "a sandbox of its own": (
        "✗",
        "Operation not permitted",
        {"before": "os.unshare(os.CLONE_NEWUSER)"},
    ),
    "a sandbox of its own, in a child process": (
        "✗",
        "AssertionError",
        {"before": "assert not subprocess.call(['unshare', '--user', '--fork', 'true'])"},
    ),
    # Files
    "a volume that the image declares and the task definition does not mount": (
        "✓",
        "",
        {
            "before": "open('/cache/x', 'w')",
            **image(AS_ROOT, "RUN mkdir /cache && chown 10001 /cache", AS_USER, "VOLUME /cache"),
        },
    ),
    "a file of a stage that is not the last": (
        "✗",
        "No such file",
        {"before": "open('/app/model')", "dockerfile": f"FROM {BASE} AS model\nRUN touch /model\n" + DOCKERFILE},
    ),
    "a layer for each of many files": (
        "✓",
        "",
        {
            "before": "assert len(os.listdir('/app/many')) == 60",
            **image(*(f"COPY notes.txt many/{n}" for n in range(60))),
        },
    ),
    # Networks
    "a name that only Docker Compose knows": ("✗", "gaierror", {"before": "socket.create_connection(('db', 5432))"}),
    "a sidecar that is not there": ("✗", "refused", {"before": "socket.create_connection(('localhost', 2000))"}),
    "its host's name in a file": (
        "✓",
        "",
        {"before": "assert open('/etc/hostname').read().strip() == socket.gethostname()"},
    ),
    "metrics alone are to be reached from outside": (
        "✗",
        "127.0.0.1 or ::1 only",
        {
            "before": "threading.Thread(target=http.server.HTTPServer(('0.0.0.0', 9090), http.server.BaseHTTPRequestHandler).serve_forever, daemon=True).start()",
            "environment": {"HOST": "127.0.0.1"},
        },
    ),
    "a check of its own on another port": (
        "✓",
        "",
        {
            "before": "kept.append(socket.create_server(('127.0.0.1', 9091)))",
            **check("CMD", "python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9091))"),
        },
    ),
    # What Fargate gives
    "what ECS tells it about itself": (
        "✓",
        "",
        {
            "before": "import urllib.request\n"
            "of = lambda what: json.load(urllib.request.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + what))\n"
            "assert of('/task')['LaunchType'] == 'FARGATE' and of('')['Limits']['Memory'] == 512"
        },
    ),
    "more open files than a shell has": ("✓", "", {"before": "kept += [os.open('serve.py', 0) for _ in range(9000)]"}),
    "more open files than its definition allows": (
        "✗",
        "Too many open files",
        {
            "before": "kept += [os.open('serve.py', 0) for _ in range(900)]",
            "Ulimits": [{"Name": "nofile", "SoftLimit": 800, "HardLimit": 850}],
        },
    ),
    "more open files than Fargate gives": (
        "✗",
        "Too many open files",
        {"before": "kept += [os.open('serve.py', 0) for _ in range(70_000)]"},
    ),
    "as many open files as AWS advises, on any machine": (
        "✓",
        "",
        {"Ulimits": [{"Name": "nofile", "SoftLimit": 65536, "HardLimit": 65536}]},
    ),
    "a terminal": ("✗", "Inappropriate ioctl", {"before": "os.ttyname(0)"}),
    "a terminal, which it gets": ("✓", "", {"before": "os.ttyname(0)", "PseudoTerminal": True}),
    "two processes, of which the first only waits": ("✓", "", {"before": "if os.fork(): os.wait(); os._exit(1)"}),
    "much said in each request": ("✓", "", {"within": "print('x' * 200_000, flush=True)"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, engine: Engine, tmp_path: Path) -> None:
    sign, why, given = FAULTS[fault]
    play(engine, tmp_path, **given).require(sign, why)
