// Keys in a view, and the notebook around it that has keyboard shortcuts of its own.

/** JupyterLab ignores its shortcuts where an element of the event's path has this attribute. */
const NO_SHORTCUTS = "data-lm-suppress-shortcuts";

export type KeyActions = Record<string, () => void>;

/** Runs the action of a key that is pressed without Ctrl, Meta or Alt, which belong to the browser; returns whether there was one. */
export function runKey(event: KeyboardEvent, actions: KeyActions): boolean {
  const action = hasModifier(event) ? undefined : actions[event.key];
  if (!action) return false;
  event.preventDefault();
  event.stopPropagation(); // the notebook has shortcuts of its own
  action();
  return true;
}

export function hasModifier(event: KeyboardEvent | MouseEvent): boolean {
  return event.ctrlKey || event.metaKey || event.altKey;
}

/** Whether a click adds to a selection instead of replacing it. */
export function addsToSelection(event: MouseEvent): boolean {
  return event.shiftKey || event.metaKey || event.ctrlKey;
}

/** Keeps single letters typed in a view from the notebook, where two of them delete a cell; keys with Ctrl still reach it. */
export function suppressShortcuts(element: HTMLElement, signal: AbortSignal): void {
  globalThis.addEventListener("keydown", (event) => {
    if (!event.composedPath().includes(element)) return;
    const runsCell = event.shiftKey && event.key === "Enter";
    element.toggleAttribute(NO_SHORTCUTS, !(hasModifier(event) || runsCell));
  }, { capture: true, signal });
}

/** Keeps all keys typed into a text field from the notebook around its view. */
export function guardField(field: HTMLElement, host: Element, signal: AbortSignal): void {
  field.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  field.addEventListener("focusin", () => host.setAttribute(NO_SHORTCUTS, "true"), { signal });
  field.addEventListener("focusout", () => host.removeAttribute(NO_SHORTCUTS), { signal });
}
