// What a view knows of its Python half: traits that it reads and sets, and questions that Python answers.

/** A row of tokens, as `payload._tokens` writes them. */
export interface Tokens {
  text: string[];
  special: number[];
  segment: number[];
}

/** One layer's names and sizes; `parts` says what its bytes are: name, type, shape. */
export interface LayerHeader {
  name: string;
  kind: string;
  query: string;
  key: string;
  heads: number;
  queries: number;
  keys: number;
  detail: boolean;
  parts: [name: string, dtype: "f2" | "f4" | "bits", shape: number[]][];
  bytes: number;
  scale?: number;
  softcap?: number | null;
  band?: [before: number | null, after: number | null, offset: number] | null;
}

export interface Patches {
  rows: number;
  cols: number;
  leading: number;
  image: string | null;
}

/** A trace without its weights, as `payload.header` writes it. */
export interface TraceHeader {
  model: string;
  prediction: string | null;
  tokens: { input: Tokens; output: Tokens };
  patches: Patches | null;
  layers: LayerHeader[];
  remote: boolean;
}

/** The part of anywidget's model that views use; a report and the tests bring their own. */
export interface Model<State> {
  get<K extends keyof State & string>(name: K): State[K];
  get(name: string): unknown;
  set<K extends keyof State & string>(name: K, value: State[K]): void;
  save_changes(): void;
  on(event: string, callback: (...given: any[]) => void): void;
  off(event: string, callback: (...given: any[]) => void): void;
  send(content: unknown): void;
}

export interface Answer {
  [name: string]: unknown;
  buffers: DataView[];
}

/** How long Python may take; a busy kernel answers late, a dead one never. */
const PATIENCE = 60_000;
let asked = 0;

/** Puts a question to Python and waits for the answer with its number; rejects with Python's own words. */
export function ask<State>(
  model: Model<State>,
  question: string,
  given: Record<string, unknown>,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<Answer> {
  const id = `${Date.now().toString(36)}-${asked++}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(() => reject(new Error("Python does not answer. Is the kernel busy, or gone? Run the cell again."))),
      patience,
    );
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      model.off("msg:custom", hear);
      settle();
    };
    const hear = (message: Record<string, unknown>, buffers?: DataView[]) => {
      if (message?.["id"] !== id) return;
      finish(() =>
        typeof message["error"] === "string"
          ? reject(new Error(message["error"]))
          : resolve({ ...(message["answer"] as object), buffers: buffers ?? [] }),
      );
    };
    const stop = () => finish(() => reject(signal.reason));
    signal.addEventListener("abort", stop);
    model.on("msg:custom", hear);
    try {
      model.send({ id, ask: question, ...given });
    } catch {
      finish(() => reject(new Error("There is no kernel to ask. Run the cell again.")));
    }
  });
}

/** Calls back at every change of one of these traits, until the signal. */
export function listen<State>(
  model: Model<State>,
  names: (keyof State & string)[],
  callback: () => void,
  signal: AbortSignal,
): void {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}
