"""Which secrets and parameters of a release an account does not have."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nova_infra.deployed.model import StoredSecret
from nova_infra.deployed.stack import Stack
from nova_infra.operations.release.secrets import Found, missing_secrets

HOME = "eu-west-1:333333333333"
SECRET = f"arn:aws:secretsmanager:{HOME}:secret"
STACK = "nova-prod-shop"
GOOD = StoredSecret(labels=frozenset({"AWSCURRENT"}), versions=frozenset({"v7"}))


def joined(*texts: Any) -> dict[str, Any]:
    """As CDK writes an ARN of the environment's partition."""
    return {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, *texts]]}


def template(*origins: Any, **more: Any) -> dict[str, Any]:
    secrets = [{"Name": f"V{number}", "ValueFrom": origin} for number, origin in enumerate(origins, 1)]
    container = {"Name": "shop", "Secrets": secrets, **more}
    return {
        "Resources": {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}},
        }
    }


class Account:
    """An environment with what a test puts there."""

    def __init__(
        self,
        secrets: Mapping[str, StoredSecret | None] | None = None,
        parameters: Mapping[str, bool] | None = None,
        deployed: dict[str, Any] | None = None,
    ) -> None:
        self._secrets, self._parameters, self._deployed = secrets or {}, parameters or {}, deployed
        self.release: object = None

    def played(self) -> object:
        return self.release

    def stacks(self) -> tuple[Stack, ...]:
        arn = f"arn:aws:cloudformation:{HOME}:stack/nova-prod-platform/1"
        names = ["nova-prod-platform", *([STACK] if self._deployed else [])]
        return tuple(Stack(name, "UPDATE_COMPLETE", arn=arn) for name in names)

    def template(self, stack: str) -> dict[str, Any]:
        assert stack == STACK
        assert self._deployed is not None
        return self._deployed

    def secrets(self, names: Sequence[str]) -> Mapping[str, StoredSecret | None]:
        return {name: self._secrets[name] for name in names if name in self._secrets}

    def have_parameters(self, names: Sequence[str]) -> Mapping[str, bool]:
        return {name: self._parameters[name] for name in names if name in self._parameters}


def found(account: Account, *templates: dict[str, Any]) -> Found:
    return missing_secrets(account, dict(zip((STACK, "nova-prod-other"), templates, strict=False)))  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, "which does not exist, so no task of it starts: create it in this account and region"),
        (StoredSecret(deleted=True, labels=GOOD.labels), f"restore-secret --secret-id {SECRET}:db"),
        (StoredSecret(), "which has no value, so no task of it starts: put one into it"),
    ],
)
def test_a_secret_that_no_task_can_read_is_refused_with_the_remedy(stored: StoredSecret | None, said: str) -> None:
    account = Account({f"{SECRET}:db": stored})
    wanted = template(joined(f":secretsmanager:{HOME}:secret:db"), joined(f":secretsmanager:{HOME}:secret:db"))
    [missing] = found(account, wanted).missing
    assert missing.startswith(f"{STACK}: V1, V2 come from the secret db, ")
    assert said in missing


def test_a_version_or_a_label_that_the_secret_does_not_have_is_refused() -> None:
    account = Account({f"{SECRET}:db": GOOD})
    label, version = template(f"{SECRET}:db::next:"), template(f"{SECRET}:db:::v8")
    assert "has no version labelled next" in found(account, label).missing[0]
    assert "has no version v8" in found(account, version).missing[0]
    assert found(account, template(f"{SECRET}:db:::v7")) == Found()


def test_a_parameter_is_found_by_its_name_whichever_way_the_template_names_it() -> None:
    account = Account(parameters={"/shop/key": True, "key": True, "/shop/gone": False})
    good = [joined(f":ssm:{HOME}:parameter/shop/key"), {"Fn::Sub": f"arn:${{AWS::Partition}}:ssm:{HOME}:parameter/key"}]
    assert found(account, template(*good, "/shop/key")) == Found()
    [missing] = found(account, template(joined(f":ssm:{HOME}:parameter/shop/gone"))).missing
    assert missing.startswith(f"{STACK}: V1 comes from the parameter /shop/gone, which does not exist")


def test_a_field_that_the_running_release_does_not_read_is_noted_because_only_the_value_tells() -> None:
    account = Account({f"{SECRET}:db": GOOD}, deployed=template(f"{SECRET}:db:user::"))
    assert found(account, template(f"{SECRET}:db:user::")) == Found()
    said = found(account, template(f"{SECRET}:db:user::", f"{SECRET}:db:pass::"))
    assert said.missing == ()
    assert said.not_checked == (
        f"{STACK}: V2 comes from the secret db; not checked whether it has the field pass: only its value shows it",
    )


