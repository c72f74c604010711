// What BertViz's scripts call their params, unpacked from a page's data: weights (none below zero) come as base64 of float16,
// queries and keys of float32, little-endian, each written once; the filters of a pair are cut out of the whole.
(data) => {
  const bytes = (text) => {
    const packed = atob(text);
    const found = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) found[i] = packed.charCodeAt(i);
    return found.buffer;
  };
  const half = (bits) => {
    const exponent = bits >> 10;
    const fraction = bits & 1023;
    return exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24;
  };
  const halves = (text) => Array.from(new Uint16Array(bytes(text)), half);
  const floats = (text) => Array.from(new Float32Array(bytes(text)));
  const nested = (numbers, [count, ...inner], at = 0, size = numbers.length) => {
    const step = size / count;
    return inner.length
      ? Array.from({ length: count }, (_, i) => nested(numbers, inner, at + i * step, step))
      : numbers.slice(at, at + count);
  };

  const unpacked = ({ name, left, right, shape, weights, queries, keys, d_head }) => {
    const [layers, heads, rows, columns] = shape;
    return {
      name,
      left_text: left,
      right_text: right,
      attn: nested(halves(weights), shape),
      queries: queries && nested(floats(queries), [layers, heads, rows, d_head]),
      keys: keys && nested(floats(keys), [layers, heads, columns, d_head]),
    };
  };
  const chosen = (list, positions) => positions.map((i) => list[i]);
  const each = (layers, change) => layers && layers.map((heads) => heads.map(change));
  const cut = (part, name, rows, columns) => ({
    name,
    left_text: chosen(part.left_text, rows),
    right_text: chosen(part.right_text, columns),
    attn: each(part.attn, (head) => chosen(head, rows).map((row) => chosen(row, columns))),
    queries: each(part.queries, (head) => chosen(head, rows)),
    keys: each(part.keys, (head) => chosen(head, columns)),
  });

  const attention = data.parts.map(unpacked);
  for (const [name, left, right] of data.pairs)
    attention.push(cut(attention[0], name, data.segments[left], data.segments[right]));
  // Where one side has fewer layers than the other, the head view shows tokens without lines.
  if (data.fill) for (const { attn } of attention) while (attn.length < data.fill) attn.push([]);
  return { ...data.params, attention, default_filter: "0" };
}
