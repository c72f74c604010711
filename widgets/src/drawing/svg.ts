// Pictures as SVG text, for downloads.

/** An SVG picture: its size, the attributes of its root, and its elements. */
export interface SvgPicture {
  width: number;
  height: number;
  /** Fonts and colours that its elements inherit. */
  attributes: string;
  body: string;
}

/** Text for attributes and elements of SVG and HTML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

/** A picture as a document on a background. */
export function svgDocument({ width, height, attributes, body }: SvgPicture, background: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${attributes}>` +
    `<rect width="100%" height="100%" fill="${background}"/>${body}</svg>`
  );
}

/** A picture at a place within another one. */
export function svgInset({ width, height, attributes, body }: SvgPicture, x: number, y: number): string {
  return `<svg x="${x}" y="${y}" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${attributes}>${body}</svg>`;
}
