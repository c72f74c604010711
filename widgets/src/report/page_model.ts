// What stands in for a widget's model in a report: the state without a kernel.

import type { WidgetModel } from "../protocol/widget_model";
import { replyTo, type PageRequest } from "./page_replies";

/** A view of the page. */
export interface PlacedView {
  /** The number of its bundle. */
  bundle: number;
  state: Record<string, unknown>;
  /** Traits that are bytes, and the number of the element that holds each. */
  bytes: Record<string, number>;
}

/** Reads the bytes of an element. */
export type BytesReader = (element: number) => Promise<DataView>;

type Callback = (...values: any[]) => void;

/** Bytes of these traits are read on request; those of all others before the view is drawn. */
const ON_REQUEST = /(^|_)(layer|tiles|factors|overview|lse)(_\d+)+$/;

/** Reports changes of its traits, and replies to requests from the page's own bytes. */
export class PageModel implements WidgetModel<any> {
  private readonly listeners = new Map<string, Set<Callback>>();
  private readonly state: Record<string, unknown>;

  constructor(private readonly placed: PlacedView, private readonly readBytes: BytesReader) {
    this.state = { ...placed.state };
  }

  get(name: string): any {
    return this.state[name];
  }

  set(name: string, value: unknown): void {
    if (sameValue(this.state[name], value)) return;
    this.state[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {}

  on(event: string, callback: Callback): void {
    const callbacks = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, callbacks.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.listeners.get(event)?.delete(callback);
  }

  private emit(event: string, ...values: unknown[]): void {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...values);
  }

  send(content: unknown): void {
    const request = content as PageRequest;
    const { id } = request;
    replyTo(this, request).then(
      ({ answer = {}, buffers = [] }) => this.emit("msg:custom", { id, answer }, buffers),
      (error: Error) => this.emit("msg:custom", { id, error: error.message }, []),
    );
  }

  /** Reads a trait's bytes into the state; false where the page has no such trait. */
  async load(name: string): Promise<boolean> {
    const element = this.placed.bytes[name];
    if (element === undefined) return false;
    this.state[name] ??= await this.readBytes(element);
    return true;
  }

  /** Reads everything that a view must have before it is drawn. */
  async loadInitial(): Promise<void> {
    const names = Object.keys(this.placed.bytes).filter((name) => !ON_REQUEST.test(name));
    await Promise.all(names.map((name) => this.load(name)));
  }
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Keeps two traits equal, beginning with the value of the first. */
export function linkTraits(a: PageModel, nameA: string, b: PageModel, nameB: string): void {
  b.set(nameB, a.get(nameA));
  a.on(`change:${nameA}`, () => b.set(nameB, a.get(nameA)));
  b.on(`change:${nameB}`, () => a.set(nameA, b.get(nameB)));
}
