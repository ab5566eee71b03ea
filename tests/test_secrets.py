"""What counts as a secret in a text: its own form or an announcement, and not the labels of a form."""

import pytest

from pipeline.checks import CHECKS
from pipeline.checks.credentials import credentials, hinted
from pipeline.checks.secrets import _MATCHES, account_number, card_number, spans
from pipeline.validation.redact import Names

KINDS = ("email", "phone", "card", "iban", "credential")
SECRETS = [
    ("Log in with username: alice and password: sunshine", "sunshine"),
    ("Log in with password: sunshine and open it", "sunshine"),
    ("password=Tr0ub4dor&3", "Tr0ub4dor&3"),
    ("The password is “tulip”, so type it", "tulip"),
    ("USER_PASSWORD: letmein99", "letmein99"),
    ("passcode: 4821", "4821"),
    ("口令：hunter2", "hunter2"),
    ("Authorization: Bearer 8f3a9c1e7b2d4f6a8c0e", "8f3a9c1e7b2d4f6a8c0e"),
    ('"api_key": "9f8e7d6c5b4a39281706"', "9f8e7d6c5b4a39281706"),
    ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("id ASIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"),
    ("postgres://bob:s3cret@db.corp.io/main", "s3cret"),
    ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3 b",
     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3"),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("Paste -----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKC\nabc=\n-----END RSA PRIVATE KEY----- there",
     "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKC\nabc=\n-----END RSA PRIVATE KEY-----"),
    ("Pay to DE89 3704 0044 0532 0130 00.", "DE89 3704 0044 0532 0130 00"),
]  # fmt: skip


def secrets(text: str, *kinds: str) -> list[str]:
    """Return what the checks say of a text."""
    return [said for name in kinds or KINDS if (ask := CHECKS[name].of_text) for said in ask(text)]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_found_and_nothing_of_it_is_left(text: str, secret: str) -> None:
    """All of it, not its first line; the message tells three characters at most, and not of an announced one."""
    assert [text[start:end] for start, end, _ in spans(text)] == [secret]
    (message,) = secrets(text)
    assert secret not in message
    hidden = Names({}).text(text)
    assert secret not in hidden
    assert spans(hidden) == []


@pytest.mark.parametrize("text", [
    "Password: required", "Password: required field", "Password: Show", "Password: must contain 8 characters",
    "Password: 8-16 characters", "Password: (unchanged)", "Password: forgot-password", "the password is wrong",
    "Password is incorrect", "密码：必填", "token: number", "api key not set", "API key: not-configured",
    "max tokens: 1024", "secret: The hidden treasure", "foreign key: customer_account_id", "Token: 3 of 12",
    "key: config-2024-production.json", "sk_button_container_2_top_right", "http://localhost:3000/path@x",
    "$123 456 7890", "order #13812345678", "ID13812345678", "https://shop.example/item/13812345678",
    "icon@2x.png", "react@18.2.0-beta", "lodash@4.17.21", "order 7992739871376545", "DE88 3704 0044 0532 0130 00",
    "Bearer of good news from the house",
])  # fmt: skip
def test_labels_prices_and_numbers_of_orders_are_none(text: str) -> None:
    """Whoever reads hundreds of false alarms reads none."""
    assert secrets(text) == []
    assert spans(text) == []


OPENINGS = [
    "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "hf_", "glpat-",
    "npm_", "AKIA", "ASIA", "AIza", "xoxb-", "eyJ", "-----BEGIN PRIVATE KEY-----", "password", "Passwd", "PWD",
    "passphrase", "passcode", "密码", "口令", "api key", "api-key", "api_key", "ApiKey", "secret key", "access key",
    "AccessKey", "private-key-id", "client secret", "secret", "token", "access_token", "密钥", "令牌", "bearer",
    "https://ann",
]  # fmt: skip
VALUES = ["", "1a2b3c4d5e6f7g8h9i0j1a2b3c4d5e6f", "ABCDEFGHIJKLMNOP", "abcdefghij.abcdefghij.abcdefghij", "“sunshine”",
          "abcdefghijklmnopqrstuvwxyzabcdef", "sunshine@host.org"]  # fmt: skip


@pytest.mark.parametrize("opening", OPENINGS)
def test_no_credential_is_passed_over_for_what_its_text_lacks(opening: str) -> None:
    """What is not searched, as no hint is there, no search finds."""
    texts = [f"{opening}{between}{value}" for between in ("", " ", ":", "=", " is ", "为") for value in VALUES]
    found = [text for text in texts if list(credentials(text))]
    assert found
    assert all(map(hinted, found))


@pytest.mark.parametrize("text", [
    "GB82 WEST 1234 5698 7654 32", "SC18SSCB11010000000000001497USD", "LC55HEMMAAAAAAAAAAAAAAAAAAAA",
    "4111 1111 1111 1111", "4222222222222", "+44 20 7946 0958", "+12 345-6789", "(020) 794-0958", "13812345678",
    "打13812345678吧", "+٤٤ 20 7946 0958",
])  # fmt: skip
def test_no_number_is_passed_over_for_what_its_text_lacks(text: str) -> None:
    """What is not searched, as too few digits are there, no search finds."""
    for kind, matches in _MATCHES.items():
        assert (secrets(text, kind) != []) == (list(matches(text)) != [])


@pytest.mark.parametrize("digits", [
    "5555 5555 5555 4444", "2223003122003222", "371449635398431", "30569309025904", "3530111333300000",
    "6011111111111117", "6200000000000005", "4222222222222",
])  # fmt: skip
def test_test_numbers_of_each_brand_are_cards(digits: str) -> None:
    """Those that payment services publish for tests."""
    assert card_number(digits)


def test_account_numbers_have_check_digits() -> None:
    """Two neighbours exchanged are found out."""
    assert account_number("DE89370400440532013000")
    assert not account_number("DE89370400440532031000")
