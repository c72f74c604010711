# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The page that `al.app` serves: a marimo notebook, in which every cell is a function."""

import marimo

app = marimo.App(width="full", app_title="attnlens")


@app.cell
def _():
    from html import escape

    import marimo as mo
    import traitlets

    import attnlens as al
    from attnlens._app._server import SAMPLE, sample, shown
    from attnlens.models._image_inputs import of_bytes

    return SAMPLE, al, escape, mo, of_bytes, sample, shown, traitlets


@app.cell
def _(al, escape, mo, sample, shown, traitlets):
    lens, asked = shown()
    first = sample(lens) if asked is None else asked
    explorer = al.Explorer(lens, first)
    for _pair in explorer.linked():
        traitlets.link(*_pair)
    get_change, set_change = mo.state(None)
    explorer.unobserve_all(
        "changed"
    )  # marimo knows only widgets that a cell makes: the last one makes this one
    explorer.observe(lambda change: set_change(change["new"]), "changed")
    mo.Html(f'<h1 style="font-size: 1.5rem; font-weight: 600">{escape(lens.name)}</h1>')
    return asked, explorer, first, get_change, lens


@app.cell
def _(SAMPLE, al, asked, explorer, first, lens, mo):
    field = file = None
    if isinstance(lens, al.lens.ImageLens):
        _samples, _name = al.models.sample_images(), SAMPLE if asked is None else None
        field = mo.ui.dropdown(_samples, value=_name, label="Picture", allow_select_none=asked is not None)
        file = mo.ui.file(label="Another picture")
        mo.output.replace(mo.hstack([field, file], justify="start", align="center", wrap=True))
    elif not hasattr(explorer, "tokens"):
        field = mo.ui.text(first if isinstance(first, str) else "", label="Text", full_width=True)
        mo.output.replace(field)
    return field, file


@app.cell
def _(al, explorer, mo):
    def show(read):
        """Shows the input that a function reads, or why it is refused."""
        try:
            explorer.show(read())
        except al.AttnlensError as error:
            mo.output.replace(mo.callout(mo.plain_text(str(error)), kind="danger"))

    return (show,)


@app.cell
def _(field, show):
    if field is not None and field.value is not None:
        show(lambda: field.value)
    return


@app.cell
def _(file, of_bytes, show):
    if file is not None and file.value:
        show(lambda: of_bytes(file.contents()))
    return


@app.cell
def _(explorer, mo):
    _boxes = "".join(
        f'<div style="flex: {_view.layout.flex}; min-width: 0">{mo.ui.anywidget(_view)}</div>'
        for _view in explorer.children
        if hasattr(_view, "_esm")
    )
    mo.Html(
        f'<div style="display: flex; flex-flow: row wrap; align-items: flex-start; gap: 16px">{_boxes}</div>'
    )
    return


@app.cell
def _(explorer, get_change, mo):
    if get_change() is not None:
        mo.output.replace(mo.ui.anywidget(explorer.comparison()))
    return


if __name__ == "__main__":
    app.run()
