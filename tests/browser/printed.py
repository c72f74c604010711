"""What Chromium printed: the text and the colours of a PDF as Skia writes it, without objects in streams."""

from __future__ import annotations

import re
import unicodedata
import zlib

SHOW = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-F]+)> Tj|\[(.*?)\] TJ|([\d.]+) ([\d.]+) ([\d.]+) rg", re.S)


class Printed:
    """text: what is written, without white space, since letters are placed one by one; fills: colours of areas"""

    def __init__(self, pdf: bytes):
        objects = {
            int(number): body for number, body in re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", pdf, re.S)
        }
        self.pages = sum(b"/Type /Page\n" in body for body in objects.values())
        names = dict(re.findall(rb"/(F\d+) (\d+) 0 R", pdf))
        self._letters = {name: _letters(objects, int(number)) for name, number in names.items()}
        self.fills: set[tuple[int, ...]] = set()
        parts = [self._read(content) for body in objects.values() if (content := _content(body))]
        self.text = "".join(unicodedata.normalize("NFKC", " ".join(parts)).split())

    def _read(self, content: bytes) -> str:
        out, letters = [], {}
        for font, codes, several, *colour in SHOW.findall(content):
            if font:
                letters = self._letters[font]
            elif all(colour):
                self.fills.add(tuple(round(255 * float(part)) for part in colour))
            else:
                for run in [codes] if codes else re.findall(rb"<([0-9A-F]+)>", several):
                    out += [letters.get(run[at : at + 4], "") for at in range(0, len(run), 4)]
        return "".join(out)


def _content(body: bytes) -> bytes:
    """What the stream of an object holds once it is decompressed; nothing for an image."""
    start = re.search(rb"stream\r?\n", body)
    if start is None or b"/Subtype /Image" in body or b"/FlateDecode" not in body:
        return b""
    return zlib.decompressobj().decompress(body[start.end() :])


def _letters(objects: dict[int, bytes], font: int) -> dict[bytes, str]:
    """The text of each glyph of a font."""
    found = re.search(rb"/ToUnicode (\d+) 0 R", objects[font])
    table = _content(objects[int(found[1])]) if found else b""
    out = {code: chr(int(text, 16)) for code, text in re.findall(rb"^<(\w{4})> <(\w{4})>$", table, re.M)}
    for first, last, text in re.findall(rb"^<(\w{4})> <(\w{4})> <(\w{4})>$", table, re.M):
        for number in range(int(first, 16), int(last, 16) + 1):
            out[b"%04X" % number] = chr(int(text, 16) + number - int(first, 16))
    return out
