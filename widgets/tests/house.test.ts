// The rules of the house: short functions, a name for each thing, one palette, enough tests.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAst } from "vitest/node";

const HERE = join(__dirname, "..");
const LONGEST_FUNCTION = 60;
const LEAST_TESTS = 0.6;

/** A node of the syntax tree; what the rules read of it. */
interface SyntaxNode {
  type: string;
  start: number;
  end: number;
  id?: { name: string } | null;
  key?: { name: string };
  [name: string]: unknown;
}

interface SourceText {
  path: string;
  text: string;
}

function read(folder: string, endings: string[]): SourceText[] {
  return readdirSync(join(HERE, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(HERE.length + 1), text: readFileSync(path, "utf8") }));
}

/** Every node of a file's syntax tree. */
function* nodesOf(text: string): Generator<SyntaxNode> {
  const waiting: unknown[] = [parseAst(text, { lang: "ts" })];
  while (waiting.length) {
    const node = waiting.pop();
    if (Array.isArray(node)) waiting.push(...node);
    else if (node && typeof node === "object") {
      if ("type" in node) yield node as SyntaxNode;
      waiting.push(...Object.values(node));
    }
  }
}

function linesOf(text: string, { start, end }: SyntaxNode): number {
  return text.slice(start, end).split("\n").length;
}

/** Lines of each function, arrow functions and methods included; nested ones count with those around them. */
function functionsOf({ path, text }: SourceText): { place: string; lines: number }[] {
  const kinds = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
  return [...nodesOf(text)].filter(({ type }) => kinds.includes(type)).map((node) => ({
    place: `${path}:${text.slice(0, node.start).split("\n").length}`,
    lines: linesOf(text, node),
  }));
}

/** Names of classes and interfaces. */
function namesOf({ text }: SourceText): string[] {
  const kinds = ["ClassDeclaration", "TSInterfaceDeclaration"];
  return [...nodesOf(text)].filter(({ type }) => kinds.includes(type)).map(({ id }) => id!.name);
}

/** Colours that are written out, in a style sheet or in code. */
function coloursOf({ text }: SourceText): string[] {
  return text.match(/#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b|\b(?:rgba?|hsla?)\(\s*\d[^)]*\)/gi) ?? [];
}

function lineCount(files: SourceText[]): number {
  return files.reduce((sum, { text }) => sum + text.trimEnd().split("\n").length, 0);
}

const SOURCES = read("src", [".ts"]);

describe("the readers of the rules", () => {
  const sample = (text: string) => ({ path: "sample.ts", text });

  test("measure functions, methods and arrow functions with what is nested in them", () => {
    const body = "\n  g();".repeat(70);
    const method = `class A {\n  private x = 1;\n  m(): void {${body}\n  }\n}`;
    const nested = `function outer() {\n  const inner = () => {${body}\n  };\n}`;
    expect(functionsOf(sample(method))).toEqual([{ place: "sample.ts:3", lines: 72 }]);
    expect(functionsOf(sample(nested)).map(({ lines }) => lines).sort()).toEqual([72, 74]);
  });

  test("find classes and interfaces, exported or not", () => {
    expect(namesOf(sample("export interface B<T> { t: T }\nclass A {}\ntype C = A;\nexport class D {}")).sort()).toEqual(["A", "B", "D"]);
  });

  test("find colours, but no references and no entities", () => {
    expect(coloursOf(sample(`a { color: #fff; b: rgb(1, 2, 3); fill: url(#pale) } "#12ab34" "&#39;" rgb(colour) --x: var(--text)`))).toEqual([
      "#fff", "rgb(1, 2, 3)", "#12ab34",
    ]);
  });
});

describe("the sources", () => {
  test(`have no function of more than ${LONGEST_FUNCTION} lines`, () => {
    const functions = SOURCES.flatMap(functionsOf);
    expect(functions.length).toBeGreaterThan(300);
    expect(functions.filter(({ lines }) => lines > LONGEST_FUNCTION)).toEqual([]);
  });

  test("give every class and interface a name of its own", () => {
    const names = SOURCES.flatMap(namesOf);
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  });

  test("write out no colour: all are in the palette", () => {
    const written = read("src", [".ts", ".css"]).flatMap((file) => coloursOf(file).map((colour) => `${file.path}: ${colour}`));
    expect(written).toEqual([]);
  });

  test(`have ${LEAST_TESTS} lines of tests per line`, () => {
    expect(lineCount(read("tests", [".ts"])) / lineCount(SOURCES)).toBeGreaterThanOrEqual(LEAST_TESTS);
  });
});
