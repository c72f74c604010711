// Whether the page is being printed.

const PRINT = "print";

/** Calls back with true before the page is printed and with false afterwards, until the signal aborts. */
export function watchPrinting(signal: AbortSignal, callback: (printing: boolean) => void): void {
  let printing = false;
  const update = (next: boolean) => {
    if (next !== printing) callback((printing = next));
  };
  globalThis.addEventListener("beforeprint", () => update(true), { signal });
  globalThis.addEventListener("afterprint", () => update(false), { signal });
  const medium = globalThis.matchMedia?.(PRINT);
  medium?.addEventListener("change", () => update(medium.matches), { signal });
  if (medium?.matches) update(true);
}
