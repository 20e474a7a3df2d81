"""How many examples Hypothesis makes up: ``make test`` tries a fifth of what ``make test-all`` does."""

import hypothesis
from hypothesis.internal.conjecture import providers

QUICK, THOROUGH = "quick", "thorough"
_SHARE = 5


def load_profile(name: str) -> None:
    """Make up that many examples from now on. How long one takes says how busy the machine is, nothing of the code."""
    for profile in (QUICK, THOROUGH):
        hypothesis.settings.register_profile(
            profile,
            deadline=None,
            max_examples=examples(100, profile),
            suppress_health_check=[hypothesis.HealthCheck.too_slow],
        )
    hypothesis.settings.load_profile(name)
    if name == QUICK:
        # Each process would parse every module that it has loaded, for numbers and words to try besides.
        setattr(providers, "is_local_module_file", lambda _: False)  # noqa: B010 -- to mypy it is no name of that module


def examples(thorough: int, profile: str | None = None) -> int:
    """How many examples a test tries that needs another number than the usual 100.

    Args:
        thorough: The number that ``make test-all`` tries.
        profile: Default: the one that is loaded.
    """
    profile = profile or hypothesis.settings.get_current_profile_name()
    return thorough // _SHARE if profile == QUICK else thorough


def bomb(level: str) -> str:
    """YAML of a few lines that stands for more values than any machine can hold.

    Args:
        level: What each line holds, with ``*a`` for the line before.
    """
    lines = [f"b{number}: &b{number} {level.replace('*a', f'*b{number - 1}')}" for number in range(1, 40)]
    return "\n".join(["b0: &b0 {x: 1}", *lines])
