// What stands after the # of a page's address: names with values, as in #layer=5&head=9.

/** Milliseconds after a change: browsers refuse an address that changes hundreds of times. */
const RESTING = 200;

/** A part of a page whose state is in the address. */
export interface KeptPart {
  /** What is to be kept, by name; what is "" is omitted. */
  values(): Record<string, string>;
  /** Shows what the address names, as far as it is there. */
  open(values: ReadonlyMap<string, string>): void;
}

/** The values by name; parts without a value, such as the id of a section, are none of them. */
export function valuesOf(fragment: string): Map<string, string> {
  const pairs = fragment.replace(/^#/, "").split("&").filter((part) => part.includes("="));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), decoded(pair.slice(pair.indexOf("=") + 1))]));
}

export function fragmentOf(values: Record<string, string>): string {
  const set = Object.entries(values).filter(([, value]) => value !== "");
  return set.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
}

/** A text of an address may be anything. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function replaceFragment(fragment: string): void {
  try {
    history.replaceState(history.state, "", `#${fragment}`);
  } catch {
    // A page in a frame without an address of its own has none to keep.
  }
}

/** Does something once, a moment after the last of many calls. */
export function resting(act: () => void): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, RESTING);
  };
}

/** Keeps parts of the page in its address, and follows it. */
export class PageAddress {
  private readonly parts: KeptPart[] = [];

  constructor() {
    addEventListener("hashchange", () => {
      const values = valuesOf(location.hash);
      this.parts.forEach((part) => part.open(values));
      if (values.size > 0) this.write(); // what the address did not name has stayed
    });
  }

  /** Opens a part as the address says, and keeps it there from now on. */
  keep(part: KeptPart): void {
    this.parts.push(part);
    part.open(valuesOf(location.hash));
  }

  readonly write = (): void => replaceFragment(fragmentOf(Object.assign({}, ...this.parts.map((part) => part.values()))));
  readonly writeSoon = resting(this.write);
}
