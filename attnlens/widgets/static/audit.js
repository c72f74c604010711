// Generated from widgets/src/audit/ by `npm run build`; do not edit. Sources: sha256 78f7fe1bdbe9f7fa6a7892cf155b105e20af831055d7be2f17c200a7c2b1406f

// src/audit/index.ts
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.ariaSort !== "descending";
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = descending ? "descending" : "ascending";
      sortRows(table.tBodies[0], column, descending);
    });
  });
}
function sortRows(body, column, descending) {
  const sign = descending ? -1 : 1;
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
  rows.sort((a, b) => sign * compareValues(a.value, b.value));
  body.append(...rows.map(({ row }) => row));
}
function valueOf(cell) {
  const written = cell.dataset["value"];
  return written === void 0 ? shownText(cell) : Number(written);
}
function shownText(cell) {
  return (cell.querySelector("summary") ?? cell).textContent.trim();
}
function compareValues(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a - b;
}
function makeFilter(form, table) {
  const output = form.querySelector("output");
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
  const apply = () => {
    const typed = form.querySelector("input").value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of rows) {
      const fits = chosen.every(({ name, value }) => row.dataset[name] === value);
      row.hidden = !fits || !texts.get(row).includes(typed);
    }
    output.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
function startAudit(root = document) {
  for (const table of root.querySelectorAll("table.sortable")) makeSortable(table);
  for (const form of root.querySelectorAll("form[data-table]"))
    makeFilter(form, root.getElementById(form.dataset["table"]));
}
startAudit();
export {
  makeFilter,
  makeSortable,
  startAudit
};
