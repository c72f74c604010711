"""The parts of a page about a data set: its header, sections, cards, and tables that sort and filter."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ._page import shown
from ._style import LEVELS

HEADINGS = re.compile(r"<section class='part' id='(part-[^']+)'><h2>(.*?)</h2>")
"""The address and the title of a section."""

Rows = list[tuple[list[str], dict[str, str], bool]]
"""Cells, values to filter by, and whether the row is marked."""


def header(title: str, facts: Iterable[str], parts: Iterable[str] = ()) -> str:
    """The title, a line of facts, and links to the sections among the parts. title: text; facts, parts: HTML"""
    links = "".join(
        f"<li><a href='#{name}'>{title}</a></li>" for part in parts for name, title in HEADINGS.findall(part)
    )
    nav = f"<nav aria-label='Sections'><ul class='row'>{links}</ul></nav>" if links else ""
    return f"<header><h1>{shown(title)}</h1><p class='about'>{' · '.join(facts)}</p></header>{nav}"


def section(name: str, title: str, said: str, content: str) -> str:
    """name: of its address"""
    return f"<section class='part' id='part-{name}'><h2>{title}</h2><p class='note'>{said}</p>{content}</section>"


def cards(*contents: str, whole: Iterable[int] = ()) -> str:
    """Cards beside each other; whole: the numbers of those across the page"""
    made = (
        f"<section class='card{' whole' if number in whole else ''}'>{content}</section>"
        for number, content in enumerate(contents)
    )
    return f"<div class='cards facts'>{''.join(made)}</div>"


def sortable(name: str, columns: list[tuple[str, bool]], rows: Rows) -> str:
    """columns: names, and whether they hold texts"""
    head = "".join(f"<th scope='col'{' class=text' if text else ''}>{title}</th>" for title, text in columns)
    body = []
    for cells, values, marked in rows:
        data = "".join(f' data-{key}="{shown(value)}"' for key, value in values.items())
        body.append(f"<tr{' class=marked' if marked else ''}{data}>{''.join(cells)}</tr>")
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{name}'><table class='table sortable' id='{name}'>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def filters(table: str, rows: Rows, filters: dict[str, str]) -> str:
    chosen = []
    for name, plural in filters.items():
        values = sorted({values[name] for _, values, _ in rows})
        options = "".join(f'<option value="{shown(value)}">{shown(value)}</option>' for value in values)
        chosen.append(
            f"<select name='{name}' aria-label='{plural}'><option value=''>all {plural}</option>{options}</select>"
        )
    return (
        f"<form class='fields' data-table='{table}' hidden>"
        "<input type='search' placeholder='filter' aria-label='filter the rows'>"
        f"{''.join(chosen)}<output class='small'></output></form>"
    )


def text_cell(text: str) -> str:
    return f"<td class='text'>{shown(text)}</td>"


def input_cell(content: str, picture: bool) -> str:
    """A cell of a text or a picture; content: HTML."""
    return f"<td class='text {'narrow' if picture else 'wide'}'>{content}</td>"


def number_cell(value: float, said: str | None = None) -> str:
    """A cell of a number, as a share by default."""
    said = percent(value) if said is None else said
    return f"<td data-value='{float(value)}'>{said}</td>"


def interval_cell(value: float, low: float, high: float) -> str:
    """A share in digits, and as a point with its interval between 0 and 1."""
    if value != value:
        return "<td data-value='nan'></td>"
    left, middle, right = (5 + 140 * part for part in (low, value, high))
    picture = (
        "<svg viewBox='0 0 150 16' aria-hidden='true'><path class='axis' d='M5 8H145'/>"
        f"<path class='bar' d='M{left:.1f} 8H{right:.1f}'/><circle class='dot' cx='{middle:.1f}' cy='8' r='3.5'/></svg>"
    )
    return f"<td data-value='{value}' title='{low:.0%} to {high:.0%}'>{percent(value)}{picture}</td>"


def percent(value: float) -> str:
    return "" if value != value else f"{value:.0%}"


def plain(value: float) -> str:
    return "" if value != value else f"{value:.2f}"


def tint(role: str, share: float) -> str:
    """The class of a tint; none for a share that rounds to 0."""
    level = round(share * LEVELS)
    return f"{role}-{level}" if level else ""