def test_what_the_role_may_not_look_at_is_noted_and_refuses_nothing() -> None:
    elsewhere = "arn:aws:ssm:eu-west-1:999999999999:parameter/shared/key"
    said = found(Account(), template(f"{SECRET}:db", elsewhere, "/shop/key"))
    assert said.missing == ()
    assert [line.partition("; ")[2] for line in said.not_checked] == [
        "not checked whether it exists: this role may not look there"
    ] * 3


def test_a_parameter_of_another_account_is_not_taken_for_a_missing_one() -> None:
    account = Account(parameters={"/shared/key": False})
    assert found(account, template("arn:aws:ssm:eu-west-1:999999999999:parameter/shared/key")).missing == ()


def test_what_the_release_makes_itself_is_not_asked_for() -> None:
    made = {"Resources": {"Db": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "db"}}}}
    of_own_stack = {"Fn::Join": ["", [{"Ref": "Db"}, ":user::"]]}
    account = Account({f"{SECRET}:db": None})
    assert found(account, template(f"{SECRET}:db", of_own_stack, {"Ref": "Db"}, "/aws/reference/x"), made) == Found()


def test_a_registrys_login_and_a_log_drivers_token_are_read_as_well() -> None:
    account = Account({f"{SECRET}:login": None, f"{SECRET}:logs": None})
    options = [{"Name": "token", "ValueFrom": f"{SECRET}:logs"}]
    login = {"CredentialsParameter": f"{SECRET}:login"}
    said = found(account, template(RepositoryCredentials=login, LogConfiguration={"SecretOptions": options}))
    assert [line.partition(", which")[0] for line in said.missing] == [
        f"{STACK}: token comes from the secret logs",
        f"{STACK}: its registry's login comes from the secret login",
    ]


def test_in_a_rehearsal_no_secret_is_missing() -> None:
    account = Account({f"{SECRET}:db": None})
    account.release = object()
    assert found(account, template(f"{SECRET}:db")) == Found()


def sub(text: str) -> dict[str, str]:
    return {"Fn::Sub": text}


REGION, ID = HOME.split(":")
OPEN = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/db-AbCdEf"


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (sub(OPEN), f"{SECRET}:shop/db-AbCdEf"),
        (sub(f"{OPEN}:user::"), f"{SECRET}:shop/db-AbCdEf"),
        (sub(OPEN.replace("-AbCdEf", "")), f"{SECRET}:shop/db"),
        (
            sub(OPEN.replace("${AWS::Region}", "eu-north-1")),
            f"arn:aws:secretsmanager:eu-north-1:{ID}:secret:shop/db-AbCdEf",
        ),
        (
            joined(":secretsmanager:", {"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"}, ":secret:db-AbCdEf"),
            f"{SECRET}:db-AbCdEf",
        ),
    ],
)
def test_a_secret_is_asked_for_by_the_arn_that_its_task_reads(value: Any, asked: str) -> None:
    """A name has no suffix of six characters, and only an ARN may do with or without it."""
    account = Account({asked: GOOD}, deployed=template(value))
    assert found(account, template(value)) == Found()
    assert len(found(Account({asked: None}), template(value)).missing) == 1


def test_a_secret_of_another_region_is_not_to_be_created_in_this_one() -> None:
    elsewhere = f"arn:aws:secretsmanager:us-east-2:{ID}:secret:db-AbCdEf"
    [missing] = found(Account({elsewhere: None}), template(elsewhere)).missing
    assert missing.endswith(f": create it in us-east-2 of the account {ID}, or correct the name")


def test_a_parameter_of_another_region_is_not_taken_for_a_missing_one() -> None:
    elsewhere = sub("arn:aws:ssm:us-east-2:${AWS::AccountId}:parameter/shop/key")
    assert found(Account(parameters={"/shop/key": False}), template(elsewhere)).missing == ()


def test_before_there_is_a_stack_a_name_that_may_have_a_suffix_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Account({"shop/db-AbCdEf": None, "shop/db": None})
    monkeypatch.setattr(account, "stacks", tuple)
    said = found(account, template(sub(OPEN), sub(OPEN.replace("-AbCdEf", ""))))
    assert [line.partition(" comes")[0] for line in said.missing] == [f"{STACK}: V2"]
    assert said.not_checked[0].startswith(f"{STACK}: V1 comes from the secret shop/db-AbCdEf; not checked")
