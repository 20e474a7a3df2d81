"""Entries of nova.toml come, go and change their names, and no other line changes."""

import pytest

from nova_infra.errors import ConfigError, NovaError
from nova_infra.scaffold.editing.configuration import with_entry, with_renamed_entry, without_entry

HEAD = """# What is delivered.
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "org/nova-platform"
token_secret = "token"
"""
STORE = """# The shop window.
# It is the busiest.
[[services]]
name = "store"   # ours
paths = ["/", "/store/*", "/store", "/stores/*"]
[services.environment]
BILLS_SERVICE = "bills"
OTHER = "/store/x, and store"
"""
BILLS = """[[services]]
name = "bills"
memory = 1024
"""
LAST = """# Nobody knows.
[[services]]
name = 'carts'
"""
ENVIRONMENTS = """# Where.
[[environments]]
name = "store"
account = "111111111111"
region = "us-east-1"
allow_plain_http = true
"""


def toml(*parts: str) -> str:
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("store", (HEAD, ENVIRONMENTS, BILLS, LAST)),
        ("bills", (HEAD, ENVIRONMENTS, STORE, LAST)),
        ("carts", (HEAD, ENVIRONMENTS, STORE, BILLS)),
    ],
)
def test_an_entry_goes_with_its_comment_and_its_tables(name: str, left: tuple[str, ...]) -> None:
    assert without_entry(toml(HEAD, ENVIRONMENTS, STORE, BILLS, LAST), name) == toml(*left)


def test_an_entry_goes_from_between_other_tables() -> None:
    assert without_entry(toml(HEAD, STORE, BILLS, ENVIRONMENTS), "bills") == toml(HEAD, STORE, ENVIRONMENTS)


def test_a_new_name_goes_into_the_entry_its_paths_and_what_names_the_service() -> None:
    text = toml(HEAD, ENVIRONMENTS, STORE, BILLS, LAST)
    renamed = STORE.replace('name = "store"', 'name = "shop"').replace('"/store/*", "/store"', '"/shop/*", "/shop"')
    assert with_renamed_entry(text, "store", "shop") == toml(HEAD, ENVIRONMENTS, renamed, BILLS, LAST)
    paid = STORE.replace('"bills"', '"invoices"')
    invoices = BILLS.replace('"bills"', '"invoices"')
    assert with_renamed_entry(text, "bills", "invoices") == toml(HEAD, ENVIRONMENTS, paid, invoices, LAST)
    assert with_renamed_entry(text, "carts", "baskets") == text.replace("'carts'", "'baskets'")


def test_a_new_name_goes_into_directories_and_not_into_words_that_only_equal_the_old_one() -> None:
    mine = """[[services]]
name = "bills"   # "bills" as ever
context = "services/bills"
dockerfile = "services/bills/Dockerfile"
user = "bills"
command = ["/bills/run", "bills"]
environment = { DATABASE = "bills", BILLS_BUCKET = "bills", METABILLS_TABLE = "bills", SERVICE_ACCOUNT = "bills" }
smoke = ["/bills/ok"]
health = { path = "/bills/health" }
[services.environments.store.environment]
BILLS_DIR = "/bills"
FILE = "/bills/x"
ONE_SERVICE = "bills"
OTEL_SERVICE_NAME = "bills"
BILLS_URL = "/bills/x"
"""
    renamed = (
        mine.replace('name = "bills"   #', 'name = "pay"   #')
        .replace("services/bills", "services/pay")
        .replace("/bills/ok", "/pay/ok")
        .replace("/bills/health", "/pay/health")
        .replace('ONE_SERVICE = "bills"', 'ONE_SERVICE = "pay"')
        .replace('SERVICE_NAME = "bills"', 'SERVICE_NAME = "pay"')
        .replace('URL = "/bills', 'URL = "/pay')
    )
    built = '[[rehearsal.dependencies]]\nname = "bills"\nbuild = "services/bills/database"\nport = 5432\n'
    built += 'command = ["/bills/start"]\n'
    worker = '[[services]]\nname = "post"\nkind = "worker"\nqueue = { name = "bills" }\n'
    text = toml(HEAD, ENVIRONMENTS, mine, worker, LAST, built)
    expected = toml(HEAD, ENVIRONMENTS, renamed, worker, LAST, built.replace("services/bills", "services/pay"))
    assert with_renamed_entry(text, "bills", "pay") == expected


def test_what_is_added_and_removed_again_leaves_the_file_as_it_was() -> None:
    for text in (toml(HEAD, ENVIRONMENTS, BILLS), toml(HEAD, ENVIRONMENTS, BILLS).replace("\n", "\r\n")):
        added = with_entry(text, "carts")
        assert added.startswith(text)
        assert without_entry(added, "carts") == text


@pytest.mark.parametrize(
    "services",
    [
        'services = [{ name = "bills" }, { name = "carts" }]\n',
        "[[services]]\nname = '''bills'''\n[['services']]\nname = 'c'\n",
    ],
)
def test_services_that_are_written_in_another_way_are_renamed_but_not_removed(services: str) -> None:
    text = (
        services + toml(HEAD, ENVIRONMENTS) if services.startswith("services") else toml(HEAD, ENVIRONMENTS, services)
    )
    with pytest.raises(NovaError, match=r"is not a list of \[\[services\]\] tables"):
        without_entry(text, "bills")
    assert with_renamed_entry(text, "bills", "x") == text.replace("bills", "x")


def test_a_new_name_that_contradicts_another_entry_is_refused() -> None:
    text = toml(HEAD, ENVIRONMENTS, BILLS, LAST)
    with pytest.raises(NovaError, match="'carts' is used twice"):
        with_renamed_entry(text, "bills", "carts")


def test_a_name_that_contradicts_another_entry_says_that_it_is_about_what_would_be_written() -> None:
    """The user has typed a name, and finds no such entry in the file."""
    text = toml(HEAD, ENVIRONMENTS, BILLS.replace("bills", "cache-pay"))
    clash = "^nova.toml with search-carts: services.1..priority: 34960 is also the priority of cache-pay: "
    with pytest.raises(ConfigError, match=clash):
        with_entry(text, "search-carts")


def test_a_service_that_something_else_refers_to_is_not_removed() -> None:
    connects = '[[services]]\nname = "orders"\nconnects_to = ["db.internal:5432"]\n'
    database = '[[rehearsal.dependencies]]\nname = "db"\nimage = "postgres:17"\nport = 5432\n'
    database += 'stands_for = ["db.internal"]\n'
    with pytest.raises(ConfigError) as raised:
        without_entry(toml(HEAD, ENVIRONMENTS, BILLS, connects, database), "orders")
    assert str(raised.value).startswith(
        "nova.toml without orders: rehearsal.dependencies[0].stands_for[0]: no service connects to db.internal"
    )


def test_a_name_that_is_written_in_escapes_is_refused_not_missed() -> None:
    escaped = toml(HEAD, ENVIRONMENTS, BILLS.replace('"bills"', r'"b\u0069lls"'), LAST)
    with pytest.raises(NovaError, match=r"is not a list of \[\[services\]\] tables"):
        with_renamed_entry(escaped, "bills", "invoices")
