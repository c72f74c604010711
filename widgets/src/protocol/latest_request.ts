// The latest of many requests: one runs at a time, the latest waits, and those in between are dropped.

/** What a LatestRequest reports. */
export interface RequestEvents {
  /** A request began to wait, was started or has ended. */
  changed(): void;
  done(): void;
  /** Why the latest request failed; failures of superseded requests are not reported. */
  failed(reason: string): void;
}

export class LatestRequest<Request> {
  /** Not started yet; whatever arrives from Python meanwhile is older. */
  waiting: Request | null = null;
  running: Request | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly run: (request: Request) => Promise<unknown>,
    private readonly events: RequestEvents,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  get latest(): Request | null {
    return this.waiting ?? this.running;
  }

  /** Starts a request after `delay` milliseconds without another one, once no other is running. */
  submit(request: Request, delay = 0): void {
    this.waiting = request;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.next();
    }, delay);
    this.events.changed();
  }

  private async next(): Promise<void> {
    if (this.running || !this.waiting) return;
    [this.running, this.waiting] = [this.waiting, null];
    this.events.changed();
    try {
      await this.run(this.running);
      this.events.done();
    } catch (error) {
      if (!this.signal.aborted && !this.waiting) this.events.failed(error instanceof Error ? error.message : String(error));
    }
    this.running = null;
    if (this.signal.aborted) return;
    this.events.changed();
    if (this.timer === undefined) void this.next();
  }
}
