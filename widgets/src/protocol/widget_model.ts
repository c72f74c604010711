// The part of anywidget's model that the views use.

/** Traits that both halves of a widget share, and messages between them; reports and tests bring models of their own. */
export interface WidgetModel<State> {
  get<K extends keyof State & string>(name: K): State[K];
  get(name: string): unknown;
  set<K extends keyof State & string>(name: K, value: State[K]): void;
  save_changes(): void;
  on(event: string, callback: (...values: any[]) => void): void;
  off(event: string, callback: (...values: any[]) => void): void;
  send(content: unknown): void;
}

/** Calls back at every change of one of these traits until the signal aborts. */
export function listen<State>(
  model: WidgetModel<State>,
  names: (keyof State & string)[],
  callback: () => void,
  signal: AbortSignal,
): void {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}
