"""Keys, tokens and passwords in texts: by their own form, or announced by a word such as `password:`.

Labels and what stands in for a secret (`Password: required`, `token: number`) are none.
"""

import re
from collections.abc import Iterator

_SHAPED = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:[A-Za-z]+\d*[-_]){0,3}(?=[A-Za-z_-]{0,40}\d)(?=[\w-]*[A-Za-z\d]{16})[\w-]{16,}"
    r"|\b(?:gh[opsur]_|hf_|glpat-|npm_)[A-Za-z\d_-]{20,}|\bgithub_pat_\w{30,}"
    r"|\b(?-i:A(?:KIA|SIA)[\dA-Z]{16})\b|\b(?-i:AIza)[\dA-Za-z_-]{30,}|\bxox[abeprs]-[A-Za-z\d-]{10,}"
    r"|\b(?-i:eyJ)[\w-]{10,}\.[\w-]{10,}\.[\w-]+"
    r"|-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY(?: BLOCK)?)-----(?:.*?-----END (?P=kind)-----|[\w+/=\s\\-]*)",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)  # fmt: skip
"""Keys of services by the prefixes that these document (OpenAI, Anthropic, Stripe, GitHub, GitLab, Hugging Face, npm,
AWS, Google, Slack), JSON Web Tokens (RFC 7519), private keys (RFC 7468)."""
_PASSWORD = re.compile(
    r"(?:(?<![a-z])(?:password|passwd|pwd|passphrase|passcode)(?:\s+is\s+(?=[\"“'‘`])|\s*[:=：]\s*|\s+是\s*)"
    r"|(?:密码|口令)\s*[:=：是为]\s*)"
    r"[\"“'‘`]?(?P<secret>(?!hidden-\d+\b|[*•●·….]+(?!\S))[^\s，。；、！？（）“”‘’`]{4,}?)"
    r"(?=[)\]}>\"'’`,.;:!?]{0,8}(?:[\s，。；、！？（）“”‘’]|\Z))",
    re.ASCII | re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?:(?<![a-z])(?:api[ _-]?key|(?:secret|access|private)[ _-]?key(?:[ _-]id)?|client[ _-]secret"
    r"|secret|[a-z]*[ _-]?token)\b"
    r"|密钥|令牌)[\"'”]?\s*(?:[:=：是为]|\bis\b)\s*[\"“'‘]?(?P<secret>[\w+/.~-]{12,}=*)"
    r"|\bbearer\s+(?P<bearer>[\w+/.~-]{16,}=*)|://[^\s/:@]+:(?P<url>(?!hidden-\d+@|\*+@)[^\s/:@]{3,})@[\w.-]+",
    re.ASCII | re.IGNORECASE,
)
"""An announced token, that of an HTTP header (RFC 6750), the password within an address (RFC 3986)."""
_HINTS = ("_", "glpat-", "akia", "asia", "aiza", "xox", "eyj", "-----begin", "passw", "passp", "passc", "pwd", "密码",
          "口令", "://")  # fmt: skip
_HINTS_AND_DIGITS = ("sk-", "pk-", "rk-", "key", "secret", "token", "密钥", "令牌", "bearer")
"""In every credential stands one of the first in small letters, or one of the second beside a digit."""
_DIGIT = re.compile(r"\d", re.ASCII)

_LABELS = frozenset(
    {
        "field", "fields", "input", "box", "text", "string", "number", "label", "placeholder", "required",
        "optional", "missing", "empty", "none", "null", "unset", "default", "invalid", "incorrect", "wrong", "weak",
        "medium", "strong", "fair", "good", "expired", "changed", "unchanged", "reset", "updated", "saved",
        "unsaved", "set", "shown", "show", "hidden", "hide", "visible", "masked", "enter", "type", "confirm",
        "confirmation", "repeat", "retype", "forgot", "forgotten", "change", "edit", "view", "copy", "paste",
        "continue", "next", "back", "cancel", "submit", "login", "signin", "sign", "sure", "correct", "accepted",
        "rejected", "protected", "enabled", "disabled", "autofill", "autofilled", "generated", "unknown", "given",
        "provided", "needed", "must", "should", "minimum", "maximum", "length", "same", "password", "passcode",
        "passphrase", "your", "the", "this", "that", "with", "from", "then", "when", "here", "there", "above",
        "below", "before", "after", "again", "please",
    }
)  # fmt: skip
"""Words of forms that stand where a password would."""


_FILE = re.compile(r"\.(?:json|ya?ml|txt|py|js|html?|png|jpe?g)\Z", re.IGNORECASE)


def hinted(text: str) -> bool:
    """Tell whether there is what stands in every credential: texts without it, nearly all, are done with quickly."""
    lower = text.casefold()
    return any(map(lower.__contains__, _HINTS)) or bool(
        _DIGIT.search(text) and any(map(lower.__contains__, _HINTS_AND_DIGITS))
    )


def credentials(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield (start, start of the secret itself, end) of each key, token and password."""
    for found in _SHAPED.finditer(text):
        yield found.start(), found.start(), found.end()
    for found in _PASSWORD.finditer(text):
        if _password(found["secret"], text[found.end() :]):
            yield found.start(), *found.span("secret")
    for found in _TOKEN.finditer(text):
        name = found.lastgroup or ""
        if name == "url" or _random(found[name]):
            yield found.start(), *found.span(name)


def _password(value: str, after: str) -> bool:
    """Tell whether what was announced as a password may be one: no word of a form, no sentence about passwords."""
    words = [each for each in re.split(r"[^a-z]+", value.casefold()) if each]
    if words and all(each in _LABELS for each in words) and not re.search(r"\d", value):
        return False
    if re.fullmatch(r"\d+(?:-\d+)?\+?(?:-?(?:digits?|characters?|chars?|letters?))?", value) and re.match(
        r"\s*(?:to \d+ )?(?:or more |alphanumeric )?(?:digits?|characters?|chars?|letters?|symbols?)\b", after
    ):
        return False
    # A plain word that a sentence goes on after is a part of that sentence.
    plain = re.fullmatch(r"[A-Za-z]?[a-z]+", value) is not None
    return not (plain and re.match(r"\s+(?!and\b|then\b|to\b|in\b|on\b|for\b)[A-Za-z]", after))


def _random(value: str) -> bool:
    """Tell whether a token looks made by chance: letters and digits, mixed; no word, no number, no name of a file."""
    if re.fullmatch(r"hidden-\d+", value) or re.search(
        r"\.(?:json|ya?ml|txt|py|js|html?|png|jpe?g)$", value, re.IGNORECASE
    ):
        return False
    runs = re.findall(r"[A-Za-z\d+/]{12,}", value)
    return any(re.search(r"\d", each) and re.search(r"[A-Za-z]", each) for each in runs)
