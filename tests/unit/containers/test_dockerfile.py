from pathlib import Path

import pytest

from nova_infra.containers.dockerfile import needs_docker_format, program_of, programs_of_shells, variables_of


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
