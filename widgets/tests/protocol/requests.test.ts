// Requests and their replies.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { request } from "../../src/protocol/requests";
import { listen } from "../../src/protocol/widget_model";
import { FakeModel } from "../fake";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start(patience?: number) {
  const model = new FakeModel({});
  const ending = new AbortController();
  const reply = request(model as any, "tile", { level: 2 }, ending.signal, patience);
  return { model, ending, reply };
}

describe("a request", () => {
  test("is sent with an id of its own and its fields", () => {
    const { model } = start();
    void request(model as any, "tile", { level: 3 }, new AbortController().signal);
    expect(model.sent).toMatchObject([{ ask: "tile", level: 2 }, { ask: "tile", level: 3 }]);
    expect(model.sent[0].id).not.toBe(model.sent[1].id);
  });

  test("resolves to the reply with its id, and to its buffers", async () => {
    const { model, ending, reply } = start();
    model.emit("msg:custom", { id: "another", answer: { shape: [9] } });
    model.emit("msg:custom", null);
    const buffer = new DataView(new ArrayBuffer(2));
    const removed = vi.spyOn(ending.signal, "removeEventListener");
    model.reply({ shape: [1, 2] }, [buffer]);
    expect(await reply).toEqual({ shape: [1, 2], buffers: [buffer] });
    expect(model.listeners()).toBe(0);
    expect(removed).toHaveBeenCalledWith("abort", expect.any(Function));
  });

  test("without buffers has none", async () => {
    const { model, reply } = start();
    model.emit("msg:custom", { id: model.sent[0].id, answer: {} });
    expect(await reply).toEqual({ buffers: [] });
  });

  test("rejects with Python's message", async () => {
    const { model, reply } = start();
    model.refuse("the trace is gone");
    await expect(reply).rejects.toThrow("the trace is gone");
    expect(model.listeners()).toBe(0);
  });

  test("rejects after a while without a reply, and ignores one that comes later", async () => {
    const { model, reply } = start(1000);
    const failed = expect(reply).rejects.toThrow("Python does not reply");
    await vi.advanceTimersByTimeAsync(1001);
    await failed;
    model.reply({});
    expect(model.listeners()).toBe(0);
  });

  test("ends with the view, and leaves no timer behind", async () => {
    const { model, ending, reply } = start();
    ending.abort(new Error("removed"));
    await expect(reply).rejects.toThrow("removed");
    expect(model.listeners()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that cannot be sent says that no kernel is connected", async () => {
    const model = new FakeModel({});
    model.send = () => {
      throw new Error("closed");
    };
    await expect(request(model as any, "tile", {}, new AbortController().signal)).rejects.toThrow("No kernel is connected");
    expect(model.listeners()).toBe(0);
  });
});

describe("a listener", () => {
  test("hears of each trait until the signal aborts", () => {
    const model = new FakeModel({ layer: 0, heads: [] });
    const ending = new AbortController();
    const changed = vi.fn();
    listen(model as any, ["layer", "heads"], changed, ending.signal);
    model.set("layer", 1);
    model.set("heads", [2]);
    model.set("mean", true);
    expect(changed).toHaveBeenCalledTimes(2);
    ending.abort();
    model.set("layer", 2);
    expect(changed).toHaveBeenCalledTimes(2);
    expect(model.listeners()).toBe(0);
  });
});
