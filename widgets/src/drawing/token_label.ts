// A token as it is shown: invisible characters get a visible sign, long tokens are truncated.

const SIGNS: Record<string, string> = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽" };
const LONGEST = 40;

/** Control characters, and those that change the direction of writing, which would garble the text around them. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A joiner between two pictographs makes them one: a family, a flag, a profession. */
const JOINER = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})/gu;

/** A label of at most `longest` characters; "∅" for an empty token. */
export function tokenLabel(text: string, longest = LONGEST): string {
  const start = text.slice(0, longest * 2);
  const seen = start.trim() === "" ? start.replace(/[ \u00a0]/g, (c) => SIGNS[c]!) : start;
  const joined = new Set([...seen.matchAll(JOINER)].map(({ index }) => index));
  const sign = (c: string) => SIGNS[c] ?? (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : `‹${c.charCodeAt(0).toString(16)}›`);
  const clear = seen.replace(UNSEEN, (c, at: number) => (joined.has(at) ? c : sign(c)));
  const letters = [...clear];
  const cut = letters.length > longest || start.length < text.length;
  return cut ? `${letters.slice(0, longest - 1).join("")}…` : clear || "∅";
}

/** Letters of East Asian scripts and pictographs, twice as wide as others; and what is drawn on the letter before it. */
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const MARK = /[\p{Mn}\p{Me}\u200d]|\p{Emoji_Modifier}/u;

/** One of the two signs that make a flag. */
const FLAG = /\p{Regional_Indicator}/u;

/** How wide a text is, in letters. */
export function lettersWide(text: string): number {
  return [...text].reduce((sum, letter) => sum + (MARK.test(letter) ? 0 : FLAG.test(letter) ? 1 : WIDE.test(letter) ? 2 : 1), 0);
}
