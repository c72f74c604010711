// Generated from widgets/src/audit/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

// src/page/fragment.ts
var RESTING = 200;
function valuesOf(fragment) {
  const pairs = fragment.replace(/^#/, "").split("&").filter((part) => part.includes("="));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), decoded(pair.slice(pair.indexOf("=") + 1))]));
}
function fragmentOf(values) {
  const set = Object.entries(values).filter(([, value]) => value !== "");
  return set.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
}
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
function replaceFragment(fragment) {
  try {
    history.replaceState(history.state, "", `#${fragment}`);
  } catch {
  }
}
function resting(act) {
  let waiting;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, RESTING);
  };
}
var PageAddress = class {
  parts = [];
  constructor() {
    addEventListener("hashchange", () => {
      const values = valuesOf(location.hash);
      this.parts.forEach((part) => part.open(values));
      if (values.size > 0) this.write();
    });
  }
  /** Opens a part as the address says, and keeps it there from now on. */
  keep(part) {
    this.parts.push(part);
    part.open(valuesOf(location.hash));
  }
  write = () => replaceFragment(fragmentOf(Object.assign({}, ...this.parts.map((part) => part.values()))));
  writeSoon = resting(this.write);
};

// src/ui/dom.ts
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === void 0 || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && name !== "role" && name !== "list") element[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

// src/page/large_picture.ts
function openable(picture, caption) {
  return h("button", { type: "button", className: "opens", title: "Show large", onclick: () => showLarge(picture, caption) }, picture);
}
function showLarge(picture, caption) {
  const copy = picture.cloneNode(true);
  for (const element of copy.querySelectorAll("[id]")) element.removeAttribute("id");
  const dialog = h(
    "dialog",
    { "aria-label": caption, onclick: (event) => event.target === dialog && dialog.close(), onclose: () => dialog.remove() },
    copy,
    h("p", {}, h("span", { className: "small" }, caption), h("button", { type: "button", className: "button", onclick: () => dialog.close() }, "close"))
  );
  document.body.append(dialog);
  dialog.showModal();
}
function startPictures(root) {
  for (const picture of root.querySelectorAll("svg.picture")) {
    const place = h("span");
    picture.before(place);
    place.replaceWith(openable(picture, picture.getAttribute("aria-label") ?? ""));
  }
}

// src/page/tables.ts
var SortableTable = class {
  /** changed: calls back after a change by the reader */
  constructor(table, form = null, changed = () => {
  }) {
    this.table = table;
    this.form = form;
    this.changed = changed;
    this.rows = [...table.tBodies[0].rows];
    this.heads = [...table.tHead.rows[0].cells];
    const names = this.heads.map((head) => (head.textContent.split(",")[0].match(/\w+/g) ?? []).join("_"));
    this.names = names.map((name, n) => names.indexOf(name) === n ? name : `${name}_${n}`);
    this.texts = new Map(this.rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
    this.heads.forEach((head, column) => {
      if (new Set(this.rows.map((row) => valueOf(row.cells[column]))).size > 1) this.makeHead(head, column);
    });
    if (form) this.makeForm(form);
    table.addEventListener("toggle", ({ target }) => this.toggled(target), true);
  }
  table;
  form;
  changed;
  /** The rows in the order in which they were written. */
  rows;
  heads;
  /** Of the columns, in an address; of equal ones the later have their number. */
  names;
  order = null;
  opened = -1;
  texts;
  makeHead(head, column) {
    const press = () => {
      this.sort({ column, descending: head.ariaSort !== "descending" });
      this.changed();
    };
    head.append(h("button", { type: "button", onclick: press }, ...head.childNodes));
  }
  makeForm(form) {
    form.addEventListener("input", () => {
      this.filter();
      this.changed();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    this.filter();
  }
  /** Sorts by a column; null for the order as written. */
  sort(order) {
    this.order = order;
    this.heads.forEach((head, column) => {
      head.ariaSort = column !== order?.column ? null : order.descending ? "descending" : "ascending";
    });
    this.table.tBodies[0].append(...order ? sortedRows(this.rows, order) : this.rows);
  }
  /** Shows the rows that hold what is typed and have what is chosen, and says how many there are. */
  filter() {
    const form = this.form;
    const typed = form.querySelector("input").value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of this.rows)
      row.hidden = !chosen.every(({ name, value }) => row.dataset[name] === value) || !this.texts.get(row).includes(typed);
    form.querySelector("output").textContent = `${this.rows.filter((row) => !row.hidden).length} of ${this.rows.length}`;
  }
  toggled(details) {
    const row = this.rows.findIndex((one) => one.contains(details));
    if (details.open === (row === this.opened)) return;
    this.opened = details.open ? row : -1;
    this.changed();
  }
  /** What an address holds of the table. */
  values() {
    const { order, form } = this;
    return {
      table: this.table.id,
      sort: order ? this.names[order.column] : "",
      order: order && !order.descending ? "ascending" : "",
      filter: form?.querySelector("input").value ?? "",
      ...Object.fromEntries([...form?.querySelectorAll("select") ?? []].map(({ name, value }) => [name, value])),
      row: this.opened < 0 ? "" : String(this.opened)
    };
  }
  /** Sorts, filters and opens a row as an address says, as far as that is there, and scrolls to it. */
  open(values) {
    const column = this.names.indexOf(values.get("sort") ?? "");
    this.sort(column < 0 ? null : { column, descending: values.get("order") !== "ascending" });
    if (this.form) {
      this.form.querySelector("input").value = values.get("filter") ?? "";
      for (const list of this.form.querySelectorAll("select")) {
        const value = values.get(list.name);
        list.value = [...list.options].some((option) => option.value === value) ? value : "";
      }
      this.filter();
    }
    const named = values.get("row") ?? "";
    const row = /^\d+$/.test(named) ? this.rows[Number(named)] : void 0;
    const details = row?.querySelector("details");
    const before = this.rows[this.opened];
    this.opened = details ? Number(named) : -1;
    if (before && before !== row) before.querySelector("details").open = false;
    if (details) details.open = true;
    (details && !row.hidden ? row : this.table.closest("section") ?? this.table).scrollIntoView();
  }
};
function sortedRows(rows, { column, descending }) {
  const sign = descending ? -1 : 1;
  const valued = rows.map((row) => ({ row, value: valueOf(row.cells[column]) }));
  return valued.sort((a, b) => sign * compareValues(a.value, b.value)).map(({ row }) => row);
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
var PageTables = class {
  tables;
  last = null;
  constructor(root, changed) {
    this.tables = [...root.querySelectorAll("table.sortable[id]")].map((table) => {
      const form = root.querySelector(`form[data-table="${table.id}"]`);
      const made = new SortableTable(table, form, () => {
        this.last = made;
        changed();
      });
      return made;
    });
  }
  values() {
    return this.last?.values() ?? {};
  }
  open(values) {
    const named = this.tables.find(({ table }) => table.id === values.get("table"));
    if (!named) return;
    this.last = named;
    named.open(values);
  }
};
function startTables(root, address) {
  address.keep(new PageTables(root, address.writeSoon));
}

// src/audit/index.ts
function startAudit(root = document) {
  startPictures(root);
  startTables(root, new PageAddress());
}
startAudit();
export {
  startAudit
};
