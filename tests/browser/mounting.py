"""Views on a page of their own: the bundle in a real browser, a model that stands in for anywidget's, and the Python
half behind it, which replies and receives as it does behind a kernel."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

PATIENCE = 180_000
"""Milliseconds after which something will not come: a limit and no expectation, as on a loaded machine."""

NOT_SHOWN = ("layout", "tabbable", "tooltip")

SCRIPT = """
window.views = [];
// What is under way: short timers, and what Python was asked.
const waiting = new Set(), [later, never] = [window.setTimeout, window.clearTimeout];
let unanswered = 0;
window.setTimeout = (act, wait = 0, ...given) => {
    const id = later(() => (waiting.delete(id), act(...given)), wait);
    if (wait < 5000) waiting.add(id);
    return id;
};
window.clearTimeout = (id) => (waiting.delete(id), never(id));
const asking = async (answer) => {
    unanswered += 1;
    try { return await answer(); } finally { unanswered -= 1; }
};
// Until nothing is under way and two frames were drawn since.
window.settled = async () => {
    for (let frames = 0; frames < 3; ) {
        await new Promise(requestAnimationFrame);
        frames = waiting.size + unanswered ? 0 : frames + 1;
    }
};
window.python ??= async () => [{}, []];
const bytes = (value) => value?.$bytes === undefined ? value
    : new DataView(Uint8Array.from(atob(value.$bytes), (c) => c.charCodeAt(0)).buffer);
window.mount = async (number, bundle, state, places) => {
    const held = {}, own = new Set(), handlers = new Map();
    const emit = (event, ...given) => [...(handlers.get(event) ?? [])].forEach((one) => one(...given));
    const take = (changed) => {
        const names = Object.keys(changed);
        for (const name of names) held[name] = bytes(changed[name]);
        for (const name of names) emit(`change:${name}`);
    };
    const receive = ([changed, sent]) => {
        take(changed);
        for (const [content, buffers] of sent) emit("msg:custom", content, buffers.map(bytes));
    };
    const model = {
        get: (name) => held[name],
        set(name, value) {
            if (JSON.stringify(held[name]) === JSON.stringify(value)) return;
            held[name] = value;
            own.add(name);
            emit(`change:${name}`);
        },
        save_changes() {
            const changed = Object.fromEntries([...own].map((name) => [name, held[name]]));
            own.clear();
            asking(async () => receive(await window.python(number, { state: changed })));
        },
        on: (event, act) => handlers.set(event, (handlers.get(event) ?? new Set()).add(act)),
        off: (event, act) => handlers.get(event)?.delete(act),
        send: (content) => {
            const { asked, delay, held } = window.views[number];
            asked.push(content);
            const answer = async () => { await held; receive(await window.python(number, { content })); };
            setTimeout(() => asking(answer), delay);
        },
    };
    take(state);
    const url = URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }));
    const { default: view } = await import(url);
    const listeners = () => [...handlers.values()].reduce((sum, one) => sum + one.size, 0);
    window.views[number] = { model, take, listeners, asked: [], delay: 0, held: null, ends: [] };
    for (const place of places) {
        const el = document.createElement("div");
        el.className = "place";
        document.body.append(el);
        window.views[number].ends.push(view.render({ model, el }));
    }
};
"""


class Mounted:
    """Widgets on a page, each in one place or in several."""

    def __init__(self, page: Any, *views: Any, places: int = 1, dark: bool = False, width: int = 960):
        self.page, self.views = page, views
        self._sent: list[list] = [[] for _ in views]
        self._known: list[dict] = [{} for _ in views]
        page.set_viewport_size({"width": width, "height": 900})
        page.expose_function("python", self._hear)
        colours = "background:#111;color:#eee" if dark else "background:#fff"
        style = f"body {{ margin: 8px; {colours} }} .place {{ margin-bottom: 12px }}"
        page.set_content(f"<!doctype html><meta charset=utf-8><style>{style}</style>")
        page.evaluate(f"() => {{{SCRIPT}}}")
        for number, view in enumerate(views):
            view.send = self._out(number)
            given = [number, str(view._esm), self._changes(number), list(range(places))]
            page.evaluate("(given) => window.mount(...given)", given)
        self.settle()

    def settle(self) -> None:
        """Waits until the page has drawn all that it has, however long that takes."""
        self.page.evaluate("() => window.settled()")

    def root(self, place: int = 0) -> Any:
        """The section of one place."""
        return self.page.locator(".place").nth(place).locator(".view")

    def put(self, number: int = 0, **traits: Any) -> None:
        """Sets traits as Python does."""
        view = self.views[number]
        with view.hold_trait_notifications():
            for name, value in traits.items():
                setattr(view, name, value)
        self.follow(number)

    def follow(self, number: int = 0) -> None:
        """Sends the browser what Python changed."""
        given = [number, self._changes(number)]
        self.page.evaluate("([number, changed]) => window.views[number].take(changed)", given)
        self.settle()

    def _out(self, number: int) -> Any:
        return lambda content, buffers=(): self._sent[number].append([content, list(map(crossing, buffers))])

    def _hear(self, number: int, message: dict[str, Any]) -> list:
        view = self.views[number]
        if "state" in message:
            self._known[number] |= message["state"]
            with view.hold_trait_notifications():
                for name, value in message["state"].items():
                    setattr(view, name, value)
        else:
            view._reply(view, message["content"], [])
        sent, self._sent[number] = self._sent[number], []
        return [self._changes(number), sent]

    def _changes(self, number: int) -> dict[str, Any]:
        view, known = self.views[number], self._known[number]
        names = [name for name in view.keys if not name.startswith("_") and name not in NOT_SHOWN]
        changed = {name: getattr(view, name) for name in names}
        changed = {
            name: value for name, value in changed.items() if name not in known or known[name] != value
        }
        known |= changed
        return {name: crossing(value) for name, value in changed.items()}


def eventually(page: Any, holds: Callable[[], Any]) -> None:
    """Waits until something holds; where it never does, says what was there instead by asserting it once more."""
    for _ in range(PATIENCE // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    assert holds()


def crossing(value: Any) -> Any:
    """A trait as it crosses to the page."""
    return {"$bytes": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value
