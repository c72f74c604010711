import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["tests/**/*.test.ts"] },
  plugins: [
    {
      // As the build does: a style sheet is a text.
      name: "css-as-text",
      enforce: "pre",
      async load(id) {
        if (!id.endsWith(".css")) return null;
        const { readFile } = await import("node:fs/promises");
        return `export default ${JSON.stringify(await readFile(id, "utf8"))}`;
      },
    },
  ],
});
