import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defineConfig } from "vitest/config";

const PREFIX = "\0style-sheet:";

export default defineConfig({
  test: { include: ["tests/**/*.test.ts"] },
  plugins: [
    {
      // A style sheet is a text, as in the build; under its own name Vite would process it.
      name: "css-as-text",
      enforce: "pre",
      resolveId: (source, importer) => (source.endsWith(".css") ? `${PREFIX}${join(dirname(importer!), source)}.js` : null),
      async load(id) {
        if (!id.startsWith(PREFIX)) return null;
        return `export default ${JSON.stringify(await readFile(id.slice(PREFIX.length, -3), "utf8"))}`;
      },
    },
    {
      // A worker's code is a text, as in the build; jsdom has no workers that would run it.
      name: "code-as-text",
      enforce: "pre",
      resolveId: (source) => (source.endsWith("?code") ? `\0${source}` : null),
      load: (id) => (id.endsWith("?code") ? 'export default ""' : null),
    },
  ],
});
