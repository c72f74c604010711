// The scores of the panels: from the widget's state, or requested from Python.

import { tokenLabel } from "../drawing/token_label";
import { readSingles } from "../protocol/float16";
import type { Frame } from "../ui/view";
import type { PatchScores } from "./score_kinds";
import type { PatchesState } from "./state";

/** A panel's scores, and the line below them. */
export interface NotedScores extends PatchScores {
  note: string;
}

export class MapScores {
  private readonly failures = new Map<string, string>();
  private readonly requested = new Set<string>();

  constructor(
    private readonly frame: Frame<PatchesState>,
    private readonly patches: number,
    private readonly signal: AbortSignal,
  ) {}

  /** A panel's scores for the chosen class; requested where they are not here. */
  of(name: string): NotedScores | null {
    const { model } = this.frame;
    const [header, bytes] = [model.get("maps")[name], model.get("scores")];
    const isOfTarget = header && (header.target === "" || header.target === model.get("target"));
    if (isOfTarget && bytes.byteLength >= 4 * (header.place + 1) * this.patches) {
      const note = header.target === "" ? header.verdict : `for “${tokenLabel(header.target, 24)}” · ${header.verdict}`;
      return { values: readSingles(bytes, header.place * this.patches, this.patches), kind: header.kind, note };
    }
    this.request(name);
    return null;
  }

  /** Why a panel has no scores. */
  failureOf(name: string): string | undefined {
    return this.failures.get(this.keyOf(name));
  }

  /** Lets a panel be requested again. */
  reset(name: string): void {
    this.failures.delete(this.keyOf(name));
    this.requested.delete(this.keyOf(name));
  }

  private keyOf(name: string): string {
    return `${name}/${this.frame.model.get("target")}`;
  }

  /** Requests a panel's scores once for each class. */
  private request(name: string): void {
    const key = this.keyOf(name);
    if (this.requested.has(key) || this.failures.has(key)) return;
    this.requested.add(key);
    this.frame.request("map", { name }).catch((error: Error) => {
      if (this.signal.aborted) return;
      this.requested.delete(key);
      this.failures.set(key, error.message);
      this.frame.redraw();
    });
  }
}
