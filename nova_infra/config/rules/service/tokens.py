"""Recognizes access tokens of vendors by their whole form; ``secrets`` refuses them."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    """A token in a text.

    Attributes:
        vendor: Who accepts it.
    """

    vendor: str
    text: str


_HEX = "[0-9a-f]"
_ALNUM = "[A-Za-z0-9]"
_WORD = r"[\w-]"
# Words alone are not a token: names of packages, models and settings begin like one.
_DIGIT = rf"(?={_WORD}{{0,99}}\d)"
# By chance, few tokens have no digit; those have capitals among small letters, as in none of these words.
_CHANCE = rf"(?={_WORD}{{0,99}}\d|{_WORD}{{0,99}}[a-z][A-Z])"
_MIXED = rf"{_DIGIT}(?={_WORD}{{0,99}}[A-Z])"
# What is public by design is none of them, such as Google's keys of web pages (AIza…) and Twilio's SIDs (SK…).
# Vendor; words that mark its tokens; the whole form, with @ for these: from the vendors' pages and gitleaks' rules.
_FORMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("GitHub", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"@({_ALNUM}{{30,}}|\d+_eyJ[\w.-]{{30,}})"),
    ("GitHub", ("github_pat_",), rf"@{_DIGIT}\w{{22,}}"),
    ("GitLab", ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-"), rf"@{_CHANCE}[\w.-]{{20,}}"),
    (
        "Slack",
        ("xoxa-", "xoxb-", "xoxe-", "xoxe.xoxp-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
        rf"@{_DIGIT}{_WORD}{{10,}}",
    ),
    ("Slack", ("xapp-",), rf"@\d-[A-Z0-9]{{8,}}-\d+-{_HEX}{{20,}}"),
    ("Slack", ("hooks.slack.com/services/",), rf"@T{_ALNUM}+/B{_ALNUM}+/{_ALNUM}{{20,}}"),
    (
        "Slack",
        ("hooks.slack.com/workflows/", "hooks.slack.com/triggers/"),
        rf"@[TE]{_ALNUM}+/{_ALNUM}+/({_ALNUM}+/)?{_ALNUM}{{20,}}",
    ),
    ("Discord", ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"), rf"@\d{{17,}}/{_WORD}{{60,}}"),
    ("Stripe", ("sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "rk_prod_"), rf"@{_DIGIT}{_ALNUM}{{10,}}"),
    ("npm", ("npm_",), rf"@{_ALNUM}{{36}}"),
    ("PyPI", ("pypi-AgE",), rf"@{_WORD}{{50,}}"),
    ("RubyGems", ("rubygems_",), rf"@{_HEX}{{48}}"),
    ("Docker", ("dckr_pat_", "dckr_oat_"), rf"@{_WORD}{{27,}}"),
    ("Hugging Face", ("hf_", "api_org_"), rf"@{_ALNUM}{{30,}}"),
    ("OpenAI, Anthropic or the like", ("sk-",), rf"@{_MIXED}{_WORD}{{32,}}"),
    ("DeepSeek, OpenRouter or the like", ("sk-",), rf"@(or-v1-)?{_HEX}{{32,}}"),
    ("Groq", ("gsk_",), rf"@{_ALNUM}{{40,}}"),
    ("Replicate", ("r8_",), rf"@{_ALNUM}{{37}}"),
    ("Perplexity", ("pplx-",), rf"@{_ALNUM}{{40,}}"),
    ("xAI", ("xai-",), rf"@{_ALNUM}{{60,}}"),
    ("Google", ("GOCSPX-",), rf"@{_WORD}{{28}}"),
    ("Google", ("ya29.",), rf"@{_WORD}{{30,}}"),
    ("SendGrid", ("SG.",), rf"@{_WORD}{{20,24}}\.{_WORD}{{39,50}}"),
    ("Mailgun", ("key-",), rf"(?<!-)@{_DIGIT}{_HEX}{{32}}"),
    ("Mailchimp", ("-us",), rf"{_HEX}{{32}}@\d{{1,2}}"),
    ("DigitalOcean", ("dop_v1_", "doo_v1_", "dor_v1_"), rf"@{_HEX}{{64}}"),
    ("Databricks", ("dapi",), rf"@{_HEX}{{32}}(-\d)?"),
    ("Shopify", ("shpat_", "shpca_", "shppa_", "shpss_"), r"@[0-9A-Fa-f]{32}"),
    ("Square", ("sq0atp-", "sq0csp-"), rf"@{_WORD}{{22,}}"),
    ("Linear", ("lin_api_",), rf"@{_ALNUM}{{40}}"),
    ("Notion", ("ntn_",), rf"@{_ALNUM}{{40,}}"),
    ("Atlassian", ("ATATT3", "ATCTT3"), r"@[\w=-]{60,}"),
    ("HashiCorp Vault", ("hvs.", "hvb."), rf"@{_DIGIT}{_WORD}{{24,}}"),
    ("Terraform Cloud", (".atlasv1.",), rf"{_ALNUM}{{14}}@{_WORD}{{60,}}"),
    ("Grafana", ("glsa_",), rf"@{_ALNUM}{{32}}_[0-9A-Fa-f]{{8}}"),
    ("Grafana", ("glc_",), rf"@{_ALNUM}{{32,}}={{0,2}}"),
    ("New Relic", ("NRAK-",), r"@[A-Z0-9]{27}"),
    ("Sentry", ("sntryu_",), rf"@{_HEX}{{64}}"),
    ("Sentry", ("sntrys_eyJ",), r"@[\w+/=-]{40,}"),
    ("Dynatrace", ("dt0c01.",), r"@[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("PlanetScale", ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), r"@[\w.=-]{32,}"),
    ("Supabase", ("sbp_",), rf"@{_HEX}{{40}}"),
    ("Doppler", ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa."), r"@[\w.-]{40,}"),
    ("Tailscale", ("tskey-",), rf"@[a-z]+-{_ALNUM}+(CNTRL)?-{_ALNUM}{{20,}}"),
    ("Pulumi", ("pul-",), rf"@{_HEX}{{40}}"),
    ("Postman", ("PMAK-",), rf"@{_HEX}{{24}}-{_HEX}{{34}}"),
    ("Airtable", ("pat",), rf"@{_ALNUM}{{14}}\.{_HEX}{{64}}"),
    ("Fly.io", ("fm1a_", "fm1r_", "fm2_", "fo1_"), r"@[\w+/=-]{40,}"),
    ("1Password", ("ops_eyJ",), r"@[A-Za-z0-9+/]{100,}={0,3}"),
    ("Adobe", ("p8e-",), rf"@{_DIGIT}{_ALNUM}{{32}}"),
    ("Brevo", ("xkeysib-",), rf"@{_HEX}{{64}}-{_ALNUM}{{16}}"),
    ("Clojars", ("CLOJARS_",), rf"@{_ALNUM}{{60}}"),
    ("Duffel", ("duffel_live_", "duffel_test_"), rf"@{_WORD}{{43}}"),
    ("EasyPost", ("EZAK", "EZTK"), rf"@{_ALNUM}{{54}}"),
    ("Facebook", ("EAAC", "EAAM"), rf"@{_ALNUM}{{100,}}"),
    ("Frame.io", ("fio-u-",), rf"@{_WORD}{{64}}"),
    ("Microsoft Entra", ("Q~",), r"[\w.~]{3}\d@[\w.~-]{31,34}"),
    ("Prefect", ("pnu_",), rf"@{_ALNUM}{{36}}"),
    ("ReadMe", ("rdme_",), r"@[a-z0-9]{70}"),
    ("Scalingo", ("tk-us-",), rf"@{_DIGIT}{_WORD}{{48}}"),
    ("Shippo", ("shippo_live_", "shippo_test_"), r"@[0-9A-Fa-f]{40}"),
    ("Sourcegraph", ("sgp_",), rf"@({_HEX}{{16}}_|local_)?{_HEX}{{40}}"),
    ("Telegram", (":AA",), rf"\d{{8,10}}@{_WORD}{{33}}"),
    ("age", ("AGE-SECRET-KEY-1",), r"@[0-9A-Z]{58}"),
    ("Azure", ("AccountKey=", "SharedAccessKey="), r"@[A-Za-z0-9+/]{42,}={1,2}"),
    (
        "GitLab",
        ("glagent-", "glffct-", "glft-", "glimt-", "gloas-", "GR1348941"),
        rf"@{_CHANCE}{_WORD}{{20,}}",
    ),
    ("GitLab", ("_gitlab_session=",), r"@[0-9a-z]{32}"),
    ("Alibaba Cloud", ("LTAI",), rf"@{_DIGIT}{_ALNUM}{{12,24}}"),
    ("AWS, for Bedrock", ("ABSK",), r"@[A-Za-z0-9+/]{100,}={0,2}"),
    ("Azure", ("sig=",), r"@[A-Za-z0-9%+/]{43,}={0,2}"),
    ("ClickHouse", ("4b1d",), rf"@{_ALNUM}{{38}}"),
    ("Cloudflare", ("v1.0-",), rf"@{_HEX}{{24}}-{_HEX}{{146}}"),
    ("Defined Networking", ("dnkey-",), r"@[\w=-]{26}-[\w=-]{52}"),
    ("Dropbox", ("sl.",), r"@[\w=-]{130,}"),
    ("Facebook", ("|",), rf"\d{{15,16}}@{_WORD}{{27,40}}"),
    ("Flutterwave", ("FLWSECK-", "FLWSECK_TEST-"), r"@[0-9a-z]{12,}(-X)?"),
    ("GoCardless", ("live_",), rf"@{_MIXED}[\w=-]{{40}}"),
    ("Grafana", ("eyJrIjoi",), r"@[A-Za-z0-9]{70,}={0,3}"),
    ("Harness", ("pat.", "sat."), rf"@{_WORD}{{22}}\.{_ALNUM}{{24}}\.{_ALNUM}{{20}}"),
    ("Heroku", ("HRKU-AA",), rf"@{_WORD}{{58}}"),
    ("Infracost", ("ico-",), rf"@{_CHANCE}{_ALNUM}{{32}}"),
    ("Intra42", ("s-s4t2ud-", "s-s4t2af-"), rf"@{_HEX}{{64}}"),
    ("JFrog", ("AKCp",), rf"@{_ALNUM}{{69}}"),
    ("JFrog", ("cmVmd",), rf"@{_ALNUM}{{59}}"),
    ("Laravel", ("base64:",), r"@[A-Za-z0-9+/]{43}="),
    ("Lob", ("live_", "test_"), rf"@{_HEX}{{35}}"),
    ("Mapbox", ("sk.eyJ",), rf"@{_WORD}{{20,}}\.{_WORD}{{20,}}"),
    ("MaxMind", ("_mmk",), rf"{_ALNUM}{{6}}_{_ALNUM}{{29}}@"),
    ("Microsoft Teams", (".webhook.office.com/webhookb2/",), r"[a-z0-9]+@[^\s'\"&]{80,}"),
    ("Netlify", ("nfp_",), rf"@{_ALNUM}{{36}}"),
    ("New Relic", ("NRII-",), rf"@{_WORD}{{32}}"),
    ("New Relic", ("NRAL",), rf"(eu01xx)?{_HEX}{{30,36}}@"),
    ("Octopus Deploy", ("API-",), r"@(?=[A-Z]{0,25}\d)[A-Z0-9]{26}"),
    ("OpenShift", ("sha256~",), rf"@{_WORD}{{43}}"),
    (
        "Plaid",
        ("access-sandbox-", "access-development-", "access-production-"),
        rf"@{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}",
    ),
    ("SettleMint", ("sm_aat_", "sm_pat_", "sm_sat_"), rf"@{_ALNUM}{{16}}"),
    ("Typeform", ("tfp_",), r"@[\w.=-]{59}"),
    ("Yandex Cloud", ("AQVN",), rf"@{_WORD}{{35,38}}"),
    # A signed token once more in base64: its header begins with the algorithm, the type or the key.
    ("whoever signed it", ("ZXlKaGJHY2lPaU", "ZXlKMGVYQWlPaU", "ZXlKcmFXUWlP"), r"@[A-Za-z0-9/_+-]{40,}={0,2}"),
    ("whoever signed it", ("eyJ",), rf"@{_WORD}{{8,}}\.eyJ{_WORD}{{8,}}\.{_WORD}{{8,}}"),
)
_APART = r"(?<![A-Za-z0-9_]){}(?![A-Za-z0-9_])"


def tokens(text: str) -> Iterator[Token]:
    """Each access token in a text."""
    for vendor, words, form in _FORMS:
        # Few texts have any of these, and a pattern takes much longer to compile than a word to be found.
        if any(word in text for word in words):
            marks = f"(?:{'|'.join(map(re.escape, words))})"
            for found in re.finditer(_APART.format(form.replace("@", marks)), text, re.ASCII):
                yield Token(vendor, found[0])
