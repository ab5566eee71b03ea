"""Personal data and keys in what was typed or said: addresses, phone and card numbers, credentials."""

import re
from collections.abc import Iterator

from pipeline.records import Sample

from .check import Context, Finding
from .text import texts

_EMAIL = re.compile(r"\b[\w.+-]+@(?!example\.|test\.)[\w-]+\.[\w.-]*[a-z]{2,}\b", re.IGNORECASE)
"""Names under `example.` and `test.` are nobody's (RFC 2606)."""
_PHONE = re.compile(
    r"(?<![\w.+-])\+\d{1,3}(?:[ -]?\(?\d{1,4}\)?){2,5}(?![\w.-])"
    r"|(?<!\w)\(\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}(?![\w.-])|(?<![\w.-])\d{3}[ -]\d{3}[ -]\d{4}(?![\w.-])"
    r"|(?<!\d)1[3-9]\d{9}(?!\d)"
)
"""With a country's code, with an area's in brackets, in the North American form, a Chinese mobile number."""
_CARD = re.compile(r"(?<![\d.-])(?:\d[ -]?){12,18}\d(?![\d.-])")
_CREDENTIAL = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}|\bghp_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:password|passwd|密码)\s*[:=：是为]\s*(?!hidden-\d+\b)\S{4,}",
    re.IGNORECASE,
)


def email(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield e-mail addresses that may be somebody's."""
    yield from _found(sample, _EMAIL, "an e-mail address")


def phone(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield telephone numbers."""
    for path, text in texts(sample):
        for match in _PHONE.finditer(text):
            digits = re.sub(r"\D", "", match[0])
            if 9 <= len(digits) <= 15 and not card_number(match[0]):
                yield Finding(path, f"found what looks like a phone number ({_hidden(match[0])}), expected none")
                break


def card(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield payment card numbers: digits whose checksum is right."""
    for path, text in texts(sample):
        if any(card_number(match[0]) for match in _CARD.finditer(text)):
            yield Finding(path, "found what looks like a payment card number, expected none")


def credential(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield keys, tokens and passwords."""
    yield from _found(sample, _CREDENTIAL, "a key, token or password")


def card_number(text: str) -> bool:
    """Tell whether the digits pass the Luhn check (ISO/IEC 7812-1) and are as many as a card has.

    >>> card_number("4111 1111 1111 1111"), card_number("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(digit) for digit in text if digit.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _found(sample: Sample, pattern: re.Pattern[str], what: str) -> Iterator[Finding]:
    for path, text in texts(sample):
        if match := pattern.search(text):
            yield Finding(path, f"found what looks like {what} ({_hidden(match[0])}), expected none")


def _hidden(text: str) -> str:
    """Return enough of a secret to find it, and no more."""
    return f"{text[:3]}…" if len(text) > 3 else "…"


def spans(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, check) of each thing in a text that one of the checks would find, in order and apart.

    Of a password that is announced, as in `password: …`, only what follows the announcement is meant.
    """
    found = [(match.start(), match.end(), "email") for match in _EMAIL.finditer(text)]
    for match in _CREDENTIAL.finditer(text):
        announced = _ANNOUNCED.match(match[0])
        found.append((match.start() + (announced.end() if announced else 0), match.end(), "credential"))
    found += [(match.start(), match.end(), "card") for match in _CARD.finditer(text) if card_number(match[0])]
    for match in _PHONE.finditer(text):
        if 9 <= len(re.sub(r"\D", "", match[0])) <= 15 and not card_number(match[0]):
            found.append((match.start(), match.end(), "phone"))
    apart: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(found, key=lambda each: (each[0], -each[1])):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end, kind))
    return apart


_ANNOUNCED = re.compile(r"(?:password|passwd|密码)\s*[:=：是为]\s*", re.IGNORECASE)
