// Buttons that save a view's picture.

import { h } from "./dom";

/** A button for PNG and one for SVG; `picture` returns a document of SVG. */
export function downloadButtons(name: string, picture: () => string, failed: () => void): HTMLElement[] {
  const file = `attnlens-${name.toLowerCase().replaceAll(" ", "-")}`;
  const button = (kind: string, convert: (svg: string) => Blob | Promise<Blob>) => {
    const act = async () => save(await convert(picture()), `${file}.${kind.toLowerCase()}`);
    const onclick = () => void act().catch(failed);
    return h("button", { type: "button", className: "quiet", title: `Save as ${kind}`, onclick }, kind);
  };
  return [button("PNG", rasterize), button("SVG", svgBlob)];
}

function svgBlob(svg: string): Blob {
  return new Blob([svg], { type: "image/svg+xml" });
}

function save(blob: Blob, file: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The SVG at twice its size, sharp in print too. */
async function rasterize(svg: string): Promise<Blob> {
  const url = URL.createObjectURL(svgBlob(svg));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture")))),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
