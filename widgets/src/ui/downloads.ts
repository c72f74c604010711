// Buttons that save a view's picture.

import { h } from "./dom";

/** A document of SVG, its size, and the name of its file without an ending. */
export interface SavedPicture {
  document: string;
  width: number;
  height: number;
  file: string;
}

/** A button each for PNG, SVG and PDF. */
export function downloadButtons(picture: () => SavedPicture, failed: () => void): HTMLElement[] {
  const button = (kind: string, title: string, act: (picture: SavedPicture) => Promise<void>) => {
    const run = async () => act(picture());
    return h("button", { type: "button", className: "quiet", title, onclick: () => void run().catch(failed) }, kind);
  };
  return [
    button("PNG", "Save as PNG", async (saved) => save(await rasterize(saved), `${saved.file}.png`)),
    button("SVG", "Save as SVG", async (saved) => save(svgBlob(saved), `${saved.file}.svg`)),
    button("PDF", "Print on a page of its size, or save as PDF", print),
  ];
}

function svgBlob({ document }: SavedPicture): Blob {
  return new Blob([document], { type: "image/svg+xml" });
}

function save(blob: Blob, file: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** An image of the SVG while it is needed. */
async function withImage<T>(picture: SavedPicture, use: (image: HTMLImageElement) => T | Promise<T>): Promise<T> {
  const url = URL.createObjectURL(svgBlob(picture));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return await use(image);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The SVG at twice its size, sharp in print too. */
function rasterize(picture: SavedPicture): Promise<Blob> {
  return withImage(picture, (image) => {
    const canvas = h("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture")))),
    );
  });
}

/** Prints the SVG, as vectors, on one page of its size: the browser's dialog saves it as PDF. */
function print(picture: SavedPicture): Promise<void> {
  return withImage(picture, (image) => {
    const page = h("iframe", { title: picture.file, style: { position: "fixed", width: "0", height: "0", border: "0" } });
    document.body.append(page);
    try {
      const inside = page.contentWindow as (Window & typeof globalThis) | null;
      const sheet = new inside!.CSSStyleSheet();
      sheet.replaceSync(`@page { size: ${picture.width}px ${picture.height}px; margin: 0 } body { margin: 0 } img { display: block }`);
      inside!.document.adoptedStyleSheets = [sheet];
      inside!.document.title = picture.file;
      inside!.document.body.append(image);
      inside!.print(); // returns when the dialog is closed
    } finally {
      page.remove();
    }
  });
}
