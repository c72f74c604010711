// Builds one bundle for each view into the Python package: src/heads/ -> attnlens/widgets/static/heads.js.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../attnlens/widgets/static");
const palette = join(here, "../attnlens/palette.json");
const VIEWS = ["heads", "attention", "tokens", "patches", "compare", "report", "audit", "head_pages"];

/** Hashes everything that a bundle depends on; tests/widgets/test_bundles.py computes the same in Python. */
function fingerprint() {
  const sources = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash("sha256");
  for (const path of [...sources.sort(), join(here, "build.mjs"), join(here, "package-lock.json"), palette])
    hash.update(readFileSync(path, "utf8").replaceAll("\r\n", "\n"));
  return hash.digest("hex");
}

/** A module whose name ends in ?code is bundled on its own, as a text: the code of a worker. */
const code = {
  name: "code",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\?code$/ }, ({ path, resolveDir }) => ({ path, namespace: "code", pluginData: join(resolveDir, path.replace("?code", ".ts")) }));
    onLoad({ filter: /./, namespace: "code" }, async ({ pluginData: entry }) => {
      const { outputFiles } = await build({ ...OPTIONS, entryPoints: [entry], format: "iife", write: false });
      return { contents: outputFiles[0].text, loader: "text" };
    });
  },
};

const OPTIONS = { bundle: true, target: "es2022", charset: "utf8", legalComments: "inline", logLevel: "warning" };
const sha = fingerprint();
mkdirSync(out, { recursive: true });
for (const name of VIEWS)
  await build({
    entryPoints: [join(here, "src", name, "index.ts")],
    outfile: join(out, `${name}.js`),
    ...OPTIONS,
    format: "esm",
    loader: { ".css": "text" },
    plugins: [code],
    banner: {
      js: `// Generated from widgets/src/${name}/ by \`npm run build\`; do not edit. Sources: sha256 ${sha}`,
    },
  });
