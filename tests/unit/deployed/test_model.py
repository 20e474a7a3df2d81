from nova_infra.deployed.model import short_digest


def test_a_digest_is_shortened_to_the_twelve_digits_that_people_compare() -> None:
    assert short_digest("sha256:0123456789abcdef") == "sha256:0123456789ab"
    assert short_digest("unknown") == "unknown"
