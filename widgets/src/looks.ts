// What one position gives to the others, or what each receives, in the mean over some heads.

import { mean } from "./layer";
import type { Answer } from "./model";
import type { Source } from "./source";

export class Looks {
  private readonly received = new Map<string, Float32Array>();

  constructor(
    private readonly source: Source,
    private readonly ask: (question: string, given: Record<string, unknown>) => Promise<Answer>,
  ) {}

  /** Weights [key] of one query; without one the mean over all of them. */
  async of(layer: number, heads: number[], query: number | null): Promise<Float32Array> {
    if (query === null) return this.receivedBy(layer, heads);
    if (this.source.remote)
      return mean(await this.source.line({ layer, heads, pair: "all", hide_special: false, pool: "max" }, "query", query));
    const whole = await this.source.layer(layer);
    return mean(heads.map((head) => whole.row(head, query)));
  }

  private async receivedBy(layer: number, heads: number[]): Promise<Float32Array> {
    const name = `${layer}/${heads}`;
    let found = this.received.get(name);
    if (!found) {
      found = this.source.remote ? await this.asked(layer, heads) : await this.averaged(layer, heads);
      this.received.set(name, found);
    }
    return found;
  }

  private async asked(layer: number, heads: number[]): Promise<Float32Array> {
    const { buffers } = await this.ask("received", { layer, heads });
    return singles(buffers[0]!, 0, this.source.header.layers[layer]!.keys);
  }

  private async averaged(layer: number, heads: number[]): Promise<Float32Array> {
    const whole = await this.source.layer(layer);
    const { queries, keys } = whole.header;
    const out = new Float32Array(keys);
    for (const head of heads) whole.head(head).forEach((weight, n) => (out[n % keys]! += weight / (queries * heads.length)));
    return out;
  }
}

/** `count` numbers of float32 after the first so many. */
export function singles(bytes: DataView, first: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, n) => bytes.getFloat32(4 * (first + n), true));
}
