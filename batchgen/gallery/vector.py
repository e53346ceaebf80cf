"""A drawn SVG as part of a page: in the page's own colours and type, with names of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"

# A font as matplotlib writes it, `10px 'DejaVu Sans'`: the size is kept, the page has the font.
_FONT = re.compile(r"(?:\S+ )*?(?P<size>[\d.]+)px ")

_LINK = re.compile(r"url\(#([^)]+)\)")


def as_part(svg: str, *, name: str, label: str, colours: Mapping[str, str]) -> str:
    """Return a drawing that can stand in a page whose policy allows no inline style.

    Args:
        svg: What was drawn.
        name: Put before every id, so that several drawings can stand in one page.
        label: What it shows, for those who do not see it.
        colours: Colours as drawn, `#rrggbb` → the page's, as in `var(--ink)`.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(svg)  # noqa: S314 - drawn by ourselves
    for unwanted in ("metadata", "defs/style/.."):
        for element in root.findall(f"{{{_SVG}}}{unwanted}"):
            root.remove(element)
    for parent in list(root.iter()):
        for child in [one for one in parent if one.tag == f"{{{_SVG}}}style"]:
            parent.remove(child)
        _restyle(parent, name, colours)
    for attribute in ("width", "height"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element, name: str, colours: Mapping[str, str]) -> None:
    for key, value in list(_declarations(element.attrib.pop("style", ""))):
        element.set(key, value)
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif value in colours:
            element.set(key, colours[value])
        elif "url(#" in value:
            element.set(key, _LINK.sub(rf"url(#{name}-\1)", value))


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for part in style.split(";"):
        key, colon, value = part.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            continue
        if key == "font":
            if found := _FONT.match(value):
                yield "font-size", found["size"]
        else:
            yield key, value
