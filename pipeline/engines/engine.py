"""What an image engine is: the seam between the rules for screenshots (`screens.images`) and a library's pixels."""

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from PIL import Image

ImageFormat = Literal["jpeg", "png", "webp"]
Size = tuple[int, int]


class UnreadableError(Exception):
    """The picture does not decode; the message is the reason."""


class Header(Struct, frozen=True):
    """What a picture's first bytes say."""

    format: ImageFormat
    width: int
    height: int
    """As stored, before any rotation that its metadata asks for."""
    plain: bool
    """8-bit RGB or RGBA, one frame, upright: all decoders agree on what it shows."""


class Picture(Protocol):
    """A picture upright and in RGB, what is transparent on white; it may not be decoded before it must be."""

    @property
    def size(self) -> Size:
        """Width and height."""
        ...

    @property
    def faithful(self) -> ImageFormat | None:
        """Its format where its own bytes mean just this picture to every reader, else None."""
        ...

    def pixels(self, size: Size) -> "Image.Image":
        """Return it at that size, in mode RGBX with 255 as every fourth byte: what libraries share without copying.

        Raises UnreadableError unless every pixel decodes.
        """
        ...


class Engine(Protocol):
    """A library that decodes and resizes."""

    name: str

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that decide the bytes."""
        ...

    def open(self, data: bytes, header: Header) -> Picture:
        """Return the picture; raises UnreadableError."""
        ...
