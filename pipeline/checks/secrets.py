"""Personal data and keys in what was typed or said: addresses, phone and card numbers, credentials."""

import re
from collections.abc import Iterator

_EMAIL = re.compile(
    r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?!example\.|test\.)[\w-]+\.[\w.-]*[a-z]{2,}\b", re.ASCII | re.IGNORECASE
)
"""Names under `example.` and `test.` are nobody's (RFC 2606), `git@` is everybody's; a name has 64 characters
(RFC 5321).

Letters are ASCII here and below: Chinese stands next to an address or a number without a space.
"""
_PHONE = re.compile(
    r"(?<![\w.+-])\+\d{1,3}(?:[ -]?\(?\d{1,4}\)?){2,5}(?![\w-]|\.\d)"
    r"|(?<!\w)\(\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}(?![\w-]|\.\d)|(?<![\w.-])\d{3}[ -]\d{3}[ -]\d{4}(?![\w-]|\.\d)"
    r"|(?<![\d.])1[3-9]\d{9}(?!\d|\.\w)",
    re.ASCII,
)
"""With a country's code, with an area's in brackets, in the North American form, a Chinese mobile number."""
_DIGITS = re.compile(r"\d(?:\D{0,3}\d){8}")
"""Without so many, near to each other, there is neither a telephone nor a card number."""
_CARD = re.compile(r"(?<![\d.+-])(?:\d[ -]?){12,18}\d(?![\d-]|\.\d)", re.ASCII)
_CREDENTIAL = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{16,}"
    r"|\bghp_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:\b(?:password|passwd)|密码)\s*[:=：是为]\s*(?!hidden-\d+\b|[*•●·….]+(?!\S))[^\s，。；、！？（）“”]{4,}?"
    r"(?=[)\]}>\"',.;:!?]*(?:[\s，。；、！？（）“”]|\Z))",
    re.ASCII | re.IGNORECASE,
)
_HINTS = ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "ghp_", "hf_", "akia", "aiza", "xox", "eyj", "-----begin", "passw",
          "密码")  # fmt: skip
"""One of them stands in every credential: texts without any, nearly all, are done with quickly."""


def secrets(text: str) -> Iterator[tuple[str, str]]:
    """Yield what somebody may want to keep for themselves, with the check that says so."""
    if "@" in text and (found := _EMAIL.search(text)):
        yield "email", f"found what looks like an e-mail address ({_hidden(found[0])}), expected none"
    if _DIGITS.search(text):
        for found in _PHONE.finditer(text):
            digits = re.sub(r"\D", "", found[0])
            if 9 <= len(digits) <= 15 and not card_number(found[0]):
                yield "phone", f"found what looks like a phone number ({_hidden(found[0])}), expected none"
                break
        if any(card_number(found[0]) for found in _CARD.finditer(text)):
            yield "card", "found what looks like a payment card number, expected none"
    lower = text.casefold()
    if any(map(lower.__contains__, _HINTS)) and (found := _CREDENTIAL.search(text)):
        yield "credential", f"found what looks like a key, token or password ({_hidden(found[0])}), expected none"


def card_number(text: str) -> bool:
    """Tell whether the digits pass the Luhn check (ISO/IEC 7812-1), are as many as a card has, and begin as one does.

    Payment cards begin with 2 to 6; a time in milliseconds begins with 1, the number of a book with 9.

    >>> card_number("4111 1111 1111 1111"), card_number("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(digit) for digit in text if digit.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1 or not 2 <= digits[0] <= 6:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


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
