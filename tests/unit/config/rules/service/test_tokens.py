"""Access tokens of many vendors are refused where everybody could read them, and names that begin like one are not."""

import random
import string
from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.config.rules.service.tokens import tokens
from nova_infra.errors import ConfigError

HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
WORD = ALNUM + "-_"
UPPER = string.ascii_uppercase + string.digits


def drawn(alphabet: str, length: int) -> str:
    """Characters as if by chance, the same in every run; a digit and a capital where the alphabet has them."""
    chance = random.Random(f"{alphabet} {length}")
    text = "".join(chance.choice(alphabet.replace("-", "").replace("_", "")) for _ in range(length - 2))
    return f"{text}7{'Q' if 'Q' in alphabet else '8'}"


# In pieces: whole, each would look like one that somebody has left here.
TOKENS = {
    "GitHub, classic": ("ghp_", drawn(ALNUM, 36)),
    "GitHub, app": ("ghs_", drawn(ALNUM, 36)),
    "GitHub, app, stateless": ("ghs_", "123456_eyJ", drawn(ALNUM, 40), ".eyJ", drawn(ALNUM, 60), ".", drawn(WORD, 80)),
    "GitHub, fine-grained": ("github_pat_", drawn(ALNUM, 22), "_", drawn(ALNUM, 59)),
    "GitLab": ("glpat-", drawn(WORD, 20)),
    "GitLab, without a digit": ("glpat-", "KdWnqTzLrBvXyHsMcJgF"),
    "GitLab, routable": ("glpat-", drawn(ALNUM, 27), ".01.", drawn(ALNUM, 9)),
    "GitLab, runner": ("glrt-", drawn(WORD, 20)),
    "Slack, bot": ("xoxb-", "123456789012-1234567890123-", drawn(ALNUM, 24)),
    "Slack, rotating": ("xoxe.xoxp-", "1-", drawn(ALNUM, 60)),
    "Slack, app": ("xapp-", "1-A0123456789-1234567890123-", drawn(HEX, 64)),
    "Slack, webhook": ("https://hooks.slack.com/", "services/T01234567/B01234567/", drawn(ALNUM, 24)),
    "Stripe": ("sk_live_", drawn(ALNUM, 24)),
    "Stripe, restricted": ("rk_live_", drawn(ALNUM, 99)),
    "npm": ("npm_", drawn(ALNUM, 36)),
    "PyPI": ("pypi-AgE", "IcHlwaS5vcmc", drawn(WORD, 120)),
    "RubyGems": ("rubygems_", drawn(HEX, 48)),
    "Docker Hub": ("dckr_pat_", drawn(WORD, 27)),
    "Hugging Face": ("hf_", drawn(string.ascii_letters, 34)),
    "OpenAI, project": ("sk-proj-", drawn(WORD, 48), "T3BlbkFJ", drawn(WORD, 48)),
    "OpenAI, old": ("sk-", drawn(ALNUM, 20), "T3BlbkFJ", drawn(ALNUM, 20)),
    "Anthropic": ("sk-ant-api03-", drawn(WORD, 93), "AA"),
    "OpenRouter": ("sk-or-v1-", drawn(HEX, 64)),
    "DeepSeek": ("sk-", drawn(HEX, 32)),
    "Groq": ("gsk_", drawn(ALNUM, 52)),
    "Replicate": ("r8_", drawn(ALNUM, 37)),
    "Perplexity": ("pplx-", drawn(ALNUM, 48)),
    "Google, OAuth client": ("GOCSPX-", drawn(WORD, 28)),
    "SendGrid": ("SG.", drawn(WORD, 22), ".", drawn(WORD, 43)),
    "Mailgun": ("key-", drawn(HEX, 32)),
    "Mailchimp": (drawn(HEX, 32), "-us14"),
    "DigitalOcean": ("dop_v1_", drawn(HEX, 64)),
    "Databricks": ("dapi", drawn(HEX, 32), "-2"),
    "Shopify": ("shpat_", drawn(HEX, 32)),
    "Square": ("sq0csp-", drawn(WORD, 43)),
    "Linear": ("lin_api_", drawn(ALNUM, 40)),
    "Notion": ("ntn_", drawn(ALNUM, 46)),
    "Atlassian": ("ATATT3", "xFfGF0", drawn(WORD, 170), "=1A2B3C4D"),
    "HashiCorp Vault": ("hvs.", drawn(WORD, 95)),
    "Terraform Cloud": (drawn(ALNUM, 14), ".atlasv1.", drawn(WORD, 67)),
    "Grafana": ("glsa_", drawn(ALNUM, 32), "_", drawn(HEX, 8)),
    "New Relic": ("NRAK-", drawn(UPPER, 27)),
    "Sentry": ("sntryu_", drawn(HEX, 64)),
    "Dynatrace": ("dt0c01.", drawn(UPPER, 24), ".", drawn(UPPER, 64)),
    "PlanetScale": ("pscale_tkn_", drawn(WORD, 43)),
    "Supabase": ("sbp_", drawn(HEX, 40)),
    "Doppler": ("dp.st.", "prd.", drawn(ALNUM, 43)),
    "Tailscale": ("tskey-", "auth-k", drawn(ALNUM, 11), "CNTRL-", drawn(ALNUM, 32)),
    "Pulumi": ("pul-", drawn(HEX, 40)),
    "Postman": ("PMAK-", drawn(HEX, 24), "-", drawn(HEX, 34)),
    "Airtable": ("pat", drawn(ALNUM, 14), ".", drawn(HEX, 64)),
    "Telegram": ("1234567890", ":AA", drawn(WORD, 33)),
    "age": ("AGE-SECRET-KEY-1", drawn(UPPER, 58)),
    "Azure": ("AccountKey=", drawn(ALNUM, 86), "=="),
    "Stripe, of production": ("sk_prod_", drawn(ALNUM, 24)),
    "Slack, trigger": ("https://hooks.slack.com/", "triggers/T0123456789/", "1234567890123/", drawn(ALNUM, 32)),
    "Slack, workflow": ("https://hooks.slack.com/", "workflows/T01234567/A0123/", "123456789/", drawn(ALNUM, 24)),
    "Fly.io, macaroon": ("fm1r_", drawn(ALNUM, 120)),
    "1Password": ("ops_", "eyJ", drawn(ALNUM, 260)),
    "Adobe": ("p8e-", drawn(ALNUM, 32)),
    "Brevo": ("xkeysib-", drawn(HEX, 64), "-", drawn(ALNUM, 16)),
    "Clojars": ("CLOJARS_", drawn(ALNUM, 60)),
    "Duffel": ("duffel_live_", drawn(WORD, 43)),
    "EasyPost": ("EZAK", drawn(ALNUM, 54)),
    "Facebook": ("EAAC", drawn(ALNUM, 140)),
    "Frame.io": ("fio-u-", drawn(WORD, 64)),
    "Microsoft Entra": ("abC8", "Q~", drawn(WORD, 34)),
    "Prefect": ("pnu_", drawn(ALNUM, 36)),
    "ReadMe": ("rdme_", drawn(string.ascii_lowercase + string.digits, 70)),
    "Scalingo": ("tk-us-", drawn(WORD, 48)),
    "Shippo": ("shippo_live_", drawn(HEX, 40)),
    "Sourcegraph": ("sgp_", drawn(HEX, 16), "_", drawn(HEX, 40)),
    "GitLab, agent": ("glagent-", drawn(WORD, 50)),
    "GitLab, feed": ("glft-", drawn(WORD, 20)),
    "GitLab, mail": ("glimt-", drawn(WORD, 25)),
    "GitLab, flags": ("glffct-", drawn(WORD, 20)),
    "GitLab, application": ("gloas-", drawn(WORD, 64)),
    "GitLab, registration": ("GR1348941", drawn(WORD, 20)),
    "GitLab, session": ("_gitlab_session=", drawn(string.ascii_lowercase + string.digits, 32)),
    "Alibaba Cloud": ("LTAI", drawn(ALNUM, 20)),
    "AWS, for Bedrock": ("ABSK", drawn(ALNUM, 128)),
    "Azure, shared access": ("sig=", drawn(ALNUM, 41), "%3D"),
    "ClickHouse": ("4b1d", drawn(ALNUM, 38)),
    "Cloudflare, origin": ("v1.0-", drawn(HEX, 24), "-", drawn(HEX, 146)),
    "Defined Networking": ("dnkey-", drawn(ALNUM, 26), "-", drawn(ALNUM, 52)),
    "Dropbox": ("sl.", drawn(WORD, 135)),
    "Facebook, application": ("123456789012345", "|", drawn(WORD, 27)),
    "Flutterwave": ("FLWSECK_TEST-", drawn(HEX, 32), "-X"),
    "GoCardless": ("live_", drawn(WORD, 40)),
    "Grafana, old": ("eyJrIjoi", drawn(ALNUM, 90)),
    "Harness": ("pat.", drawn(WORD, 22), ".", drawn(ALNUM, 24), ".", drawn(ALNUM, 20)),
    "Harness, service": ("sat.", drawn(WORD, 22), ".", drawn(ALNUM, 24), ".", drawn(ALNUM, 20)),
    "Heroku": ("HRKU-AA", drawn(WORD, 58)),
    "Infracost": ("ico-", drawn(ALNUM, 32)),
    "Intra42": ("s-s4t2ud-", drawn(HEX, 64)),
    "JFrog": ("AKCp", drawn(ALNUM, 69)),
    "JFrog, reference": ("cmVmd", drawn(ALNUM, 59)),
    "Lob": ("test_", drawn(HEX, 35)),
    "Mapbox, secret": ("sk.eyJ", drawn(ALNUM, 60), ".", drawn(WORD, 22)),
    "MaxMind": (drawn(ALNUM, 6), "_", drawn(ALNUM, 29), "_mmk"),
    "Microsoft Teams": ("https://acme", ".webhook.office.com/webhookb2/", drawn(HEX, 36), "@", drawn(HEX, 60)),
    "Netlify": ("nfp_", drawn(ALNUM, 36)),
    "New Relic, insert": ("NRII-", drawn(WORD, 32)),
    "New Relic, license": ("eu01xx", drawn(HEX, 30), "NRAL"),
    "Octopus Deploy": ("API-", drawn(UPPER, 26)),
    "OpenShift": ("sha256~", drawn(WORD, 43)),
    "Plaid": ("access-production-", "0a1b2c3d-0000-4000-8000-000000000001"),
    "SettleMint": ("sm_pat_", drawn(ALNUM, 16)),
    "Typeform": ("tfp_", drawn(ALNUM, 59)),
    "Yandex Cloud": ("AQVN", drawn(WORD, 36)),
    "a login, encoded": ("ZXlKaGJHY2lPaU", drawn(ALNUM, 80)),
    "a login": ("eyJ", drawn(ALNUM, 20), ".eyJ", drawn(ALNUM, 40), ".", drawn(WORD, 43)),
}

