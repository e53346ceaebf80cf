"""Words on pictures: measured, wrapped, written."""

from __future__ import annotations

from PIL import ImageDraw, ImageFont

_LINE_HEIGHT = 1.25
_CREAM = (250, 246, 236)


class Type:
    """The font that Pillow ships, at one size; glyphs that it lacks are boxes.

    Attributes:
        line_height: From one line to the next, in pixels.
    """

    def __init__(self, size_px: int) -> None:
        """Load it.

        Raises:
            TypeError: Pillow was built without FreeType.
        """
        font = ImageFont.load_default(size_px)
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise TypeError("Pillow was built without FreeType")
        self.line_height = size_px * _LINE_HEIGHT
        self._font = font
        # Each character is measured once: asking for the width of every line that could be would
        # take longer than the drawing.
        self._widths: dict[str, float] = {}

    def width(self, text: str) -> float:
        """Return how wide a text is at most, in pixels; kerning may make it a little narrower."""
        return sum(map(self._width_of, text))

    def wrap(self, text: str, *, width: float) -> list[str]:
        """Return a text in lines no wider than `width` pixels; words are broken if they must."""
        lines: list[str] = []
        for paragraph in text.splitlines() or [""]:
            printable = "".join(c if c.isprintable() else " " for c in paragraph)
            lines += self._wrap_words(printable.split(), width)
        return lines

    def write(
        self, canvas: ImageDraw.ImageDraw, lines: list[str], *, left: float, top: float
    ) -> None:
        """Write lines below each other, the first one at `left` and `top`, in pixels."""
        for number, line in enumerate(lines):
            canvas.text((left, top + number * self.line_height), line, _CREAM, self._font)

    def _wrap_words(self, words: list[str], width: float) -> list[str]:
        lines, line, line_width = [], "", 0.0
        blank = self._width_of(" ")
        for word in words:
            word_width = self.width(word)
            if line and line_width + blank + word_width <= width:
                line, line_width = f"{line} {word}", line_width + blank + word_width
                continue
            if line:
                lines.append(line)
            *whole, line = self._break(word, width)
            lines += whole
            line_width = self.width(line)
        return [*lines, line]

    def _break(self, word: str, width: float) -> list[str]:
        """Return a word in pieces that fit: mostly one; a sentence of Chinese is many."""
        pieces, piece, piece_width = [], "", 0.0
        for character in word:
            character_width = self._width_of(character)
            if piece and piece_width + character_width > width:
                pieces.append(piece)
                piece, piece_width = "", 0.0
            piece += character
            piece_width += character_width
        return [*pieces, piece]

    def _width_of(self, character: str) -> float:
        width = self._widths.get(character)
        if width is None:
            width = self._widths[character] = self._font.getlength(character)
        return width
