import pytest

from nova_infra.errors import NovaError
from nova_infra.rehearsal.drills.what_if import WhatIf


@pytest.mark.parametrize(
    ("text", "percent", "minutes"),
    [("percent=5,bake=10", 5, 10), ("bake=0, percent=0.5", 0.5, 0), ("percent=100,bake=1440", 100, 1440)],
)
def test_another_canary_is_read_from_a_few_words(text: str, percent: float, minutes: int) -> None:
    assert WhatIf.parse(text) == WhatIf(percent, minutes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "percent=5",
        "percent=0,bake=1",
        "percent=101,bake=1",
        "percent=5,bake=-1",
        "percent=5,bake=1,x=2",
        "percent=a,bake=b",
    ],
)
def test_what_is_no_canary_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NovaError, match=r"is not a canary: write percent=5,bake=10"):
        WhatIf.parse(text)
