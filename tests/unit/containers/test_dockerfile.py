import subprocess
from pathlib import Path

import pytest

from nova_infra.containers.dockerfile import (
    needs_docker_format,
    program_of,
    programs_of_shells,
    variables_of,
    volumes_of,
    with_users,
)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ('FROM a\nCMD ["python", "x.py"]\n', ("python", "x.py")),
        (
            'FROM a\nENTRYPOINT ["tini", "--"]\n# CMD ["no"]\nCMD ["python", \\\n  "x.py"]\n',
            ("tini", "--", "python", "x.py"),
        ),
        ("FROM a\ncmd python x.py\n", ("/bin/sh", "-c", "python x.py")),
        ('FROM a AS build\nCMD ["make"]\nFROM b\nRUN true\n', ()),
        ('FROM a\nCMD ["of it"]\nENTRYPOINT ["new"]\n', ("new", "of it")),
        ('FROM a AS b\nCMD ["old"]\nFROM b\nENTRYPOINT ["new"]\n', ("new",)),
        ('FROM a AS b\nCMD ["old"]\nFROM b\nCMD ["of it"]\nENTRYPOINT ["new"]\n', ("new", "of it")),
        ('FROM a AS b\nSHELL ["bash", "-ec"]\nCMD ["old"]\nFROM B\nENTRYPOINT new one\n', ("bash", "-ec", "new one")),
    ],
)
def test_what_a_dockerfile_runs(tmp_path: Path, text: str, program: tuple[str, ...]) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    assert program_of(tmp_path / "Dockerfile") == program


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("FROM a\nRUN true\nONBUILD RUN true\n", False),
        ("FROM a AS b\nONBUILD RUN true\nFROM b\n", True),
        ('FROM a\nshell ["/bin/bash", "-c"]\n', True),
        ('FROM a\n# SHELL ["/bin/bash", "-c"]\nRUN echo \\\n  shell\n', False),
    ],
)
def test_what_oci_images_cannot_hold_is_built_in_dockers_format(text: str, needed: bool) -> None:
    assert needs_docker_format(text) is needed


def users_made(text: str) -> list[tuple[int, str]]:
    bases = ["docker.io/node:22-slim", "nginx@sha256:0", "registry.example:5000/b:1"]
    lines = with_users(text, bases).splitlines()
    assert [line for line in lines if not line.startswith("RUN grep")] == text.splitlines()
    return [(n, line.split("/home/")[1].split(":")[0]) for n, line in enumerate(lines) if line.startswith("RUN grep")]


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("FROM docker.io/node:22-slim\nUSER node\n", [(1, "node")]),
        ("FROM --platform=linux/arm64 docker.io/node:22-slim AS a\nCOPY --chown=node:node . .\n", [(1, "node")]),
        ("FROM a\nFROM docker.io/node:22-slim AS build\nFROM nginx@sha256:0\nUSER nginx\n", [(3, "nginx")]),
        ('FROM docker.io/node:22-slim\nCMD ["node", "x.js"]\n', []),
        ("FROM docker.io/node:22-slim\nUSER nginx\n", []),
        ("FROM registry.example:5000/b:1\nUSER b\n", []),
        ("FROM node:22\nUSER node\n", []),
    ],
)
def test_a_stand_in_gets_the_users_of_the_official_image(text: str, users: list[tuple[int, str]]) -> None:
    assert users_made(text) == users


def test_the_step_makes_a_user_once(tmp_path: Path) -> None:
    [step] = [line for line in with_users("FROM node:1\nUSER node", ["node:1"]).splitlines() if line[:4] == "RUN "]
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "group").write_text("root:x:0:\n")
    here = step[4:].replace("/etc", str(tmp_path)).replace("/home", str(tmp_path)).replace("chown", "true")
    for _ in range(2):
        subprocess.run(["sh", "-ec", here], check=True)
    assert (tmp_path / "passwd").read_text().splitlines()[1:] == [f"node:x:1000:1000::{tmp_path}/node:/bin/sh"]
    assert (tmp_path / "group").read_text().splitlines()[1:] == ["node:x:1000:"]


