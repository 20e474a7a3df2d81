"""What a script does after a check in it has failed."""

import subprocess
from pathlib import Path

import pytest

from nova_infra.rehearsal.delivery.workflows.language.shell import checks

GOES_ON = [
    ("make test | tee out", "| tee, without pipefail"),
    ("make test |\n  tee out", "| tee, without pipefail"),
    ("make test | tee out\nset -o pipefail", "| tee, without pipefail"),
    ("make test || true", "|| true"),
    ("make test || echo bad", "|| echo"),
    ("make test || {\n  echo bad\n}\ndate", "|| { echo"),
    ("make test || (ls)", "|| (ls"),
    ("make test > log 2>&1 || ls", "|| ls"),
    ("(make test) || true", "|| true"),
    ("(\n  make test\n) || true", "|| true"),
    ("{ make test; } || true", "|| true"),
    ("out=$(make test) || true", "|| true"),
    ("make test || exit 0", "|| exit 0"),
    ("make test || rc=$?\ndate", "|| rc="),
    ("make lint && make test || true", "|| true"),
    ("make test &\nwait", "&"),
    ("make test && echo passed\ndate", "&&"),
    ("make test &&\n  echo passed\ndate", "&&"),
    ("set +e\nmake test\ndate", "set +e"),
    ("set +e; make test; date", "set +e"),
    ("set +e; make test; rc=$?; date", "set +e"),
    ("set +o errexit\nmake test\ndate", "set +e"),
    ("if ! make test; then echo bad; fi", "if"),
    ("if make test; then echo good; else echo bad; fi\ndate", "if"),
    ("if make test; then\n  echo good\nfi\ndate", "if"),
    ("if ! make test; then\n  if true; then echo bad; fi\nelse\n  exit 1\nfi", "if"),
    ("f() { make test; }\nf || true", "f: || true"),
    ("function f {\n  make test\n  date\n}\nf | tee out", "f: | tee, without pipefail"),
    ("f() {\n  make test\n}\nif f; then echo good; fi", "f: if"),
    ("! make test", "!"),
    ("echo $(make test)", "echo $( )"),
    ('echo "said=$(make test)" >> out', "echo $( )"),
    ("export SAID=$(make test)", "export $( )"),
]
ENDS = [
    "set -eu -o pipefail\nmake test | tee out",
    "set -o errexit -o nounset -o pipefail\nmake test | tee out",
    "make test | tee out\nexit ${PIPESTATUS[0]}",
    "make test | tee out\ntest ${PIPESTATUS[0]} -eq 0",
    "set +e; make test; rc=$?; exit $rc",
    "set +e\nmake test\nrc=$?\nset -e\ntest $rc -eq 0",
    "set +e; date; set -e; make test\ndate",
    "make test; set +e; date",
    "make test; date || true",
    "set +e\nmake test",
    "make test &\nwait $!",
    "make test & pid=$!\ndate\nwait $pid",
    "make test && date | tee out",
    "make lint && make test\ndate",
    "(make test && echo passed)\ndate",
    "if date; then make test && echo passed; fi",
    "make test || { echo bad; exit 1; }",
    "make test || {\n  echo bad\n  exit 1\n}\ndate",
    "make test || (echo bad; exit 1)",
    "(make test) || exit 1",
    "(make test; echo passed)\ndate",
    "make test > log 2>&1 || { cat log; exit 1; }",
    "make test || rc=$?\nexit $rc",
    "make test || make test || exit 1",
    "if ! make test; then echo bad; exit 1; fi\ndate",
    "if make test; then echo good; else echo bad; exit 1; fi\ndate",
    "if ! make test; then failed=1; fi\nexit $failed",
    "f() {\n  make test\n}\nf",
    "f() { make test || exit 1; }\nf",
    "f() { make test; }\nf || exit 1",
    "said=$(make test)\ndate",
    'said="$(make test)"\ndate',
]


def ignored(script: str, shell: str = "") -> list[tuple[str, str]]:
    return [(check, why) for check, why in checks(script, shell) if why]


@pytest.mark.parametrize(("script", "why"), GOES_ON)
def test_a_check_is_named_that_fails_unseen(script: str, why: str, tmp_path: Path) -> None:
    [(check, found)] = ignored(script)
    assert check == "make test"
    assert found.startswith(why)
    assert _played(script, tmp_path) == 0


@pytest.mark.parametrize("script", ENDS)
def test_no_check_is_named_whose_failure_ends_the_script(script: str, tmp_path: Path) -> None:
    assert not list(ignored(script))
    assert _played(script, tmp_path) != 0


def _played(script: str, directory: Path) -> int:
    """The status of a script in which ``make test`` fails, and nothing else."""
    make = 'make() { [ "$*" != test ]; }\n'
    return subprocess.run(
        ["bash", "-e", "-c", make + script], cwd=directory, check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("npm run test || true", ["npm run test"]),
        ("tox -e py312 || true", ["tox"]),
        ("make -k test-unit || true", ["make -k test-unit"]),
        ("make -C app test || true", ["make -C app test"]),
        ("uv run pytest tests -k 'a | b' || true", ["pytest"]),
        ("uv run pytest tests -k 'a | b'\ndate", []),
        (".venv/bin/pytest || true", ["pytest"]),
        ("pip install pytest tox || true", []),
        ("python -m pip install -r pytest.txt || true", []),
        ("echo 'make test || true'", []),
        ("# make test || true", []),
        ("if make -n test; then make test; fi", []),
        ("while ! make verify; do sleep 1; done\ndate", []),
        ("make test || echo failed=1 >> $GITHUB_OUTPUT", []),
        ("npm install && npm test\ndate", []),
        ("make e2e-in-a-browser 2>&1 | tee log", ["make e2e-in-a-browser"]),
        ("python -m smoke | tee log", ["python -m smoke"]),
        ("echo hello | tee log; cat x | tee y; make checkout || true", []),
        ("! make test && exit 1\nif ! make test; then exit 1; fi", []),
        ("test -z $(make test)", []),
        ("if date; then exit 1; elif ! make check; then exit 1; fi", []),
        ("until ! make verify; do sleep 1; done\nif [ a ] && ! make check; then exit 1; fi", []),
        ("python scripts/version.py | tee -a $GITHUB_OUTPUT; npx playwright --version | tee v", []),
        ("npx cdk list | tee stacks; docker run x sh -c 'make test' | tee log; npx vitest list | tee x", []),
        ("for s in $(make test-list); do date; done\ncase $(make check) in a) ls ;; esac", []),
        ("git diff --exit-code $(make gate-files)\nA=1 B=$(make check-version)", []),
        ("if date; then echo $(make check); fi", ["make check"]),
        ("npx playwright test | tee log; python -m unittest | tee log", ["npx playwright test", "python -m unittest"]),
    ],
)
def test_only_checks_are_looked_at(script: str, named: list[str]) -> None:
    assert [check for check, _ in ignored(script)] == named


@pytest.mark.parametrize(
    ("shell", "whys"),
    [
        ("", ["| cat, without pipefail"]),
        ("sh", ["| cat, without pipefail"]),
        ("bash", []),
        ("bash {0}", ["| cat, without pipefail"]),
        ("/bin/sh -e {0}", ["| cat, without pipefail"]),
        ("pwsh", []),
        ("bash -eo pipefail {0}", []),
        ("bash -o pipefail {0}", ["shell: bash -o pipefail {0}"]),
    ],
)
def test_the_shell_decides_with_which_options_a_script_begins(shell: str, whys: list[str]) -> None:
    assert [why for _, why in ignored("make test | cat\ndate", shell)] == whys
