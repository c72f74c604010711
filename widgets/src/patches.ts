// PatchView: an image with attention over its patches, and beside it other maps of which patches counted.

import { AttentionRows as Looks } from "./protocol/attention_rows";
import { readSingles as singles } from "./protocol/float16";
import { listen } from "./protocol/widget_model";
import { type TraceHeader } from "./protocol/headers";
import { TraceSource as Source } from "./protocol/trace_source";
import css from "./patches.css";
import { h, view, type Frame } from "./dom";
import { most, said, scaled, scaleOf, strongest, upTo, type Kind, type Scores } from "./kinds";
import { label, number } from "./label";
import { Overlay, Paint, type Ground, type Map2d } from "./overlay";
import { scaleElement, sheetSvg } from "./sheet";

export interface State {
  trace: TraceHeader;
  size: [height: number, width: number];
  offered: string[];
  labels: string[];
  maps: Record<string, MapHeader>;
  scores: DataView;
  layer: number;
  heads: number[];
  query: number | null;
  blend: number;
  panels: string[];
  shared: boolean;
  target: string;
}

/** What is known of a panel's scores; as `PatchView._send_map` writes it. */
interface MapHeader {
  kind: Kind;
  target: string;
  how: string;
  verdict: string;
  /** Which of the scores are this panel's. */
  place: number;
}

/** A panel's map, and what stands below it. */
interface Shown extends Scores {
  note: string;
}

interface Panel {
  figure: HTMLElement;
  overlay: Overlay;
  title: HTMLElement;
  value: HTMLElement;
  note: HTMLElement;
  waiting: HTMLElement;
}

/** Milliseconds that a layer is shown while they play. */
const PACE = 750;

const HOW =
  "The brighter a patch, the more the outlined one, or the class token, looks at it. Point at a patch to see where it looks; click " +
  "keeps it, then pointing reads the numbers. Keys: arrows move the patch, Shift with them reads, [ ] change the layer, comma and " +
  "period the head, space plays the layers, Escape goes back.";

/** Another image may have another grid: then everything is made anew. */
export default view<State>("Patches", css, (frame) => {
  let ending = new AbortController();
  frame.signal.addEventListener("abort", () => ending.abort());
  let made = patchView(frame, ending.signal);
  listen(frame.model, ["trace"], () => {
    ending.abort();
    ending = new AbortController();
    frame.bar.replaceChildren();
    frame.stage.replaceChildren();
    made = patchView(frame, ending.signal);
    frame.redraw();
  }, frame.signal);
  return { draw: () => made.draw(), picture: () => made.picture() };
});

