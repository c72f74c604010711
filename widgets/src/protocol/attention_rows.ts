// Rows of attention over all keys, averaged over heads: of one query, or of the mean over all queries.

import { readSingles } from "./float16";
import type { Reply, RequestFields } from "./requests";
import type { TraceSource } from "./trace_source";
import { meanOf } from "./weights";

export class AttentionRows {
  private readonly received = new Map<string, Float32Array>();

  constructor(
    private readonly source: TraceSource,
    private readonly request: (name: string, fields: RequestFields) => Promise<Reply>,
  ) {}

  /** Weights [key] of one query; without a query, the mean over all of them. */
  async of(layer: number, heads: number[], query: number | null): Promise<Float32Array> {
    if (query === null) return this.receivedBy(layer, heads);
    if (this.source.remote) {
      const all = { layer, heads, pair: "all", hide_special: false, pool: "max" } as const;
      return meanOf(await this.source.line(all, "query", query));
    }
    const weights = await this.source.layer(layer);
    return meanOf(heads.map((head) => weights.row(head, query)));
  }

  /** What each key receives, cached: it reads every weight of the heads. */
  private async receivedBy(layer: number, heads: number[]): Promise<Float32Array> {
    const name = `${layer}/${heads}`;
    let row = this.received.get(name);
    if (!row) {
      row = this.source.remote ? await this.requestReceived(layer, heads) : await this.averageColumns(layer, heads);
      this.received.set(name, row);
    }
    return row;
  }

  private async requestReceived(layer: number, heads: number[]): Promise<Float32Array> {
    const { buffers } = await this.request("received", { layer, heads });
    return readSingles(buffers[0]!, 0, this.source.header.layers[layer]!.keys);
  }

  private async averageColumns(layer: number, heads: number[]): Promise<Float32Array> {
    const weights = await this.source.layer(layer);
    const { queries, keys } = weights.header;
    const out = new Float32Array(keys);
    for (const head of heads)
      weights.head(head).forEach((weight, n) => (out[n % keys]! += weight / (queries * heads.length)));
    return out;
  }
}
