// Requests from the browser to Python: a message with an id, answered by a reply with the same id.

import type { WidgetModel } from "./widget_model";

/** What Python replies: fields of JSON, and blocks of bytes. */
export interface Reply {
  [name: string]: unknown;
  buffers: DataView[];
}

export type RequestFields = Record<string, unknown>;

/** Milliseconds that Python may take: a busy kernel replies late, a dead one never. */
const PATIENCE = 60_000;

let requestCount = 0;

/** Sends a request and resolves to its reply. Rejects with Python's error message, after `patience`, or with the signal's reason. */
export function request<State>(
  model: WidgetModel<State>,
  name: string,
  fields: RequestFields,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<Reply> {
  const id = `${Date.now().toString(36)}-${requestCount++}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => settle(() => reject(new Error("Python does not reply. Is the kernel busy or gone? Run the cell again."))),
      patience,
    );
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      model.off("msg:custom", receive);
      act();
    };
    const receive = (message: Record<string, unknown>, buffers?: DataView[]) => {
      if (message?.["id"] !== id) return;
      const error = message["error"];
      if (typeof error === "string") settle(() => reject(new Error(error)));
      else settle(() => resolve({ ...(message["answer"] as object), buffers: buffers ?? [] }));
    };
    const stop = () => settle(() => reject(signal.reason));
    signal.addEventListener("abort", stop);
    model.on("msg:custom", receive);
    try {
      model.send({ id, ask: name, ...fields });
    } catch {
      settle(() => reject(new Error("No kernel is connected. Run the cell again.")));
    }
  });
}
