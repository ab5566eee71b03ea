"""Thoughts written by a model behind an OpenAI-compatible server instead of our wordings: `--thoughts-from`.

`rewrite` asks for the thoughts of one error-correction sample; `prompt` words the question, `server` sends it, `cache`
keeps every answer by its content, `rules` says what is wrong with one. A thought that cannot be had, or that breaks a
rule, stays as our wording has it, and the report counts why.
"""

from .cache import Cache
from .rewrite import Draft, Writer
from .server import Failure, Server
from .settings import WriterSettings

__all__ = ["Cache", "Draft", "Failure", "Server", "Writer", "WriterSettings"]
