// The script of an audit's page: its tables sort by a click on a column's name, and filter by what is typed or chosen.
//
// Without scripts the page shows every row in the order in which Python wrote them.

/** Sorts by a column on each press of its name: the largest first, then the smallest. */
export function makeSortable(table: HTMLTableElement): void {
  const heads = [...table.tHead!.rows[0]!.cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.ariaSort !== "descending";
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = descending ? "descending" : "ascending";
      sortRows(table.tBodies[0]!, column, descending);
    });
  });
}

function sortRows(body: HTMLTableSectionElement, column: number, descending: boolean): void {
  const sign = descending ? -1 : 1;
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]!) }));
  rows.sort((a, b) => sign * compareValues(a.value, b.value));
  body.append(...rows.map(({ row }) => row));
}

/** A cell's number where Python wrote one, else its text. */
function valueOf(cell: HTMLTableCellElement): number | string {
  const written = cell.dataset["value"];
  return written === undefined ? shownText(cell) : Number(written);
}

/** What a cell shows while its explanation is closed. */
function shownText(cell: HTMLTableCellElement): string {
  return (cell.querySelector("summary") ?? cell).textContent!.trim();
}

/** Numbers by size, texts by the alphabet; what is no number comes last in a descending order. */
function compareValues(a: number | string, b: number | string): number {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a - b;
}

/** Shows the rows that hold what is typed and have what is chosen, and says how many there are. */
export function makeFilter(form: HTMLFormElement, table: HTMLTableElement): void {
  const output = form.querySelector("output")!;
  const rows = [...table.tBodies[0]!.rows];
  const texts = new Map(rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
  const apply = () => {
    const typed = form.querySelector("input")!.value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of rows) {
      const fits = chosen.every(({ name, value }) => row.dataset[name] === value);
      row.hidden = !fits || !texts.get(row)!.includes(typed);
    }
    output.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}

export function startAudit(root: Document = document): void {
  for (const table of root.querySelectorAll<HTMLTableElement>("table.sortable")) makeSortable(table);
  for (const form of root.querySelectorAll<HTMLFormElement>("form[data-table]"))
    makeFilter(form, root.getElementById(form.dataset["table"]!) as HTMLTableElement);
}

startAudit();