function patchView(frame: Frame<State>, signal: AbortSignal): { draw(): void; picture(): string } {
  const { model, bar, stage } = frame;
  const source = new Source(model, signal);
  const { layers, patches, tokens } = source.header;
  const { rows, cols, leading } = patches!;
  const [height, width] = model.get("size");
  const ground: Ground = { rows, cols, width, height, image: patches!.image };
  const usable = range(layers.length).filter((n) => layers[n]!.query === "input" && layers[n]!.key === "input");
  const looks = new Looks(source, frame.ask);
  const failures = new Map<string, string>();
  const asked = new Set<string>();
  const panels = new Map<string, Panel>();
  let looking: number | null = null; // the patch on the large picture that is pointed at while none is kept
  let pointed: number | null = null; // the patch whose numbers are read
  let current: { row: Float32Array; maps: Map<string, Shown> } | null = null;
  let drawn = 0;
  let playing = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  // -- controls -------------------------------------------------------------------------------------------

  const named = (name: string, ...children: Node[]) => h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
  const layer = h("input", {
    type: "range", min: "0", max: String(usable.length - 1), step: "1", "aria-label": "Layer",
    oninput: () => (stop(), setLayer(Number(layer.value))),
  });
  const layerNumber = h("span", { className: "count" });
  const play = h("button", { type: "button", className: "play", onclick: () => toggle() });
  const chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  const blend = h("input", {
    type: "range", min: "0", max: "1", step: "0.05", "aria-label": "How much the map covers the image",
    oninput: () => frame.set({ blend: Number(blend.value) }),
  });
  const shared = h("input", { type: "checkbox", onchange: () => frame.set({ shared: shared.checked }) });
  const target = h("select", { className: "class", "aria-label": "Class that is explained", onchange: () => frame.set({ target: target.value }) });
  target.append(...model.get("labels").map((name) => h("option", { value: name }, label(name))));
  const switches = model.get("offered").map((name) =>
    h("button", { type: "button", className: "chip", value: name, onclick: () => switchPanel(name) }, titleOf(name)),
  );
  const blending = named("Image", blend, h("span", { className: "name" }, "map"));
  blending.hidden = ground.image === null;
  const layering = named("Layer", layer, layerNumber, play);
  layering.hidden = usable.length < 2;
  const classes = named("Class", target);
  classes.hidden = model.get("labels").length < 2;
  bar.append(
    layering,
    named("Heads", chips),
    blending,
    classes,
    h("span", { className: "group", role: "group", "aria-label": "Panels" }, h("span", { className: "name" }, "Beside"), h("span", { className: "chips" }, ...switches)),
  );

  // -- the page -------------------------------------------------------------------------------------------

  const large = new Overlay(ground);
  const askable = h("div", { className: "asked", tabIndex: 0, role: "application", "aria-roledescription": "grid of patches" }, large.element);
  const heading = h("span", { className: "title" });
  const below = h("span", { className: "note" });
  const firsts = h("div", { className: "leading", role: "group", "aria-label": "Tokens before the patches" });
  const beside = h("div", { className: "beside" });
  const scales = h("span", { className: "scales" });
  const ownScale = h("div", { className: "scales" });
  const foot = h("div", { className: "foot" }, h("label", { title: "Otherwise each panel is on its own scale" }, shared, "one scale per kind"), scales);
  stage.classList.add("patches");
  stage.append(h("figure", { className: "large" }, heading, askable, h("figcaption", {}, below), firsts, ownScale), h("div", { className: "right" }, beside, foot));
  frame.explain(leftOut() + HOW);

  large.element.addEventListener("pointermove", (event) => point(large.at(event), true), { signal });
  large.element.addEventListener("pointerleave", () => point(null, true), { signal });
  large.element.addEventListener("click", (event) => {
    const patch = large.at(event);
    if (patch === null) return;
    const position = leading + patch;
    point(null, true);
    frame.set({ query: model.get("query") === position ? null : position });
  }, { signal });
  frame.root.addEventListener("keydown", (event) => onKey(event as KeyboardEvent), { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  listen(model, ["layer", "heads", "query", "blend", "panels", "shared", "target", "maps", "scores"], frame.redraw, signal);

  /** A patch under the pointer: on the large picture it looks, unless one is kept; elsewhere its numbers are read. */
  function point(patch: number | null, onLarge: boolean): void {
    const [from, to] = onLarge && model.get("query") === null ? [patch, null] : [null, patch];
    if (from === looking && to === pointed) return;
    [looking, pointed] = [from, to];
    frame.redraw();
  }

  const header = () => layers[model.get("layer")]!;
  const heads = () => {
    const chosen = model.get("heads").filter((head) => head < header().heads);
    return chosen.length ? chosen : range(header().heads);
  };
  const patchOf = (position: number | null) => (position === null || position < leading ? null : position - leading);
  const painted = () => new Paint(model.get("blend"), frame.dark(), ground.image !== null);
  /** The position that looks: pointed at, kept, or the class token; null for all. */
  const position = () => (looking !== null ? leading + looking : model.get("query") ?? (leading ? 0 : null));

  // -- words ----------------------------------------------------------------------------------------------

  function nameOf(position: number | null): string {
    if (position === null) return "all positions";
    const patch = position - leading;
    return patch < 0 ? label(tokens.input.text[position] ?? String(position)) : `patch (${Math.floor(patch / cols)}, ${patch % cols})`;
  }

  function whose(): string {
    const shown = heads();
    if (shown.length === 1) return header().heads === 1 ? "its only head" : `head ${shown[0]}`;
    return shown.length === header().heads ? `mean of ${shown.length} heads` : `mean of heads ${shown.join(", ")}`;
  }

  const what = (position: number | null) => (position === null ? "What each patch receives" : `Where ${nameOf(position)} looks`);

  function leftOut(): string {
    const missing = range(layers.length).filter((n) => !usable.includes(n));
    if (missing.length === 0) return "";
    const one = missing.length === 1;
    return `Layer${one ? "" : "s"} ${missing.join(", ")} ${one ? "is" : "are"} left out: ${one ? "its" : "their"} positions are not the patches. `;
  }

  function tellLook(row: Float32Array): void {
    const from = position();
    const best = range(row.length).sort((a, b) => row[b]! - row[a]!).slice(0, 3);
    const said = best.map((to) => `${to === from ? "itself" : nameOf(to)} ${number(row[to]!)}`).join(", ");
    const start = from === null ? "Most is received by" : `${capital(nameOf(from))} looks at`;
    frame.say(`${start} ${said} · layer ${model.get("layer")}, ${whose()}`);
  }

  function tellPatch(patch: number, row: Float32Array): void {
    const [from, to] = [position(), leading + patch];
    const gets = from === null ? "receives" : `gets from ${from === to ? "itself" : nameOf(from)}`;
    frame.say(`${capital(nameOf(to))} ${gets} ${number(row[to]!)} · layer ${model.get("layer")}, ${whose()}`);
  }

  // -- numbers --------------------------------------------------------------------------------------------

  /** A panel's scores, if they are here for the chosen class; asked for where they are not. */
  function scoresOf(name: string): Shown | null {
    const [found, bytes, size] = [model.get("maps")[name], model.get("scores"), rows * cols];
    const known = found && (found.target === "" || found.target === model.get("target"));
    if (known && bytes.byteLength >= 4 * (found.place + 1) * size) {
      const note = found.target === "" ? found.verdict : `for “${label(found.target, 24)}” · ${found.verdict}`;
      return { values: singles(bytes, found.place * size, size), kind: found.kind, note };
    }
    askFor(name);
    return null;
  }

  /** Asks once for a panel's scores and each class; again when it is switched on again. */
  function askFor(name: string): void {
    const question = `${name}/${model.get("target")}`;
    if (asked.has(question) || failures.has(question)) return;
    asked.add(question);
    frame.ask("map", { name }).catch((error: Error) => {
      if (signal.aborted) return;
      asked.delete(question);
      failures.set(question, error.message);
      frame.redraw();
    });
  }

  function switchPanel(name: string): void {
    failures.delete(`${name}/${model.get("target")}`);
    asked.delete(`${name}/${model.get("target")}`);
    const chosen = model.get("panels");
    const next = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name];
    frame.set({ panels: model.get("offered").filter((one) => next.includes(one)) });
  }

  // -- drawing --------------------------------------------------------------------------------------------

  async function drawMaps(turn: number): Promise<void> {
    const names = model.get("panels");
    const look = (from: number | null) => looks.of(model.get("layer"), heads(), from);
    const [row, first] = await Promise.all([look(position()), names.includes("attention") ? look(leading ? 0 : null) : null]);
    if (turn !== drawn) return;
    const maps = new Map<string, Shown>();
    for (const name of names) {
      const found = name === "image" ? null : name === "attention" ? first && ofAttention(first) : scoresOf(name);
      if (found) maps.set(name, found);
    }
    current = { row, maps };
    const [paint, shown, query, own] = [painted(), scaled(maps, model.get("shared")), position(), row.subarray(leading)];
    large.show(upTo(own, most(own)), paint, { query: patchOf(query), pointed });
    names.forEach((name) => drawPanel(name, maps.get(name), shown.maps.get(name) ?? null, paint));
    drawFirsts(row);
    ownScale.replaceChildren(scaleElement(paint, scaleOf("share", most(own))));
    scales.replaceChildren(...shown.scales.map((one) => scaleElement(paint, one)));
    heading.textContent = what(query);
    below.textContent = `layer ${model.get("layer")}, ${whose()}`;
    askable.setAttribute("aria-label", `${heading.textContent}, ${below.textContent}`);
    if (pointed !== null) tellPatch(pointed, row);
    else tellLook(row);
  }

  const ofAttention = (row: Float32Array): Shown => ({
    values: row.subarray(leading), kind: "share", note: `${leading ? `of ${nameOf(0)}` : "received"}, layer ${model.get("layer")}`,
  });

  function panel(name: string): Panel {
    const overlay = new Overlay(ground);
    const [title, value, note] = [h("span", { className: "title" }), h("span", { className: "note value" }), h("span", { className: "note" })];
    const waiting = h("div", { className: "waiting", role: "status" });
    overlay.element.append(waiting);
    overlay.element.addEventListener("pointermove", (event) => point(overlay.at(event), false), { signal });
    overlay.element.addEventListener("pointerleave", () => point(null, false), { signal });
    const figure = h("figure", {}, title, overlay.element, h("figcaption", {}, value, note));
    const made = { figure, overlay, title, value, note, waiting };
    panels.set(name, made);
    return made;
  }

  function layOut(): void {
    const names = model.get("panels");
    const figures = names.map((name) => (panels.get(name) ?? panel(name)).figure);
    if (figures.length !== beside.childElementCount || figures.some((figure, n) => figure !== beside.children[n]))
      beside.replaceChildren(...figures);
    beside.dataset["count"] = String(figures.length);
    foot.hidden = figures.length === 0;
  }

  function drawPanel(name: string, scores: Shown | undefined, map: Map2d | null, paint: Paint): void {
    const { figure, overlay, title, value, note, waiting } = panels.get(name)!;
    const failure = failures.get(`${name}/${model.get("target")}`);
    title.textContent = titleOf(name);
    title.title = model.get("maps")[name]?.how ?? titleOf(name);
    overlay.show(map, paint, { query: null, pointed: pointed ?? looking });
    waiting.hidden = map !== null || name === "image";
    waiting.textContent = map ? "" : failure ?? "Computing …";
    waiting.classList.toggle("failed", failure !== undefined && !map);
    value.textContent = name === "image" ? label(source.header.prediction ?? "as the model sees it") : scores ? numberAt(scores) : "";
    note.textContent = name === "image" ? `${width} × ${height} pixels` : scores ? scores.note : "";
    figure.setAttribute("aria-label", [titleOf(name), note.textContent, failure].filter(Boolean).join(", "));
  }

  /** The number of the patch that is pointed at, else of the strongest. */
  function numberAt(scores: Shown): string {
    const at = pointed ?? looking;
    const patch = at ?? strongest(scores);
    return `${at === null ? "most " : ""}(${Math.floor(patch / cols)}, ${patch % cols}): ${said(scores, patch)}`;
  }

  /** The tokens before the patches: what they are given, and a way to see where they look. */
  function drawFirsts(row: Float32Array): void {
    if (firsts.childElementCount === 0) {
      const button = (position: number | null, name: string) =>
        h("button", { type: "button", className: "chip", onclick: () => (point(null, true), frame.set({ query: position })) }, name, h("span", { className: "number" }));
      if (leading) firsts.append(...range(leading).map((n) => button(n || null, nameOf(n))));
      else firsts.append(button(null, "all positions"));
    }
    const at = position();
    [...firsts.children].forEach((chip, n) => {
      chip.setAttribute("aria-pressed", String(leading ? at === n : at === null));
      chip.lastElementChild!.textContent = leading ? number(row[n]!) : "";
      if (leading) (chip as HTMLElement).title = `${capital(nameOf(at))} gives it ${number(row[n]!)}; click to see where it looks`;
    });
  }

  function drawControls(): void {
    const [count, shown] = [header().heads, model.get("heads").filter((head) => head < header().heads)];
    layer.value = String(usable.indexOf(model.get("layer")));
    layer.setAttribute("aria-valuetext", `layer ${model.get("layer")}`);
    layerNumber.textContent = String(model.get("layer"));
    play.textContent = playing ? "❚❚" : still() ? "▸❘" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : still() ? "Next layer" : "Play the layers");
    play.title = play.getAttribute("aria-label")!;
    blend.value = String(model.get("blend"));
    shared.checked = model.get("shared");
    target.value = model.get("target");
    for (const button of switches) button.setAttribute("aria-pressed", String(model.get("panels").includes(button.value)));
    if (chips.childElementCount !== count + 1)
      chips.replaceChildren(
        h("button", { type: "button", className: "chip", onclick: () => frame.set({ heads: [] }) }, "mean"),
        ...range(count).map((head) =>
          h("button", {
            type: "button", className: "chip", title: "Shift adds or takes away", "aria-label": `head ${head}`,
            onclick: (event: MouseEvent) => chooseHead(head, event.shiftKey || event.metaKey || event.ctrlKey),
          }, String(head)),
        ),
      );
    [...chips.children].forEach((chip, n) => chip.setAttribute("aria-pressed", String(n === 0 ? shown.length === 0 : shown.includes(n - 1))));
  }

  function draw(): void {
    drawControls();
    layOut();
    const turn = ++drawn;
    drawMaps(turn).then(
      () => turn === drawn && (frame.tell(""), goOn()),
      (error: unknown) => {
        if (signal.aborted || turn !== drawn) return;
        halt();
        drawControls();
        frame.tell(error instanceof Error ? error.message : String(error));
      },
    );
  }

  // -- acts -----------------------------------------------------------------------------------------------

  function setLayer(index: number): void {
    frame.set({ layer: usable[(index + usable.length) % usable.length]! });
  }

  function chooseHead(head: number, more: boolean): void {
    const chosen = model.get("heads");
    if (!more) return frame.set({ heads: [head] });
    const others = chosen.filter((one) => one !== head);
    frame.set({ heads: (others.length < chosen.length ? others : [...others, head]).sort((a, b) => a - b) });
  }

  /** Mean, 0, 1, ..., last and around. */
  function stepHead(by: number): void {
    const around = header().heads + 1;
    const next = ((model.get("heads")[0] ?? -1) + 1 + by + around) % around;
    frame.set({ heads: next === 0 ? [] : [next - 1] });
  }

  function move(down: number, across: number, reading: boolean): void {
    const query = model.get("query");
    const from = reading ? pointed : query !== null && query >= leading ? query - leading : looking;
    const start = from ?? Math.floor((rows - 1) / 2) * cols + Math.floor((cols - 1) / 2);
    const row = Math.max(0, Math.min(rows - 1, Math.floor(start / cols) + (from === null ? 0 : down)));
    const col = Math.max(0, Math.min(cols - 1, (start % cols) + (from === null ? 0 : across)));
    looking = null;
    pointed = reading ? row * cols + col : null;
    if (!reading) frame.set({ query: leading + row * cols + col });
    frame.redraw();
  }

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const acts: Record<string, () => void> = {
      "[": () => (stop(), setLayer(usable.indexOf(model.get("layer")) - 1)),
      "]": () => (stop(), setLayer(usable.indexOf(model.get("layer")) + 1)),
      ",": () => stepHead(-1),
      ".": () => stepHead(1),
      Escape: () => (stop(), point(null, true), frame.set({ query: null })),
    };
    if (event.target === askable) Object.assign(acts, {
      ArrowUp: () => move(-1, 0, event.shiftKey), ArrowDown: () => move(1, 0, event.shiftKey),
      ArrowLeft: () => move(0, -1, event.shiftKey), ArrowRight: () => move(0, 1, event.shiftKey),
      " ": () => toggle(),
    });
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
    act();
  }

  // -- playback -------------------------------------------------------------------------------------------

  /** Whether nothing may move by itself: then each press shows the next layer. */
  const still = () => globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;

  function toggle(): void {
    if (usable.length < 2) return;
    if (playing) stop();
    else {
      playing = !still();
      setLayer(usable.indexOf(model.get("layer")) + 1);
    }
    frame.redraw();
  }

  function halt(): void {
    playing = false;
    clearTimeout(timer);
    timer = undefined;
  }

  function stop(): void {
    halt();
    frame.redraw();
  }

  /** The next layer, a while after this one was drawn; the last one is the end. */
  function goOn(): void {
    if (!playing || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      const at = usable.indexOf(model.get("layer"));
      if (at === usable.length - 1) stop();
      else setLayer(at + 1);
    }, PACE);
  }

  return { draw, picture };

  /** All pictures on one sheet of SVG. */
  function picture(): string {
    const shown = scaled(current?.maps ?? new Map(), model.get("shared"));
    const own = current?.row.subarray(leading) ?? new Float32Array(rows * cols);
    return sheetSvg({
      heading: `${heading.textContent} · ${below.textContent}`,
      ground,
      paint: painted(),
      dark: frame.dark(),
      large: { map: upTo(own, most(own)), query: patchOf(position()), scale: scaleOf("share", most(own)) },
      plates: model.get("panels").map((name) => ({
        title: titleOf(name),
        map: shown.maps.get(name) ?? null,
        value: panels.get(name)?.value.textContent ?? "",
        note: panels.get(name)?.note.textContent ?? "",
      })),
      scales: shown.scales,
    });
  }
}

function titleOf(name: string): string {
  return { gradient_x_input: "gradient × input" }[name] ?? name.replaceAll("_", " ");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function range(count: number): number[] {
  return [...Array(count).keys()];
}
