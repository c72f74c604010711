// The latest of many requests.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LatestRequest } from "../../src/protocol/latest_request";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start() {
  const running: { request: string; done(): void; fail(reason: unknown): void }[] = [];
  const events = { changed: vi.fn(), done: vi.fn(), failed: vi.fn() };
  const ending = new AbortController();
  const run = (request: string) => new Promise<void>((done, fail) => void running.push({ request, done, fail }));
  const requests = new LatestRequest<string>(run, events, ending.signal);
  const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
  return { requests, running, events, ending, settle, started: () => running.map(({ request }) => request) };
}

describe("the latest request", () => {
  test("starts at once without a delay", async () => {
    const { requests, started, settle, events } = start();
    requests.submit("a");
    expect(requests.waiting).toBe("a");
    await settle();
    expect(started()).toEqual(["a"]);
    expect([requests.waiting, requests.running, requests.latest]).toEqual([null, "a", "a"]);
    expect(events.changed).toHaveBeenCalledTimes(2);
  });

  test("waits until no other comes for a while", async () => {
    const { requests, started, settle } = start();
    requests.submit("a", 400);
    await settle(399);
    requests.submit("ab", 400);
    await settle(399);
    expect(started()).toEqual([]);
    await settle(1);
    expect(started()).toEqual(["ab"]);
  });

  test("waits for the running one; those in between are dropped", async () => {
    const { requests, running, started, settle, events } = start();
    for (const request of ["a", "b", "c"]) {
      requests.submit(request);
      await settle();
    }
    expect(started()).toEqual(["a"]);
    expect(requests.latest).toBe("c");
    running[0]!.done();
    await settle();
    expect(started()).toEqual(["a", "c"]);
    expect(events.done).toHaveBeenCalledTimes(1);
  });

  test("does not start before its delay, although the running one ended", async () => {
    const { requests, running, started, settle } = start();
    requests.submit("a");
    await settle();
    requests.submit("b", 400);
    running[0]!.done();
    await settle(399);
    expect(started()).toEqual(["a"]);
    await settle(1);
    expect(started()).toEqual(["a", "b"]);
  });

  test("reports why it failed, and goes on", async () => {
    const { requests, running, started, settle, events } = start();
    requests.submit("a");
    await settle();
    running[0]!.fail(new Error("too long"));
    await settle();
    expect(events.failed.mock.calls).toEqual([["too long"]]);
    expect(requests.latest).toBe(null);
    requests.submit("b");
    await settle();
    running[1]!.fail("no error object");
    await settle();
    expect(events.failed).toHaveBeenLastCalledWith("no error object");
    expect(started()).toEqual(["a", "b"]);
  });

  test("does not report the failure of one that was superseded", async () => {
    const { requests, running, settle, events } = start();
    requests.submit("a");
    await settle();
    requests.submit("b");
    running[0]!.fail(new Error("too long"));
    await settle();
    expect(events.failed).not.toHaveBeenCalled();
  });

  test("does not start, and reports nothing, after the view has ended", async () => {
    const { requests, running, started, settle, events, ending } = start();
    requests.submit("a");
    await settle();
    requests.submit("b", 400);
    ending.abort();
    running[0]!.fail(new Error("aborted"));
    const calls = events.changed.mock.calls.length;
    await settle(1000);
    expect(started()).toEqual(["a"]);
    expect(events.failed).not.toHaveBeenCalled();
    expect(events.changed).toHaveBeenCalledTimes(calls);
    expect(vi.getTimerCount()).toBe(0);
  });
});
