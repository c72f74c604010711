"""Figures of attributions: scores over the picture, and several methods, baselines or targets side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..attribution._result import Attribution, ImageAttribution, TextAttribution
from ..errors import InputError
from . import _fonts, _style, _texts

LIMIT = 99
"""The percentile of the scores' absolute values at which colours end, so that single pixels do not dominate."""

STRONG = 0.9
"""Opacity of the last colour; where scores are 0 the picture shows through."""

ACROSS = 5
"""Panels side by side."""

BELOW = dict(orientation="horizontal", shrink=0.8, aspect=22, pad=0.03, fraction=0.06)
"""Placement of the colour bar of one of several panels."""

PANEL = (2.3, 3.4)
"""Inches of a panel's longer side, among several and beside the picture."""

LABEL = 32
"""Characters of a line's name, beside its tokens."""

PITCH = 0.42
"""Inches from one line of tokens to the next."""

NARROWEST = 6.5
"""Inches of lines of tokens across at least, so that title and caption have room."""


def pixels(
    attribution: ImageAttribution,
    *,
    cmap: _style.Colours = None,
    figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:
    """An attribution over its picture in grey, beside the picture: blue supports the target, red opposes it.

    Scores without a sign are violet, darker where they are larger. The scale ends at the 99th percentile of the scores'
    absolute values; a frame shows the part of the picture that the model received, where it was cropped.

    cmap: other colours, by the name of a map of matplotlib; one with two ends, as "PuOr", where scores have a sign.
    ax: draw only the scores, into this Axes.

    Raises InputError for anything but an attribution of an image.
    """
    if not isinstance(attribution, ImageAttribution):
        raise InputError(
            f"plots.pixels draws the attribution of one image, not {type(attribution).__name__}: "
            "lens.attribute(image); for a text: plots.tokens"
        )
    _style.colours(cmap, _style.HEAT)  # raises before anything is drawn
    question = f"Why {attribution.target}?   Predicted: {attribution.prediction}"
    if ax is not None:
        scale = _over(_style.panel(ax, figsize, PANEL), attribution, cmap)
        _bar(scale, ax, _meaning(attribution))
        return _style.done(ax, question, "", new=False)
    wide, high = _size(attribution.image, PANEL[1])
    figure, axes = _style.blank(figsize or (2 * wide + 1.2, high + 1.15), 1, 2)
    _picture(axes[0, 0], attribution)
    scale = _over(axes[0, 1], attribution, cmap)
    _bar(scale, axes, _meaning(attribution), shrink=0.85)
    return _style.finish(figure, question, "  ·  ".join(_words(attribution, scale)))


def attributions(
    attributions: Iterable[Attribution],
    *,
    titles: Sequence[str] | None = None,
    cmap: _style.Colours = None,
    figsize: _style.Size | None = None,
) -> Figure:
    """Several attributions side by side, each with its name, its error and its own scale.

    For images each is drawn over the picture, which comes first; for texts each is a line of coloured tokens, one
    below the other, with equal tokens in columns. Colours are those of `pixels` and `tokens`; for methods without
    signs a darker token is more important.

    titles: a name for each; by default what distinguishes them: method and baseline, the target, or both.
    cmap: other colours for all, by the name of a map of matplotlib.

    Raises InputError for an empty list, a mixture of texts and images, and a wrong number of titles.
    """
    drawn = _listed(attributions)
    names = _titles(drawn) if titles is None else [str(title) for title in titles]
    if len(names) != len(drawn):
        raise InputError(f"{len(names)} titles for {len(drawn)} attributions; pass one for each")
    draw = _images if isinstance(drawn[0], ImageAttribution) else _lines
    return draw(drawn, names, cmap, figsize)


def _listed(attributions: Iterable[Attribution]) -> list:
    items = list(attributions) if isinstance(attributions, Iterable) else [attributions]
    for kind in (ImageAttribution, TextAttribution):
        if items and isinstance(attributions, Iterable) and all(isinstance(one, kind) for one in items):
            return items
    names = ", ".join(sorted({type(one).__name__ for one in items})) or "an empty list"
    raise InputError(
        f"plots.attributions draws a list of attributions, all of texts or all of images, not {names}; a single one: "
        "attribution.plot()"
    )


def _titles(attributions: Sequence[Attribution]) -> list[str]:
    """What distinguishes them: the method with its baseline, the question, or both."""
    if len({str(one.target) for one in attributions}) == 1:
        return [one.how for one in attributions]
    if len({one.how for one in attributions}) == 1:
        return [str(one.target) for one in attributions]
    return [f"{one.target}: {one.how}" for one in attributions]


def _common(attributions: Sequence[Attribution]) -> list[str]:
    """The model, and the method where it is the same for several questions, so that titles omit it."""
    one_method = len({one.how for one in attributions}) == 1 < len({str(one.target) for one in attributions})
    return [attributions[0].model, attributions[0].how] if one_method else [attributions[0].model]


def _question(attributions: Sequence[Attribution]) -> str:
    questions = {str(one.target) for one in attributions}
    why = f"Why {questions.pop()}?   " if len(questions) == 1 else ""
    return f"{why}Predicted: {attributions[0].prediction}"


# -- over a picture -------------------------------------------------------------------------------------------


def _images(
    attributions: list[ImageAttribution], names: list[str], cmap: _style.Colours, figsize: _style.Size | None
) -> Figure:
    _style.colours(cmap, _style.HEAT)  # raises before anything is drawn
    same = all(np.array_equal(attribution.image, attributions[0].image) for attribution in attributions)
    count = len(attributions) + same
    rows = math.ceil(count / ACROSS)
    across = math.ceil(count / rows)
    wide, high = _size(attributions[0].image, PANEL[0])
    figure, axes = _style.blank(
        figsize or (across * (wide + 0.2) + 0.2, rows * (high + 0.95) + 0.75), rows, across
    )
    spots = list(axes.flat)
    for ax in spots:
        ax.axis("off")
    if same:
        first = spots.pop(0)
        _picture(first, attributions[0])
        same_height = _style.scale(Normalize(0, 1), [np.zeros(1)])
        _bar(same_height, first, " ", **BELOW).ax.set_visible(False)
    for ax, attribution, name in zip(spots, attributions, names):
        scale = _over(ax, attribution, cmap)
        ax.set_title(_fitted(name, wide), fontsize=9, color=_style.INK, parse_math=False)
        _bar(scale, ax, _error(attribution), **BELOW)
    caption = [
        *_common(attributions),
        *_model_input(attributions[0]),
        "each on its own scale",
        f"colours end at the {LIMIT}th percentile of |score|",
    ]
    if cmap is None and any(attribution.signed for attribution in attributions):
        caption.append("blue supports the class, red opposes it")
    if cmap is None and any(not attribution.signed for attribution in attributions):
        caption.append("violet has no sign, darker is more important")
    return _style.finish(figure, _question(attributions), "  ·  ".join(caption))


def _model_input(attribution: ImageAttribution) -> list[str]:
    """The pixels that the model received, where the picture has more."""
    height, width = attribution.scores.shape
    return [f"model input {height} × {width} pixels"] if attribution.image.shape[0] > height else []


def _bar(scale: ScalarMappable, axes: object, label: str, **more: object) -> Colorbar:
    """A bar with a number at each end and in the middle."""
    _style.colour_bar(scale, axes, label, **more)
    bar, low, high = scale.colorbar, scale.norm.vmin, scale.norm.vmax
    at = [low, (low + high) / 2, high]
    bar.set_ticks(at, labels=[f"{value:.2g}".replace("-", "−") for value in at])
    return bar


def _picture(ax: Axes, attribution: ImageAttribution) -> None:
    """The whole picture, with a frame around the part that the model received."""
    height, width = attribution.image.shape[:2]
    ax.imshow(attribution.image, extent=(0, width, height, 0), interpolation=_smooth(attribution.image))
    _frame(ax, attribution)
    ax.axis("off")
    ax.set_title("input", fontsize=9, color=_style.INK)


def _over(ax: Axes, attribution: ImageAttribution, cmap: _style.Colours) -> ScalarMappable:
    """Draws the scores over the picture in grey; returns the scale as it appears there."""
    height, width = attribution.image.shape[:2]
    grey = np.repeat(attribution.image.mean(-1, keepdims=True), 3, axis=-1) / 255
    ax.imshow(0.45 + 0.55 * grey, extent=(0, width, height, 0), interpolation=_smooth(attribution.image))
    scores = attribution.scores.detach().cpu().double().numpy()
    norm, colours = _norm(attribution, scores, cmap)
    left, top, right, bottom = attribution.box
    ax.imshow(
        colours(norm(scores)), extent=(left, right, bottom, top), interpolation="nearest", clip_on=True
    )  # fmt: skip
    ax.set(xlim=(0, width), ylim=(height, 0))
    _frame(ax, attribution)
    ax.axis("off")
    scale = ScalarMappable(norm, _on_grey(colours))
    scale.set_array(scores.ravel())
    return scale


def _norm(
    attribution: ImageAttribution, scores: np.ndarray, cmap: _style.Colours
) -> tuple[Normalize, Colormap]:
    """The scale up to the percentile, with colours that are more opaque further from 0."""
    end = (
        float(np.percentile(np.abs(scores[np.isfinite(scores)]), LIMIT)) if np.isfinite(scores).any() else 0.0
    )
    end = end or float(np.abs(np.nan_to_num(scores)).max()) or 1.0
    low = -end if attribution.signed else 0.0
    share = np.linspace(0, 1, 256)
    colours = _style.colours(cmap, _style.SIGNED if attribution.signed else _style.UNSIGNED)(share)
    away = np.abs(2 * share - 1) if attribution.signed else share
    colours[:, 3] = STRONG * np.sqrt(away)
    return Normalize(low, end), ListedColormap(colours)


def _on_grey(colours: ListedColormap) -> ListedColormap:
    """Colours over the middle of the grey picture, for the bar."""
    rgba = np.asarray(colours.colors)
    return ListedColormap(rgba[:, 3:] * rgba[:, :3] + (1 - rgba[:, 3:]) * 0.78)


def _frame(ax: Axes, attribution: ImageAttribution) -> None:
    """A frame around the part of the picture that the model received, if that is not all of it."""
    height, width = attribution.image.shape[:2]
    left, top, right, bottom = attribution.box
    cut = max(left, top, width - right, height - bottom)
    if cut > 0.01 * max(height, width):
        for colour, line in (("black", 2.2), ("white", 1.1)):
            place = dict(fill=False, edgecolor=colour, linewidth=line, clip_on=False)
            ax.add_patch(Rectangle((left, top), right - left, bottom - top, **place))


def _smooth(image: np.ndarray) -> str:
    """A small picture is drawn with its pixels, a large one is downsampled without moiré."""
    return "nearest" if max(image.shape[:2]) <= 128 else "antialiased"


def _size(image: np.ndarray, longer: float) -> _style.Size:
    """Inches of a panel whose longer side is `longer`."""
    height, width = image.shape[:2]
    unit = longer / max(height, width)
    return max(width * unit, 0.6 * longer), max(height * unit, 0.25 * longer)


def _meaning(attribution: Attribution) -> str:
    if not attribution.signed:
        return "importance, no unit"
    return f"contribution to the {attribution.unit}, per pixel"


def _words(attribution: ImageAttribution, scale: ScalarMappable) -> list[str]:
    """The model, the method with its error, and the end of the colour scale."""
    how = attribution.how if attribution.gap is None else f"{attribution.how}; {attribution.verdict}"
    end = f"colours end at the {LIMIT}th percentile of |score|, {scale.norm.vmax:.2g}"
    return [part for part in (attribution.model, how, end) if part]


def _error(attribution: Attribution) -> str:
    """The method's error in a few words."""
    if attribution.gap is None:
        return "importance, no unit"
    if not attribution.complete:
        return f"{attribution.unit} per pixel, no fixed sum"
    late = ", not converged" if attribution.converged is False else ""
    return f"{attribution.unit} per pixel, gap {attribution.gap:.1%}{late}"


def _fitted(name: str, wide: float) -> str:
    return _style.wrapped(name, max(12, wide / 0.075))


# -- under each other -----------------------------------------------------------------------------------------


def _lines(
    attributions: list[TextAttribution], names: list[str], cmap: _style.Colours, figsize: _style.Size | None
) -> Figure:
    scales = [_texts.text_scale(one, cmap) for one in attributions]
    wide = (figsize or (10.4, 0))[0] - 2 * _texts.MARGIN
    labels = [_style.wrapped(name, LABEL).split("\n")[:2] for name in names]
    ends = [_end(one) for one in attributions]
    room = (
        max(0.085 * max(len(line) for label in labels for line in label), 0.068 * max(map(len, ends))) + 0.25
    )
    rows = _rows(attributions, wide - room)
    if figsize is None:  # as wide as the longest line
        ends_at = [
            line[-1][1] + _texts.room_of(_readable(attributions[number], line[-1][0])) / 2
            for number, line, _ in rows
            if line
        ]
        wide = min(wide, max(NARROWEST, room + max(ends_at, default=0.0)))
    high = sum(PITCH for _ in rows) + 0.16 * sum(last for *_, last in rows)
    size = figsize or (wide + 2 * _texts.MARGIN, high + 1.4)
    ax = _texts._page(size, high)
    ax.set(xlim=(0, wide), ylim=(high, 0))
    ax.axis("off")
    top = 0.0
    for number, line, last in rows:
        _row(ax, attributions[number], line, scales[number], room, top + PITCH / 2)
        _label(ax, labels[number], ends[number], top + PITCH / 2)
        top += PITCH + 0.16 * last
    return _said(ax, attributions, high, cmap)


def _rows(
    attributions: list[TextAttribution], wide: float
) -> list[tuple[int, list[tuple[int, float]], bool]]:
    """(attribution, its tokens with their middles, whether a gap follows): line by line where all have the same
    tokens, so that equal tokens are in columns; else attribution by attribution."""
    wrapped = [_wrapped([_readable(one, n) for n in range(len(one.tokens))], wide) for one in attributions]
    texts_of = {tuple(str(token) for token in one.tokens) for one in attributions}
    if len(texts_of) == 1:
        count = len(wrapped[0])
        return [
            (number, wrapped[number][line], number == len(attributions) - 1 and line < count - 1)
            for line in range(count)
            for number in range(len(attributions))
        ]
    return [
        (number, line, line is lines[-1] and number < len(attributions) - 1)
        for number, lines in enumerate(wrapped)
        for line in lines
    ]


def _wrapped(names: list[str], wide: float) -> list[list[tuple[int, float]]]:
    """As few lines as fit, of about equal length, so that the last line is not a single token."""
    lines = _texts._wrap(names, wide)
    for share in np.linspace(1 / len(lines), 1, 20):
        even = _texts._wrap(names, share * wide)
        if len(even) == len(lines):
            return even
    return lines


def _row(
    ax: Axes, attribution: TextAttribution, line: list, scale: ScalarMappable, left: float, middle: float
) -> None:
    scores = attribution.scores.detach().cpu().numpy()
    for index, at in line:
        _texts._chip(ax, (left + at, middle), _readable(attribution, index), scale, scores[index])


def _readable(attribution: TextAttribution, index: int) -> str:
    return _fonts.readable(str(attribution.tokens[index]), 40)


def _end(attribution: TextAttribution) -> str:
    """The score of the strongest colour."""
    scores = np.abs(attribution.scores.detach().cpu().numpy())
    end = float(np.max(scores, where=np.isfinite(scores), initial=0))
    if end == 0:
        return "all 0"
    return f"up to ±{end:.3g} {attribution.unit}" if attribution.signed else f"up to {end:.3g}, no unit"


def _label(ax: Axes, lines: list[str], end: str, middle: float) -> None:
    """A line's name, and below it the end of its scale."""
    style = dict(fontsize=9.5 if len(lines) == 1 else 7.5, color=_style.INK, va="bottom", parse_math=False)
    ax.text(0.0, middle + (0.03 if len(lines) == 1 else 0.06), "\n".join(lines), linespacing=1.0, **style)
    ax.text(0.0, middle + 0.06, end, va="top", fontsize=8, color=_style.QUIET, parse_math=False)


def _said(ax: Axes, attributions: list[TextAttribution], high: float, cmap: _style.Colours) -> Figure:
    """Title, and below it the meaning of the colours."""
    figure = ax.figure
    wide, tall = figure.get_size_inches()
    words = [*_common(attributions), "each line on its own scale"]
    if cmap is None and any(one.signed for one in attributions):
        words.append("blue supports the class, red and underlined opposes it")
    if cmap is None and any(not one.signed for one in attributions):
        words.append("violet has no sign, darker is more important")
    if any(one.method == "relevance" for one in attributions):
        words.append("relevance shows only what supports the class")
    if cmap is not None:
        words.append(
            "the last colours of the map support the class; where scores have a sign, the first oppose it"
        )
    caption = _style.wrapped("  ·  ".join(words), wide / _style.CAPTION_LETTER)
    ax.text(0.0, high + 0.22, caption, va="top", linespacing=1.5, **_style.CAPTION)
    place = (_texts.MARGIN / wide, 1 - 0.3 / tall)
    figure.text(*place, _question(attributions), va="center", **_style.TITLE)
    _fonts.letter(figure)
    return _style.closed(figure)
