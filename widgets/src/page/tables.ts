// Tables that sort by a click on a column's name, filter by what is typed or chosen, and stand in the page's address:
//
//   #table=errors&sort=probability&filter=film&row=12     the largest first; row 12 of the table as written is open
//   #table=slices&sort=accuracy&order=ascending
//
// Without scripts a page shows every row in the order in which Python wrote them.

import { h } from "../ui/dom";
import type { KeptPart, PageAddress } from "./fragment";

/** A sorted column, and whether the largest value is first. */
interface TableOrder {
  column: number;
  descending: boolean;
}

export class SortableTable {
  /** The rows in the order in which they were written. */
  private readonly rows: HTMLTableRowElement[];
  private readonly heads: HTMLTableCellElement[];
  /** Of the columns, in an address; of equal ones the later have their number. */
  private readonly names: string[];
  private order: TableOrder | null = null;
  private opened = -1;
  private readonly texts: Map<HTMLTableRowElement, string>;

  /** changed: calls back after a change by the reader */
  constructor(
    readonly table: HTMLTableElement,
    private readonly form: HTMLFormElement | null = null,
    private readonly changed: () => void = () => {},
  ) {
    this.rows = [...table.tBodies[0]!.rows];
    this.heads = [...table.tHead!.rows[0]!.cells];
    const names = this.heads.map((head) => (head.textContent!.split(",")[0]!.match(/\w+/g) ?? []).join("_"));
    this.names = names.map((name, n) => (names.indexOf(name) === n ? name : `${name}_${n}`));
    this.texts = new Map(this.rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
    this.heads.forEach((head, column) => {
      if (new Set(this.rows.map((row) => valueOf(row.cells[column]!))).size > 1) this.makeHead(head, column);
    });
    if (form) this.makeForm(form);
    table.addEventListener("toggle", ({ target }) => this.toggled(target as HTMLDetailsElement), true);
  }

  private makeHead(head: HTMLTableCellElement, column: number): void {
    const press = () => {
      this.sort({ column, descending: head.ariaSort !== "descending" });
      this.changed();
    };
    head.append(h("button", { type: "button", onclick: press }, ...head.childNodes));
  }

  private makeForm(form: HTMLFormElement): void {
    form.addEventListener("input", () => {
      this.filter();
      this.changed();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    this.filter();
  }

  /** Sorts by a column; null for the order as written. */
  private sort(order: TableOrder | null): void {
    this.order = order;
    this.heads.forEach((head, column) => {
      head.ariaSort = column !== order?.column ? null : order.descending ? "descending" : "ascending";
    });
    this.table.tBodies[0]!.append(...(order ? sortedRows(this.rows, order) : this.rows));
  }

  /** Shows the rows that hold what is typed and have what is chosen, and says how many there are. */
  private filter(): void {
    const form = this.form!;
    const typed = form.querySelector("input")!.value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of this.rows)
      row.hidden = !chosen.every(({ name, value }) => row.dataset[name] === value) || !this.texts.get(row)!.includes(typed);
    form.querySelector("output")!.textContent = `${this.rows.filter((row) => !row.hidden).length} of ${this.rows.length}`;
  }

  private toggled(details: HTMLDetailsElement): void {
    const row = this.rows.findIndex((one) => one.contains(details));
    if (details.open === (row === this.opened)) return;
    this.opened = details.open ? row : -1;
    this.changed();
  }

  /** What an address holds of the table. */
  values(): Record<string, string> {
    const { order, form } = this;
    return {
      table: this.table.id,
      sort: order ? this.names[order.column]! : "",
      order: order && !order.descending ? "ascending" : "",
      filter: form?.querySelector("input")!.value ?? "",
      ...Object.fromEntries([...(form?.querySelectorAll("select") ?? [])].map(({ name, value }) => [name, value])),
      row: this.opened < 0 ? "" : String(this.opened),
    };
  }

  /** Sorts, filters and opens a row as an address says, as far as that is there, and scrolls to it. */
  open(values: ReadonlyMap<string, string>): void {
    const column = this.names.indexOf(values.get("sort") ?? "");
    this.sort(column < 0 ? null : { column, descending: values.get("order") !== "ascending" });
    if (this.form) {
      this.form.querySelector("input")!.value = values.get("filter") ?? "";
      for (const list of this.form.querySelectorAll("select")) {
        const value = values.get(list.name);
        list.value = [...list.options].some((option) => option.value === value) ? value! : "";
      }
      this.filter();
    }
    const named = values.get("row") ?? "";
    const row = /^\d+$/.test(named) ? this.rows[Number(named)] : undefined;
    const details = row?.querySelector("details");
    const before = this.rows[this.opened];
    this.opened = details ? Number(named) : -1;
    if (before && before !== row) before.querySelector("details")!.open = false;
    if (details) details.open = true;
    (details && !row!.hidden ? row! : this.table.closest("section") ?? this.table).scrollIntoView();
  }
}

function sortedRows(rows: HTMLTableRowElement[], { column, descending }: TableOrder): HTMLTableRowElement[] {
  const sign = descending ? -1 : 1;
  const valued = rows.map((row) => ({ row, value: valueOf(row.cells[column]!) }));
  return valued.sort((a, b) => sign * compareValues(a.value, b.value)).map(({ row }) => row);
}

/** A cell's number where there is one, else its text. */
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

/** The tables of a page, of which its address keeps the one that was changed last. */
class PageTables implements KeptPart {
  private readonly tables: SortableTable[];
  private last: SortableTable | null = null;

  constructor(root: Document, changed: () => void) {
    this.tables = [...root.querySelectorAll<HTMLTableElement>("table.sortable[id]")].map((table) => {
      const form = root.querySelector<HTMLFormElement>(`form[data-table="${table.id}"]`);
      const made: SortableTable = new SortableTable(table, form, () => {
        this.last = made;
        changed();
      });
      return made;
    });
  }

  values(): Record<string, string> {
    return this.last?.values() ?? {};
  }

  open(values: ReadonlyMap<string, string>): void {
    const named = this.tables.find(({ table }) => table.id === values.get("table"));
    if (!named) return;
    this.last = named;
    named.open(values);
  }
}

export function startTables(root: Document, address: PageAddress): void {
  address.keep(new PageTables(root, address.writeSoon));
}