DIGEST = drawn(HEX, 64)
HARMLESS = (
    *("npm_config_registry", "npm_package_dependencies_of_the_frontend_service", f"npm_{'x' * 35}", f"npm_{'x' * 37}"),
    *("hf_hub_download_timeout_in_seconds_by_default", "hf_home", "org/hf_transformers-base-uncased-2024"),
    *("sk-learn-pipelines-for-recommendation-models-v2", "sk-Learn-Pipelines-For-Recommendation-Models", "sk-SK"),
    *("disk-usage-of-Production-Database-Replica-Number-2", "task-Worker-0123456789-Of-The-Nightly-Batch-Import"),
    *("sk_live_migrations_enabled", "sk_test_fixtures_directory", "rk_live_replication"),
    *("ghp_is_how_personal_access_tokens_begin_there", "ghs_", "github_pat_" + "is_how_fine_grained_ones_begin"),
    *("glpat-is-how-a-token-of-gitlab-begins", "xoxb-" + "is-how-a-token-of-slack-begins", "xapp-desktop-files"),
    *("key-rotation-of-the-nightly-database-backups-2024", "mrk-" + drawn(HEX, 32), f"sha256:{DIGEST}", DIGEST),
    *("AIza" + drawn(WORD, 35), "SK" + drawn(HEX, 32), "cache-key-" + drawn(HEX, 32), "Key-" + drawn(HEX, 32)),
    *("SKU-0123456789-of-the-warehouse", "SK", drawn(HEX, 40), drawn(HEX, 32), "dapi", "daphne-server-0123456789"),
    *("0a1b2c3d-0000-4000-8000-000000000001", "pattern-0123456789.abcdef", "pull-0123456789", "pul-request-templates"),
    "arn:aws:kms:us-east-1:333333333333:key/mrk-" + drawn(HEX, 32),
    f"444444444444.dkr.ecr.us-east-1.amazonaws.com/nova/api@sha256:{DIGEST}",
    *("https://hooks.slack.com/services/", "https://discord.com/api/webhooks/", "https://example.com:8443/a/b@c"),
    *("postgres://reader@database:5432/orders", "redis://:6379/0", "hvs.example.com", "AIzawa", "ya29.txt"),
    *("eyJhIjoxfQ==", "eyJhbGciOiJub25lIn0.example.com", "SG.Management.Service", "ntn_notifications", "r8_tests"),
    *(
        "xai-explainable-models-for-credit-scoring-2024",
        "gsk_pharmaceuticals_catalogue",
        "api_org_unit_of_the_customer",
    ),
    *("AccountKey=from-the-vault", "AGE-SECRET-KEY-1", "12:AAB", "2024-01-01T00:00:00Z", "main-us1", "cache-us14"),
    *("ops_eyJ", "p8e-commerce-checkout", "CLOJARS_REPOSITORY", "duffel_live_bookings", "EZAKI", "EAAC", "fio-u-0"),
    *("tk-us-east-1-warehouse-of-the-0123456789-articles-in-the-north", "pnu_matic", "rdme_pages", "sgp_local_search"),
    *("FAQ~2024", "https://hooks.slack.com/triggers/", "shippo_live_rates", "xkeysib-", "sk_prod_migrations_enabled"),
    *("live_migrations_of_the_Orders_Database_2024_in_parallel", "test_" + drawn(HEX, 40), "nfp_", "glft-coverage"),
    *("API-GATEWAY-OF-THE-WAREHOUSE", "API-WAREHOUSE", "v1.0-rc1", "sl.example.com", "ico-converter-of-the-web-pages"),
    *("pat.example.com", "sat.shop.example.com", "sha256~", "?sig=none", "config=abc", "access-production-database"),
    *("cmVmdGVybQ==", "orders|eu|2024", "123456789012345|orders", "sm_pat_terns", "tfp_uploads", "eyJrIjoi", "NRAL"),
    *(
        "pk.eyJ" + drawn(ALNUM, 60) + "." + drawn(WORD, 22),
        "NRJS-" + drawn(HEX, 19),
        "https://acme.webhook.office.com/",
    ),
    "lin_api_gateway_of_the_tracker_with_a_long_name_0",
)


