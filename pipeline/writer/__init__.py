"""Thoughts written by a model behind an OpenAI-compatible server instead of our wordings: `--thoughts-from`.

`rewrite` asks for the thoughts of one error-correction sample; `prompt` words the question, `server` sends it, `cache`
keeps every answer by its content, `rules` says what is wrong with one. A thought that cannot be had, or that breaks a
rule, stays as our wording has it, and the report counts why.
"""

from pipeline.writer.cache import Cache
from pipeline.writer.rewrite import Draft, Writer
from pipeline.writer.server import Failure, Server
from pipeline.writer.settings import WriterSettings

__all__ = ["Cache", "Draft", "Failure", "Server", "Writer", "WriterSettings"]
