from typing import Any

import pytest

from nova_infra.rehearsal.delivery.workflows.language.outputs import exported, in_lines, masked, outputs
from nova_infra.rehearsal.delivery.workflows.language.values import UNKNOWN, Open

OURS = {"engine": "trains"}
LIST = '[{"name": "carts"}]'
RUNS_MORE = ("cd web && ./more.sh", "git diff | ./more.sh", "for x in a b; do ./more.sh $x; done", "A=$(./more.sh)")
FILE = '>> "$GITHUB_OUTPUT"'


@pytest.mark.parametrize(
    ("script", "said", "all_of_it"),
    [
        (f'echo "a=1" {FILE}', {"a": "1"}, True),
        ("echo a=1 >> $GITHUB_OUTPUT", {"a": "1"}, True),
        ("echo 'a=1' >>${GITHUB_OUTPUT}", {"a": "1"}, True),
        ('echo "::set-output name=a::1"', {"a": "1"}, True),
        (f'echo "a=$(date)" {FILE}', {"a": UNKNOWN}, True),
        (f'echo "list=$(nova services --json)" {FILE}', {"list": LIST}, True),
        (f"{{\n  echo a=1\n  echo b=2\n}} {FILE}", {"a": "1", "b": "2"}, True),
        (f'{{\n  echo "list<<END"\n  nova services --json\n  echo "END"\n}} {FILE}', {"list": LIST}, True),
        (f'echo "list<<E" {FILE}\nnova services --json {FILE}\necho "E" {FILE}', {"list": LIST}, True),
        (f"{{\n  nova github outputs\n  echo a=1\n}} {FILE}", {**OURS, "a": "1"}, True),
        (f"nova github outputs {FILE}", OURS, True),
        ("echo a=1; echo b=2 >> $GITHUB_OUTPUT", {"b": "2"}, True),
        ("echo X=1 >>$GITHUB_ENV; echo b=2 >> $GITHUB_OUTPUT", {"b": "2"}, True),
        (f'# echo "a=1" {FILE}\necho "b=2" {FILE}', {"b": "2"}, True),
        # What writes more is not known to write nothing else.
        ("echo a='1' >> $GITHUB_OUTPUT", {}, False),
        ("{ echo a=1; echo b=2; } >> $GITHUB_OUTPUT", {}, False),
        (f'# echo "a=1" {FILE}\necho ok', {}, False),
        (f'{{ echo "a=1"; echo "b=2"; }} {FILE}', {}, False),
        (f"nova github outputs {FILE}\nfor x in a b; do\n  echo $x=1\ndone {FILE}", OURS, False),
        (f"nova github outputs {FILE}\ncat <<X {FILE}\na=1\nX", OURS, False),
        (f"nova github outputs {FILE}\nprintf 'a=%s' 1 {FILE}", OURS, False),
        ('nova github outputs | tee -a "$GITHUB_OUTPUT"\necho a=1 | tee -a "$GITHUB_OUTPUT"', OURS, False),
        ("make release", {}, False),
        (f"nova github outputs {FILE}\n./scripts/more.sh", OURS, False),
        *((f"{more}\nnova github outputs {FILE}", OURS, False) for more in RUNS_MORE),
        (f"cd web && git diff | grep x; NAMES=$(ls | sort)\nnova github outputs {FILE}", OURS, True),
        (f"cd web\n# the list\nnova github outputs {FILE}", OURS, True),
        (f"nova github outputs \\\n  {FILE}", OURS, True),
        (f'echo "a=1" {FILE}\necho "b=2" > $GITHUB_OUTPUT', {"b": "2"}, True),
    ],
)
def test_the_outputs_of_a_script_are_open_unless_all_that_writes_them_is_known(
    script: str, said: dict[str, Any], all_of_it: bool
) -> None:
    found = outputs(in_lines(script), OURS if "nova github" in script else {}, LIST)
    assert (dict(found), isinstance(found, Open)) == (said, not all_of_it)


