"""Faults that show only in an image: of its files, its user, its programs and its settings: `make faults`.

Each is played on the miniature, as a container: what AWS Fargate and the load balancer would do is the verdict.
"""

from pathlib import Path
from typing import Any

import pytest

from helpers.faulty_images import ALARM, AS_ROOT, AS_USER, BASE, DOCKERFILE, check, image, play
from nova_infra.containers.engine import Engine

DATA = {"MountPoints": [{"SourceVolume": "tmp", "ContainerPath": "/data", "ReadOnly": False}]}
OWNED = (AS_ROOT, "RUN mkdir -m 700 /data && chown 10001:10001 /data", AS_USER)


FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # What is wrong: the verdict, a part of its reason, and how it is put in.
    "nothing at all": ("✓", "", {}),
    # Files
    "a file that only the checkout has": ("✗", "No such file", {"before": "open('models.bin')"}),
    "a file that only the checkout has, in a request": ("✗", ALARM, {"within": "open('models.bin')"}),
    "a file that its user may not read": (
        "✗",
        "Permission denied",
        image(AS_ROOT, "RUN chmod 600 serve.py", AS_USER),
    ),
    "it writes to the read-only root in a request": ("✗", ALARM, {"within": "open('/app/cache', 'w')"}),
    "it writes its process's id to /run": (
        "✗",
        "Read-only file system|Permission denied",
        {"before": "open('/run/tiny.pid', 'w')"},
    ),
    "it logs to a file": (
        "✗",
        "/var/log",
        {"before": "import logging; logging.basicConfig(filename='/var/log/tiny.log')"},
    ),
    "it keeps things in its home": (
        "✗",
        "",
        {"before": "import pathlib; pathlib.Path('~/.cache').expanduser().mkdir(parents=True)"},
    ),
    "it writes to a mount that its user may not write": ("✗", "Permission denied", {"before": "open('/tmp/x', 'w')"}),
    "it writes to a mount that its image gives to everybody": (
        "✓",
        "",
        {"before": "open('/tmp/x', 'w')", **image('VOLUME ["/tmp"]')},
    ),
    "it writes to a mount that its image gives to its user": (
        "✓",
        "",
        {"before": "open('/data/x', 'w')", **DATA, **image(*OWNED, 'VOLUME ["/data"]')},
    ),
    "it writes to a mount that its image gives to its user and does not declare": (
        "✗",
        "Permission denied",
        {"before": "open('/data/x', 'w')", **DATA, **image(*OWNED)},
    ),
    "it writes to a mount that its image gives to everybody, in a request": (
        "✓",
        "",
        {"within": "open('/tmp/x', 'w')", **image('VOLUME ["/tmp"]')},
    ),
    # Dependencies
    "a package that a request imports is missing": ("✗", ALARM, {"within": "import pandas"}),
    "a program that a request runs is missing": ("✗", ALARM, {"within": "subprocess.run(['ffprobe'], check=True)"}),
    "a shared library is missing": (
        "✗",
        "cannot open shared object",
        {"before": "import ctypes; ctypes.CDLL('libtiny.so')"},
    ),
    # Users and rights
    "it needs root": ("✗", "Operation not permitted", {"before": "os.setuid(0)"}),
    "it needs root, and is": ("✓", "", {"before": "os.setuid(0)", "User": "0"}),
    "it needs a capability that a task does not have": (
        "✗",
        "Operation not permitted",
        {"before": "socket.sethostname('tiny')", "User": "0"},
    ),
    "it needs a capability that root has": ("✓", "", {"before": "os.chroot('/')", "User": "0"}),
    "it drops a capability that it needs": (
        "✗",
        "Operation not permitted",
        {"before": "os.chroot('/')", "User": "0", "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}}},
    ),
    "a user who is in no /etc/passwd": ("✗", "CannotStartContainerError", image("USER nobody-here")),
    "a user of its task definition who is in no /etc/passwd": (
        "✗",
        "CannotStartContainerError",
        {"User": "nobody-here"},
    ),
    "a user by number who is in no /etc/passwd": ("✓", "", image("USER 4321:4321")),
    "a group who is in no /etc/group": ("✗", "CannotStartContainerError", {"User": "10001:nobody-here"}),
    "it asks for the name of its user": ("✗", "uid not found", {"before": "import pwd; pwd.getpwuid(os.getuid())"}),
    "a low port without root": (
        "✗",
        "Permission denied",
        {"environment": {"PORT": "80"}, "PortMappings": [{"ContainerPort": 80}]},
    ),
    "a low port as root": (
        "✓",
        "",
        {"environment": {"PORT": "80"}, "PortMappings": [{"ContainerPort": 80}], "User": "root"},
    ),
    # Commands
    "a command for a shell, without a shell": (
        "✗",
        "CannotStartContainerError",
        image(
            AS_ROOT,
            "RUN rm -f /usr/bin/sh /bin/sh /bin/dash /usr/bin/dash /bin/bash /usr/bin/bash",
            AS_USER,
            "CMD python3 serve.py",
        ),
    ),
    "a command for a shell": ("✓", "", image("CMD exec python3 serve.py")),
    "a command in one word": ("✗", "CannotStartContainerError", image('CMD ["python3 serve.py"]')),
    "an entry point that takes the command": ("✓", "", image('ENTRYPOINT ["python3"]', 'CMD ["serve.py"]')),
    "an entry point that does not run the command": (
        "✗",
        "exited with code 0: python3 serve.py",
        image('ENTRYPOINT ["/bin/echo"]', 'CMD ["python3", "serve.py"]'),
    ),
    "an entry point of the task definition, which drops the image's command": (
        "✗",
        "exited with code 0",
        {"EntryPoint": ["/bin/echo"]},
    ),
    "an entry point of the task definition with all of the command": (
        "✓",
        "",
        {"EntryPoint": ["/bin/sh", "-c"], "Command": ["exec python3 serve.py"]},
    ),
    "a command of the task definition after the image's entry point": (
        "✗",
        "",
        {**image('ENTRYPOINT ["python3"]', 'CMD ["serve.py"]'), "Command": ["python3", "serve.py"]},
    ),
    "a script": ("✓", "", image('CMD ["./script.sh"]')),
    "a script with the line ends of Windows": ("✗", "windows.sh: no such file", image('CMD ["./windows.sh"]')),
    "a script without its first line": ("✗", "exec format error", image('CMD ["./bare.sh"]')),
    "a script that may not be executed": (
        "✗",
        "CannotStartContainerError",
        image(AS_ROOT, "RUN chmod 644 script.sh", AS_USER, 'CMD ["./script.sh"]'),
    ),
    "no command": ("✗", "CannotStartContainerError", {"dockerfile": "FROM scratch\nCOPY notes.txt /\n"}),
    "a directory for a command": ("✗", "CannotStartContainerError", image('CMD ["/app"]')),
    "a working directory that is not there": ("✗", "No such file", {"WorkingDirectory": "/nowhere"}),
    "a working directory that is not there, and not needed": (
        "✓",
        "",
        {"WorkingDirectory": "/nowhere", "Command": ["python3", "/app/serve.py"]},
    ),
    "a working directory that is a file": ("✗", "CannotStartContainerError", {"WorkingDirectory": "/app/notes.txt"}),
    # Variables
    "a variable of a stage that is not the last": (
        "✗",
        "KeyError: 'MODEL'",
        {"before": "os.environ['MODEL']", "dockerfile": f"FROM {BASE} AS build\nENV MODEL=small\n" + DOCKERFILE},
    ),
    "a variable of the build alone": (
        "✗",
        "KeyError: 'MODEL'",
        {"before": "os.environ['MODEL']", **image("ARG MODEL=small")},
    ),
    "a variable of the image": ("✓", "", {"before": "os.environ['MODEL']", **image("ENV MODEL=small")}),
    "a variable of the image that the task definition sets": (
        "✗",
        "invalid literal",
        {**image("ENV PORT=8080"), "environment": {"PORT": "high"}},
    ),
    "a variable of this machine": ("✗", "KeyError: 'LOGNAME'", {"before": "os.environ['LOGNAME']"}),
    "where it runs, as ECS tells it": (
        "✓",
        "",
        {"before": "assert os.environ['AWS_REGION'] == os.environ['AWS_DEFAULT_REGION']"},
    ),
    "that it runs on Fargate, as ECS tells it": (
        "✓",
        "",
        {"before": "assert os.environ['AWS_EXECUTION_ENV'] == 'AWS_ECS_FARGATE'"},
    ),
    # Ends
    "it exits with 0 at once": ("✗", "exited with code 0", {"before": "os._exit(0)"}),
    "it becomes a daemon": ("✗", "exited with code 0", {"before": "if os.fork(): os._exit(0)\nos.setsid()"}),
    "it exits with 0 after a request": ("!", "ended while it was serving", {"within": "os._exit(0)"}),
    "it exits on SIGHUP": ("✓", "", {"before": "signal.signal(signal.SIGHUP, lambda *_: os._exit(3))"}),
    "a stop signal that it does not hear": ("!", "killed at the end of its stop timeout", image("STOPSIGNAL SIGUSR1")),
    "a stop signal by its number": ("!", "killed at the end of its stop timeout", image("STOPSIGNAL 10")),
    "a stop signal that it hears": (
        "✓",
        "",
        {"before": "signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))", **image("STOPSIGNAL SIGQUIT")},
    ),
    # Processes
    "its child processes are not waited for": ("✓", "", {"within": "subprocess.Popen(['true'])"}),
    "its child processes go on": ("✓", "", {"within": "kept.append(subprocess.Popen(['sleep', '0.2']))"}),
    "a child process of a request needs more memory than there is": (
        "✗",
        f"{ALARM}|OutOfMemoryError",
        {"within": "subprocess.run(['python3', '-c', 'bytearray(700 * 2**20)'], check=True)"},
    ),
    "a thread that cannot be ended": (
        "!",
        "killed at the end of its stop timeout",
        {
            "before": "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nthreading.Thread(target=time.sleep, args=(3600,)).start()"
        },
    ),
    # Networks
    "loopback alone": ("✗", "127.0.0.1 or ::1 only", {"environment": {"HOST": "127.0.0.1"}}),
    "IPv6 alone": (
        "✗",
        "GET /health got no answer",
        {
            "environment": {"HOST": "::", "FAMILY": "AF_INET6"},
            "before": "import socketserver; bind = socketserver.TCPServer.server_bind\ndef only(self):\n    self.socket.setsockopt(41, 26, 1)\n    bind(self)\nsocketserver.TCPServer.server_bind = only",
        },
    ),
    "IPv6 and IPv4": ("✓", "", {"environment": {"HOST": "::", "FAMILY": "AF_INET6"}}),
    "loopback of IPv6 alone": ("✗", "127.0.0.1 or ::1 only", {"environment": {"HOST": "::1", "FAMILY": "AF_INET6"}}),
    "its own name is asked for": ("✓", "", {"before": "socket.gethostbyname(socket.gethostname())"}),
    "another port is exposed": ("✓", "", image("EXPOSE 9999")),
    # Health checks
    "a health check of the image that fails": ("✓", "", image("HEALTHCHECK --interval=1s --retries=1 CMD false")),
    "a health check by a program that the image lacks": (
        "✗",
        "health check failed",
        check("CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"),
    ),
    "a health check by a shell that the image lacks": (
        "✗",
        "health check failed",
        {
            **image(
                AS_ROOT,
                "RUN rm -f /usr/bin/sh /bin/sh /bin/dash /usr/bin/dash /bin/bash /usr/bin/bash",
                AS_USER,
            ),
            **check("CMD-SHELL", "exit 0"),
        },
    ),
    "a health check in one word": ("✗", "health check failed", check("CMD", "python3 -c pass")),
    "a health check that passes": ("✓", "", check("CMD", "python3", "-c", "pass")),
    "a health check that hangs": ("✗", "health check failed", check("CMD-SHELL", "sleep 60")),
    # Answers
    "an answer of 20 MB": (
        "!",
        "times as long",
        {
            "within": "self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 20000000\\r\\nConnection: close\\r\\n\\r\\n' + bytes(20000000)); self.close_connection = True; self.wfile = open('/dev/null', 'wb')"
        },
    ),
    "shared memory for a gigabyte": (
        "✗",
        "No space left|SIGBUS|135|OutOfMemory",
        {"before": "f = open('/dev/shm/x', 'wb')\nfor _ in range(1024): f.write(bytes(2**20))", "User": "0"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, engine: Engine, tmp_path: Path) -> None:
    sign, why, given = FAULTS[fault]
    play(engine, tmp_path, **given).require(sign, why)
