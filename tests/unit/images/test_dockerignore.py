"""Docker's own rules, by the examples of its documentation."""

import pytest

from nova_infra.images.dockerignore import DockerIgnore


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        ("", [], ["a"]),
        ("# a\n\n  b  \n", ["b"], ["a", "# a"]),
        ("*/temp*", ["x/temporary.txt", "x/temp/deep"], ["temp", "x/y/temp"]),
        ("*/*/temp*", ["x/y/temporary.txt"], ["x/temp"]),
        ("temp?", ["tempa", "tempb/x"], ["temp", "tempab"]),
        ("**/*.go", ["a.go", "x/y/a.go"], ["a.gox"]),
        ("x/**", ["x/y", "x/y/z"], ["y"]),
        ("/x", ["x", "x/y"], ["y/x"]),
        ("x/", ["x/y"], ["y"]),
        ("*.md\n!README.md", ["a.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["README-secret.md"], ["README.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md"]),
        ("**\n!src", ["a", "tests/src"], ["src/a"]),
        ("[ab].txt\n[!ab].md", ["a.txt", "c.md"], ["c.txt", "a.md"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a[b\\]c]d", ["abd", "a]d", "acd"], ["axd"]),
        ("[[a]", ["[", "a"], ["b"]),
    ],
)
def test_a_file_is_kept_out_as_docker_keeps_it_out(text: str, ignored: list[str], kept: list[str]) -> None:
    rules = DockerIgnore.parse(text)
    assert [path for path in [*ignored, *kept] if rules.ignores(path)] == ignored


@pytest.mark.parametrize("pattern", ["!", "a[b", "[z-a]", "!x[", "[]", "! "])
def test_a_pattern_that_docker_refuses_is_named_with_its_line(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2 has '.*', which Docker does not take as a pattern"):
        DockerIgnore.parse(f"*.md\n{pattern}\n")