@pytest.mark.parametrize(
    ("script", "hidden"),
    [
        ('echo "::add-mask::$URL"', {"steps.deploy.outputs.url"}),
        ("echo ::add-mask::${URL}", {"steps.deploy.outputs.url"}),
        ("echo '::add-mask::${{ steps.deploy.outputs.url }}'", {"steps.deploy.outputs.url"}),
        (f'T=$(make token)\necho "::add-mask::$T"\necho "token=$T" {FILE}', {"steps.own.outputs.token"}),
        (f'T=$(make token)\necho "::add-mask::$T"\necho "more=1" {FILE}', set()),
        ('echo "::add-mask::$OTHER"', set()),
        ("""echo '::add-mask::'"$URL" """, {"steps.deploy.outputs.url"}),
        ("""printf '::add-mask::%s\\n' "$URL" """, {"steps.deploy.outputs.url"}),
        ('echo "$URL"', set()),
        (
            f'T=$(make token)\necho "::add-mask::$T"\necho "auth=token ${{T}} of $USER" {FILE}',
            {"steps.own.outputs.auth"},
        ),
        (f'T=$(make token)\necho "::add-mask::$T"\necho "set=${{T:+yes}}" {FILE}', set()),
        (f'T=$(make token)\necho "::add-mask::$T"\necho "hash=$(echo $T | sha256sum)" {FILE}', set()),
    ],
)
def test_what_a_step_masks_is_no_output_of_its_job(script: str, hidden: set[str]) -> None:
    variables = {"URL": "${{ steps.deploy.outputs.url }}"}
    assert masked({"id": "own", "run": script}, variables) == hidden


@pytest.mark.parametrize(("action", "hidden"), [("create-github-app-token@v2", True), ("checkout@v5", False)])
def test_some_actions_mask_their_outputs_themselves(action: str, hidden: bool) -> None:
    assert masked({"id": "app", "uses": f"actions/{action}"}, {}) == ({"steps.app.outputs.token"} if hidden else set())


@pytest.mark.parametrize(
    ("version", "given", "hidden"),
    [
        ("v4", {"mask-aws-account-id": True}, True),
        ("v1", {}, True),
        ("v4", {}, False),
        ("v4", {"role-to-assume": "x"}, False),
    ],
)
def test_the_registry_of_an_account_whose_id_is_masked_is_masked_too(
    version: str, given: dict[str, Any], hidden: bool
) -> None:
    signed = masked({"id": "aws", "uses": f"aws-actions/configure-aws-credentials@{version}", "with": given}, {})
    assert ("account" in signed) is hidden
    assert ("steps.aws.outputs.aws-account-id" in signed) is hidden
    found = masked({"id": "ecr", "uses": "aws-actions/amazon-ecr-login@v2"}, {}, account="account" in signed)
    assert found == ({"steps.ecr.outputs.registry"} if hidden else set())


@pytest.mark.parametrize(
    ("script", "known"),
    [
        ('echo "TARGET=staging" >> "$GITHUB_ENV"', {"A": "1", "TARGET": "staging"}),
        ("make\necho A=2 >> $GITHUB_ENV\necho 'B=x y' >>${GITHUB_ENV}", {"A": "2", "B": "x y"}),
        ("make", {"A": "1"}),
        ('echo "A=$(date)" >> "$GITHUB_ENV"', {}),
        ('echo "B=1" >> $GITHUB_ENV\necho "A=$C" >> $GITHUB_ENV', {}),
        ("if x; then\n  echo A=2 >> $GITHUB_ENV\nfi", {}),
        ("echo B=2 >> $GITHUB_ENV && ./more.sh", {"A": "1"}),
    ],
)
def test_later_steps_know_a_variable_that_is_certain_to_have_one_value(script: str, known: dict[str, str]) -> None:
    assert exported(script, {"A": "1"}, certain=True) == known


def test_of_a_step_that_may_not_run_no_variable_is_known() -> None:
    assert exported("echo A=2 >> $GITHUB_ENV\necho B=2 >> $GITHUB_ENV", {"A": "1"}, certain=False) == {}