BASH = 'FROM a AS first\nSHELL ["/bin/bash", "-eo", "pipefail", "-c"]\n'


@pytest.mark.parametrize(
    ("text", "target", "wanted"),
    [
        ("FROM a\nCMD exec serve\n", "", []),
        (f"{BASH}RUN true | false\n", "", []),
        (f'{BASH}CMD ["serve"]\n', "", []),
        (f"{BASH}CMD exec serve\n", "", ['CMD ["/bin/bash", "-eo", "pipefail", "-c", "exec serve"]']),
        (
            f'{BASH}ENTRYPOINT exec serve\nCMD ["--port", "1"]\n',
            "",
            ['ENTRYPOINT ["/bin/bash", "-eo", "pipefail", "-c", "exec serve"]', 'CMD ["--port", "1"]'],
        ),
        (
            f'{BASH}CMD ["--port", "1"]\nENTRYPOINT exec serve\n',
            "",
            ['ENTRYPOINT ["/bin/bash", "-eo", "pipefail", "-c", "exec serve"]', 'CMD ["--port", "1"]'],
        ),
        (f"{BASH}FROM first\nCMD serve\n", "", ['CMD ["/bin/bash", "-eo", "pipefail", "-c", "serve"]']),
        (f"{BASH}CMD serve\nFROM a\nCMD other\n", "", []),
        (f"{BASH}CMD serve\nFROM a\nCMD other\n", "First", ['CMD ["/bin/bash", "-eo", "pipefail", "-c", "serve"]']),
    ],
)
def test_what_another_shell_runs_is_written_out(text: str, target: str, wanted: list[str]) -> None:
    assert programs_of_shells(text, target) == wanted


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('FROM a\nENV A=1 B="x y"\nENV C some words\n', {"A": "1", "B": "x y", "C": "some words"}),
        ("FROM a AS base\nENV A=1\nFROM b\nENV B=2\n", {"B": "2"}),
        ("FROM a AS base\nENV A=1\nFROM base\nENV A=2 P=$A/bin\n", {"A": "2"}),
        ("FROM a\nENV A='\n", {"A='": ""}),
    ],
)
def test_the_variables_of_the_last_stage_are_read(text: str, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    assert variables_of(tmp_path / "Dockerfile") == variables


def test_the_lines_of_a_heredoc_are_no_instructions(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        'FROM python:3.13-slim\nENV A=1\nRUN <<EOF bash -e\nenv B=2 make\nCMD ["no"]\nEOF\n'
        "COPY --chown=1 <<-'end' /start.sh\n\tvolume /no\n\tentrypoint no\n\tend\n"
        'RUN echo $((1<<2))\nVOLUME /data\nCMD ["serve"]\n'
    )
    assert program_of(dockerfile) == ("serve",)
    assert variables_of(dockerfile) == {"A": "1"}
    assert volumes_of(dockerfile) == ("", ["/data"])


STAGES = """\
FROM python:3.13-slim AS Base
ENV ROOT=/srv KIND=base
WORKDIR $ROOT/app
VOLUME ${ROOT}/data
FROM base AS worker
ENV KIND=worker
CMD ["work"]
FROM base
ENV KIND=web
WORKDIR web
VOLUME ["/cache"]
CMD ["serve"]
"""


@pytest.mark.parametrize(
    ("target", "command", "kind", "place", "volumes"),
    [
        ("", "serve", "web", "/srv/app/web", ["/srv/data", "/cache"]),
        ("worker", "work", "worker", "/srv/app", ["/srv/data"]),
    ],
)
def test_a_stage_is_read_with_what_it_begins_with(
    tmp_path: Path, target: str, command: str, kind: str, place: str, volumes: list[str]
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(STAGES, encoding="utf-8-sig")
    assert program_of(dockerfile, target) == (command,)
    assert variables_of(dockerfile, target) == {"ROOT": "/srv", "KIND": kind}
    assert volumes_of(dockerfile, target) == (place, volumes)


def test_a_working_directory_that_only_a_build_knows_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nARG HOME_OF\nWORKDIR /app\nWORKDIR ${HOME_OF}/b\n")
    assert volumes_of(tmp_path / "Dockerfile") == ("", [])
