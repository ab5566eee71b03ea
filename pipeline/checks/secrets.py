"""Personal data and keys in what was typed or said: addresses, phone, card and account numbers, credentials."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from .credentials import credentials, hinted

_EMAIL = re.compile(
    r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?!example\.|test\.)(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+"
    r"(?!(?:png|jpe?g|gif|webp|svg|css|js|pdf|zip|apk|mp[34])\b)[a-z]{2,24}\b(?!-)",
    re.ASCII | re.IGNORECASE,
)
"""Names under `example.` and `test.` are nobody's (RFC 2606), `git@` is everybody's; a name has 64 characters, a label
of the domain 63 (RFC 5321, 1035). A picture for fine screens (`icon@2x.png`) and a version (`tool@1.2-beta`) are none.

Letters are ASCII here and below: Chinese stands next to an address or a number without a space.
"""
_USER = re.compile(r"://[^\s/:@]+:\Z")
_PHONE = re.compile(
    r"(?<![\w.+-])\+\d{1,3}(?:[ -]?\(?\d{1,4}\)?){2,5}(?![\w-]|\.\d)"
    r"|(?<!\w)\(\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}(?![\w-]|\.\d)|(?<![\w.,$€£¥#-])(?<![$€£¥#] )\d{3}[ -]\d{3}[ -]\d{4}"
    r"(?![\w-]|[.,]\d)|(?<![\w.,$€£¥#/-])1[3-9]\d{9}(?![\w-]|[.,]\w)",
    re.ASCII,
)
"""With a country's code, with an area's in brackets, in the North American form, a Chinese mobile number; no prices, no
numbers of orders (`#13812345678`), and none that are a part of a name or of an address."""
FEWEST = 9
_DIGITS = re.compile(rf"\d(?:\D{{0,3}}\d){{{FEWEST - 1}}}")
"""Without so many, near to each other, there is neither a telephone nor a card nor an account number."""
_CARD = re.compile(r"(?<![\w.+#-])(?:\d[ -]?){12,18}\d(?![\w-]|\.\d)", re.ASCII)
_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|22[2-9]|2[3-6]|27[01]|2720)\d+(?<=\A\d{16})|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|(?:6011|64[4-9]|65\d\d)\d{12}|62\d{14,17}|(?:50[12]|56|57|58|63|67)\d{10,17}"
)
"""What a payment card's number begins with, and how many digits it then has (ISO/IEC 7812: Visa, Mastercard, American
Express, Diners, JCB, Discover, UnionPay, Maestro): of other numbers one in ten has a right check digit, too."""
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z\d]{4}){2,7}(?: ?[A-Z\d]{1,3})?(?![\w-])", re.ASCII)
_IBAN_DIGITS = re.compile(r"[A-Z]{2}\d\d(?: ?\w){11}", re.ASCII)


@lru_cache(maxsize=64)
def _digits(text: str) -> int:
    """Return how many digits a text has, which are ASCII in all kinds of numbers here."""
    plain = text.encode(errors="replace")
    return len(plain) - len(plain.translate(None, b"0123456789"))


def _numeric(text: str) -> bool:
    """Tell whether enough digits for a number are near to each other."""
    return _digits(text) >= FEWEST and _DIGITS.search(text) is not None


def email(text: str) -> Iterator[str]:
    """Yield the first e-mail address."""
    if "@" in text and (found := next(_addresses(text), None)) is not None:
        yield f"found what looks like an e-mail address ({_hidden(found[0])}), expected none"


def phone(text: str) -> Iterator[str]:
    """Yield the first telephone number."""
    if _numeric(text) and (found := next(_phones(text), None)) is not None:
        yield f"found what looks like a phone number ({_hidden(found[0])}), expected none"


def card(text: str) -> Iterator[str]:
    """Yield that there is the number of a payment card."""
    if _numeric(text) and next(_cards(text), None) is not None:
        yield "found what looks like a payment card number, expected none"


def iban(text: str) -> Iterator[str]:
    """Yield the first number of a bank account."""
    if _digits(text) and _IBAN_DIGITS.search(text) and (found := next(_accounts(text), None)) is not None:
        yield f"found what looks like a bank account number ({_hidden(found[0])}), expected none"


def credential(text: str) -> Iterator[str]:
    """Yield the first key, token or password."""
    if hinted(text) and (found := next(credentials(text), None)) is not None:
        start, _, end = found
        yield f"found what looks like a key, token or password ({_hidden(text[start:end])}), expected none"


def card_number(text: str) -> bool:
    """Tell whether the digits pass the Luhn check (ISO/IEC 7812-1), and are as many as a card that begins so has.

    >>> card_number("4111 1111 1111 1111"), card_number("4111 1111 1111 1112")
    (True, False)
    """
    plain = re.sub(r"\D", "", text)
    if len(set(plain)) == 1 or not _CARDS.fullmatch(plain):
        return False
    digits = [int(digit) for digit in plain]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def account_number(text: str) -> bool:
    """Tell whether a text of an IBAN's form has its length and its check digits (ISO 13616, ISO/IEC 7064 mod 97-10).

    >>> account_number("GB82 WEST 1234 5698 7654 32"), account_number("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    plain = text.replace(" ", "")
    turned = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(turned) % 97 == 1


def _addresses(text: str) -> Iterator[re.Match[str]]:
    """Yield addresses; what stands before the @ of `https://ann:word@host.org` is a password."""
    return (found for found in _EMAIL.finditer(text) if not _USER.search(text, 0, found.start()))


def _phones(text: str) -> Iterator[re.Match[str]]:
    for found in _PHONE.finditer(text):
        if 9 <= len(re.sub(r"\D", "", found[0])) <= 15 and not card_number(found[0]):
            yield found


def _cards(text: str) -> Iterator[re.Match[str]]:
    return (found for found in _CARD.finditer(text) if card_number(found[0]))


def _accounts(text: str) -> Iterator[re.Match[str]]:
    return (found for found in _IBAN.finditer(text) if account_number(found[0]))


def _hidden(text: str) -> str:
    """Return enough of a secret to find it, and no more."""
    return f"{text[:3]}…" if len(text) > 3 else "…"


def spans(text: str) -> list[tuple[int, int, str]]:
    """Return (start, end, check) of each thing in a text that one of the checks would find, in order and apart.

    Of a password that is announced, as in `password: …`, only what follows the announcement is meant.
    """
    found = [(start, end, "credential") for _, start, end in credentials(text)]
    for kind, matches in _MATCHES.items():
        found += [(match.start(), match.end(), kind) for match in matches(text)]
    apart: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(found, key=lambda each: (each[0], -each[1])):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end, kind))
    return apart


_MATCHES: dict[str, Callable[[str], Iterator[re.Match[str]]]] = {
    "email": _addresses,
    "card": _cards,
    "iban": _accounts,
    "phone": _phones,
}
