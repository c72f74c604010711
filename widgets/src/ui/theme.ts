// Whether a view is shown in light or dark.

export type Theme = "light" | "dark";

const DARK_SYSTEM = "(prefers-color-scheme: dark)";

/** "dark" where the host's background is dark: JupyterLab's theme, a page's colours, or the system's preference. */
export function themeOf(element: HTMLElement): Theme {
  const lab = document.body?.dataset["jpThemeLight"];
  if (lab !== undefined) return lab === "false" ? "dark" : "light";
  for (let at: HTMLElement | null = element; at; at = at.parentElement ?? hostOf(at)) {
    const brightness = brightnessOf(getComputedStyle(at).backgroundColor);
    if (brightness !== null) return brightness < 0.5 ? "dark" : "light";
  }
  return globalThis.matchMedia?.(DARK_SYSTEM).matches ? "dark" : "light";
}

/** 0 for black to 1 for white, of a colour in every notation that browsers compute, such as color(srgb ...)
 *  after color-mix; null for one that is more transparent than not. */
function brightnessOf(colour: string): number | null {
  const [, kind = "", inside = ""] = colour.match(/^(\w+)\((?:[a-z][\w-]* )?(.*)\)$/) ?? [];
  const [first, second, third, opacity = 1] = inside.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [];
  if (first === undefined || second === undefined || third === undefined || opacity <= 0.5) return null;
  if (/^(ok)?l(ab|ch)$/.test(kind)) return first / (kind.startsWith("ok") ? 1 : 100);
  return (0.299 * first + 0.587 * second + 0.114 * third) / (kind === "color" ? 1 : 255);
}

function hostOf(element: HTMLElement): HTMLElement | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? (root.host as HTMLElement) : null;
}

/** Calls back with the theme whenever it may have changed, until the signal aborts. */
export function watchTheme(element: HTMLElement, signal: AbortSignal, callback: (theme: Theme) => void): void {
  const update = () => callback(themeOf(element));
  globalThis.matchMedia?.(DARK_SYSTEM).addEventListener("change", update, { signal });
  const observer = new MutationObserver(update);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  signal.addEventListener("abort", () => observer.disconnect());
  // A view is rendered before it is attached to the page, where its background is not known yet.
  requestAnimationFrame(() => !signal.aborted && update());
}
