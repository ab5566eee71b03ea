"""How many tokens a sample will take in training: the frame of ChatML, its texts, its screenshots by their sizes.

With a tokenizer the count is exactly what the trainer makes of the sample (a test holds the two together). Without
one each byte of text counts as a token, and no sample has more: the vocabularies of the Qwen families are byte-level,
so a token stands for a byte at least. They compose characters first (NFC), which may lengthen a text, so the longer
form counts.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

from pipeline.exceptions import ConfigError, MissingExtraError
from pipeline.records import ImageRef, Message

FILE_NAME = "tokenizer.json"
CONTROL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
"""Tokens that no text makes: a turn has the first two, a screenshot the others; layouts may write more."""

CACHED_TEXTS = 4096
"""A turn's texts stand in all samples after it."""


class TokenCount:
    """Counts tokens, those of each text once."""

    def __init__(self, measure: Callable[[str], int], factor: int) -> None:
        self._text = lru_cache(CACHED_TEXTS)(measure)
        self._area = factor**2

    def text(self, messages: Iterable[Message]) -> int:
        """Return the tokens of the messages without those of the screenshots themselves."""
        newline = self._text("\n")
        total = 0
        for message in messages:
            total += 2 + newline + sum(map(self._text, _pieces(message)))
            total += sum({"image": 2, "token": 1}.get(part.type, 0) for part in message.content)
        return total

    def images(self, images: Iterable[ImageRef]) -> int:
        """Return the tokens of the screenshots."""
        return sum(image.width * image.height // self._area for image in images)

    def sample(self, messages: Iterable[Message], images: Sequence[ImageRef]) -> int:
        """Return the tokens of a sample."""
        return self.text(messages) + self.images(images)


def counter(tokenizer: str | None, factor: int) -> TokenCount:
    """Return the count of a tokenizer file, or of bytes; raises ConfigError for a file that is no such tokenizer."""
    return TokenCount(most_tokens if tokenizer is None else _measure(tokenizer), factor)


def most_tokens(text: str) -> int:
    """Return a number of tokens that no byte-level tokenizer exceeds.

    >>> most_tokens("Öl")
    3
    """
    return len(text) if text.isascii() else max(len(text.encode()), len(unicodedata.normalize("NFC", text).encode()))


def _pieces(message: Message) -> Iterator[str]:
    """Yield what the trainer tokenises in one piece: a trained turn's header alone, else header and text together."""
    text = f"{message.role}\n"
    if message.loss_weight > 0:
        yield text
        text = ""
    for part in message.content:
        if part.type == "text":
            text += part.text or ""
            continue
        yield text
        text = ""
    yield text


def find_tokenizer(spec: str) -> Path:
    """Return the tokenizer.json of a file, a folder or a hub id.

    Raises MissingExtraError without the library, ConfigError if there is none or it is of another kind.
    """
    path = Path(spec)
    if path.is_dir():
        path /= FILE_NAME
    if not path.is_file():
        path = _downloaded(spec, path)
    _measure(str(path.absolute()))
    return path.absolute()


def same_tokenizer(counted: str | None, spec: str | None) -> Path | None:
    """Return the file of the tokenizer that a dataset's tokens were counted with, None where bytes were.

    `counted` is the manifest's SHA-256 of it, `spec` what the user gives; raises ConfigError where the two differ.
    """
    path = None if spec is None else find_tokenizer(spec)
    if counted == (None if path is None else fingerprint(path)):
        return path
    if path is None:
        message = "found none, expected the tokenizer that gdp slice counted this dataset's tokens with"
        raise ConfigError("--tokenizer", message)
    wanted = "none" if counted is None else f"the one of sha256 {counted[:12]}…"
    raise ConfigError("--tokenizer", f"found {path}, expected {wanted}, as gdp slice used")


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _downloaded(spec: str, path: Path) -> Path:
    if spec.count("/") != 1 or spec.startswith((".", "/", "~")) or path.parent.is_dir():
        message = f"found no {path}, expected a {FILE_NAME}, a folder that holds one, or a hub id such as owner/name"
        raise ConfigError("--tokenizer", message)
    _library()
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(spec, FILE_NAME))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        message = f"cannot fetch the {FILE_NAME} of {spec} ({reason}), expected one"
        raise ConfigError("--tokenizer", message, "give the model's folder instead") from error


@cache
def _measure(path: str) -> Callable[[str], int]:
    """Return the length in tokens of plain text, in which no control token is recognised."""
    _library()
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing more special
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ConfigError("--tokenizer", f"cannot read {path} ({reason}), expected a {FILE_NAME}") from error
    missing = [token for token in CONTROL if tokenizer.token_to_id(token) is None]
    if missing:
        message = f"found no {missing[0]} in {path}, expected the tokenizer of a Qwen-VL model"
        raise ConfigError("--tokenizer", message)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _library() -> None:
    import importlib.util

    if importlib.util.find_spec("tokenizers") is None:
        hint = "pip install '.[tokenizer]' in the checkout, or leave --tokenizer out: then bytes count"
        raise MissingExtraError("--tokenizer", "the library tokenizers is not installed", hint)
