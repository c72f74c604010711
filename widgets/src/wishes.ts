// The newest of many wishes: one is answered at a time, the next one waits, and those between are forgotten.

interface Told {
  /** Something began to wait, was taken up or was answered. */
  changed(): void;
  done(): void;
  /** Why the newest was not answered; of an older one nobody hears. */
  failed(reason: string): void;
}

export class Wishes<Wish> {
  /** Not taken up yet; what comes from Python while there is one is older. */
  waiting: Wish | null = null;
  /** Being answered. */
  running: Wish | null = null;
  private resting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly answer: (wish: Wish) => Promise<unknown>,
    private readonly told: Told,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => clearTimeout(this.resting));
  }

  get newest(): Wish | null {
    return this.waiting ?? this.running;
  }

  /** Takes up a wish after `rest` milliseconds without another, once no other is being answered. */
  want(wish: Wish, rest = 0): void {
    this.waiting = wish;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.resting = undefined;
      void this.next();
    }, rest);
    this.told.changed();
  }

  private async next(): Promise<void> {
    if (this.running || !this.waiting) return;
    [this.running, this.waiting] = [this.waiting, null];
    this.told.changed();
    try {
      await this.answer(this.running);
      this.told.done();
    } catch (error) {
      if (!this.signal.aborted && !this.waiting) this.told.failed(error instanceof Error ? error.message : String(error));
    }
    this.running = null;
    if (this.signal.aborted) return;
    this.told.changed();
    if (this.resting === undefined) void this.next();
  }
}