@pytest.mark.parametrize("pieces", [*map(pytest.param, TOKENS.values())], ids=TOKENS.keys())
def test_a_token_is_found_wherever_it_stands(pieces: tuple[str, ...]) -> None:
    token = "".join(pieces)
    for around in ("{}", "token={}", "'{}'", "https://example.com/?key={}&a=b", "Bearer {}\n"):
        found = list(tokens(around.format(token)))
        assert [each for each in found if each.text in token or token in each.text], around


@pytest.mark.parametrize("text", HARMLESS)
def test_a_name_that_begins_like_a_token_is_no_token(text: str) -> None:
    assert list(tokens(text)) == []


@pytest.mark.parametrize("pieces", [TOKENS["Stripe"], TOKENS["Telegram"], TOKENS["Slack, webhook"]])
def test_a_token_is_refused_where_it_stands_and_its_vendor_named(raw: dict[str, Any], pieces: tuple[str, ...]) -> None:
    raw["services"][0]["environment"] = {"A": "".join(pieces)}
    raw["services"][1]["command"] = ["serve", "".join(pieces)]
    with pytest.raises(ConfigError) as refused:
        parse_config(raw)
    said = [line for line in str(refused.value).splitlines() if "an access token (" in line]
    assert ["services[0].environment.A: " in said[0], "services[1].command[1]: " in said[1]] == [True, True]
    assert not any(pieces[-1] in line for line in said), "the line is read by more people than the file"
