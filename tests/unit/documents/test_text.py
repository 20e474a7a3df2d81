"""One line of output: what is said, and how often."""

import pytest

from nova_infra.documents.text import counted, in_words, said_once


@pytest.mark.parametrize(
    ("clauses", "said"),
    [
        (
            [("Dev", "acme-dev-shop does not stop"), ("Prod", "acme-prod-shop does not stop")],
            ["acme-dev-shop does not stop (also in Prod)"],
        ),
        (
            [(place, "nobody sent shop a request") for place in ("Dev", "Staging", "Prod")],
            ["nobody sent shop a request (also in Staging and Prod)"],
        ),
        (
            [
                ("Dev", "of dev-shop, GET /a answers 500 to 3 of 9 requests (200 before)"),
                ("Prod", "of prod-shop, GET /a answers 500 to 11 of 40 requests (200 before)"),
                ("Prod", "of prod-mail, GET /a answers 500 to 11 of 40 requests (200 before)"),
            ],
            [
                "of dev-shop, GET /a answers 500 to 3 of 9 requests (200 before) (also in Prod)",
                "of prod-mail, GET /a answers 500 to 11 of 40 requests (200 before)",
            ],
        ),
        (
            [("Dev", "dev-shop had 7 to 9 requests a minute"), ("Prod", "prod-shop had 40 requests a minute")],
            ["dev-shop had 7 to 9 requests a minute (also in Prod)"],
        ),
        (
            [
                ("Dev", "dev-shop took 2.5 MiB more: killed in 7 hours"),
                ("Prod", "prod-shop took 2 MiB more: killed in 9 hours"),
            ],
            ["dev-shop took 2.5 MiB more: killed in 7 hours (also in Prod)"],
        ),
        # Another status, service or operation is another fault, and so is what is nowhere.
        *(
            ([("Dev", first), ("Prod", second)], [first, second])
            for first, second in [
                ("GET /a answers 500 to 3 of 9 requests", "GET /a answers 404 to 3 of 9 requests"),
                ("service-1 does not stop", "service-2 does not stop"),
                ("GET /items/1 gets no answer", "GET /items/2 gets no answer"),
                ("devops does not stop", "prodops does not stop"),
            ]
        ),
        ([("", "a of 3 requests"), ("", "a of 4 requests")], ["a of 3 requests", "a of 4 requests"]),
        ([("Dev", "shop failed"), ("Dev", "shop failed")], ["shop failed"]),
    ],
)
def test_what_is_the_same_in_several_places_is_reported_once(clauses: list[tuple[str, str]], said: list[str]) -> None:
    assert said_once(clauses) == said


@pytest.mark.parametrize(
    ("names", "said"), [([], ""), (["Dev"], "Dev"), (["Dev", "Prod"], "Dev and Prod"), (["a", "b", "c"], "a, b and c")]
)
def test_all_names_stand_in_a_sentence(names: list[str], said: str) -> None:
    assert in_words(names) == said


@pytest.mark.parametrize(("number", "said"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks")])
def test_one_thing_is_in_the_singular(number: int, said: str) -> None:
    assert counted(number, "task") == said


def test_a_count_of_one_is_another_count_and_not_another_sentence() -> None:
    clauses = [("Dev", "dev-shop lost 1 task"), ("Prod", "prod-shop lost 3 tasks")]
    assert len(said_once(clauses)) == 2, "the noun differs"
    assert said_once([("Dev", "dev-shop: 4 tasks"), ("Prod", "prod-shop: 7 tasks")]) == [
        "dev-shop: 4 tasks (also in Prod)"
    ]
