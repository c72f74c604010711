// Bytes as a report's page holds them: in text, seven bits to a character.

const DAMAGED = "This report is damaged: part of it was changed or cut off. Create or fetch it again.";

/** How much higher the characters stand that HTML would change or interpret (NUL, line feed, carriage return, <). */
const RAISED = 192;

/** Decodes eight characters to seven bytes. */
export function unpackText(text: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((text.length / 8) * 7);
  const digit = (at: number) => {
    const code = text.charCodeAt(at);
    return code < 128 ? code : code - RAISED;
  };
  let to = 0;
  for (let at = 0; at < text.length; at += 8) {
    let left = digit(at);
    for (let n = 1; n < 8; n++) {
      const next = digit(at + n);
      out[to++] = (left << n) | (next >> (7 - n));
      left = next;
    }
  }
  return out;
}

/** Interleaves all low bytes, which come first, with all high ones. */
export function interleaveBytes(planes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(planes.length);
  const half = Math.ceil(planes.length / 2);
  for (let i = 0; i < half; i++) out[2 * i] = planes[i]!;
  for (let i = half, to = 1; i < planes.length; i++, to += 2) out[to] = planes[i]!;
  return out;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes that an element holds: `data-bytes` of them, `data-deflated` where they are compressed. */
export async function bytesOfElement(element: HTMLElement): Promise<DataView> {
  const text = element.textContent ?? "";
  const { deflated, bytes } = element.dataset;
  const count = Number(bytes);
  if (text.length % 8 !== 0) throw new Error(DAMAGED);
  const packed = unpackText(text);
  const planes = deflated
    ? await inflate(packed.subarray(0, Number(deflated))).catch(() => { throw new Error(DAMAGED); })
    : packed.subarray(0, count);
  if (planes.length !== count) throw new Error(DAMAGED);
  return new DataView(interleaveBytes(planes).buffer);
}
