// @vitest-environment jsdom

import { beforeEach, describe, expect, test, vi } from "vitest";
import { leavePages } from "../fake"; // first, so that it hears of all that listens
import { startAudit } from "../../src/audit";

const PAGE = `
<form data-table="errors" hidden>
  <input type="search"><select name="prediction"><option value="">all</option><option>good</option><option>bad</option></select>
  <output></output>
</form>
<table id="errors" class="table sortable">
  <thead><tr><th>text</th><th>share</th></tr></thead>
  <tbody>
    <tr data-prediction="good"><td><details><summary>b film</summary>more</details></td><td data-value="0.5">50%</td></tr>
    <tr data-prediction="bad"><td>a film</td><td data-value="0.9">90%</td></tr>
    <tr data-prediction="good"><td>c play</td><td data-value="nan"></td></tr>
    <tr data-prediction="bad"><td>d play</td><td data-value="0.1">10%</td></tr>
  </tbody>
</table>`;

const rows = () => [...document.querySelectorAll<HTMLTableRowElement>("tbody tr")];
const shown = () => rows().filter((row) => !row.hidden).map((row) => (row.querySelector("summary") ?? row.cells[0]!).textContent);
const press = (column: number) => document.querySelectorAll<HTMLButtonElement>("th button")[column]!.click();

beforeEach(() => {
  leavePages();
  history.replaceState(null, "", "#");
  Element.prototype.scrollIntoView = vi.fn();
  document.body.innerHTML = PAGE;
  startAudit();
});

describe("sorting", () => {
  test("by numbers, the largest first, then the smallest; what is no number comes last", () => {
    press(1);
    expect(shown()).toEqual(["a film", "b film", "d play", "c play"]);
    press(1);
    expect(shown()).toEqual(["c play", "d play", "b film", "a film"]);
  });

  test("by texts", () => {
    press(0);
    press(0);
    expect(shown()).toEqual(["a film", "b film", "c play", "d play"]);
  });

  test("the sorted column says so, and only that one", () => {
    const heads = [...document.querySelectorAll("th")];
    press(0);
    press(1);
    expect(heads.map((head) => head.ariaSort)).toEqual([null, "descending"]);
    press(1);
    expect(heads[1]!.ariaSort).toBe("ascending");
  });
});

describe("filtering", () => {
  const form = () => document.querySelector("form")!;
  const type = (text: string) => {
    form().querySelector("input")!.value = text;
    form().dispatchEvent(new Event("input"));
  };
  const choose = (value: string) => {
    form().querySelector("select")!.value = value;
    form().dispatchEvent(new Event("input"));
  };

  test("the form is shown, with the number of rows", () => {
    expect(form().hidden).toBe(false);
    expect(form().querySelector("output")!.textContent).toBe("4 of 4");
  });

  test("by what is typed, in any case, and by what is chosen", () => {
    type("FILM");
    expect(shown()).toEqual(["b film", "a film"]);
    choose("bad");
    expect(shown()).toEqual(["a film"]);
    expect(form().querySelector("output")!.textContent).toBe("1 of 4");
    type("");
    expect(shown()).toEqual(["a film", "d play"]);
  });

  test("rows stay hidden when the table is sorted", () => {
    type("play");
    press(1);
    expect(shown()).toEqual(["d play", "c play"]);
  });

  test("a form that is submitted does not leave the page", () => {
    const event = new Event("submit", { cancelable: true });
    form().dispatchEvent(event);
    expect(event.defaultPrevented).toBe(true);
  });
});

describe("the address", () => {
  const open = (fragment: string) => {
    location.hash = fragment;
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  };
  const details = () => document.querySelector("details")!;

  test("sorts, filters and opens a row", () => {
    open("table=errors&sort=share&order=ascending&filter=film&prediction=good&row=0");
    expect(shown()).toEqual(["b film"]);
    expect(rows().map((row) => row.cells[1]!.textContent)).toEqual(["", "10%", "50%", "90%"]);
    expect(details().open).toBe(true);
    expect(document.querySelector("output")!.textContent).toBe("1 of 4");
    expect(Element.prototype.scrollIntoView).toHaveBeenCalled();
  });

  test("is complete: what it does not name is as written", () => {
    open("table=errors&sort=share&filter=film&prediction=bad");
    open("table=errors&row=0");
    expect(shown()).toEqual(["b film", "a film", "c play", "d play"]);
    expect(document.querySelector("[aria-sort]")).toBeNull();
  });

  test("closes the row that was open and is not named", () => {
    open("table=errors&row=0");
    open("table=errors&filter=film");
    expect(details().open).toBe(false);
    details().dispatchEvent(new Event("toggle"));
    expect(location.hash).toBe("#table=errors&filter=film");
  });

  test("holds what it said, where it named more than is there", () => {
    open("table=errors&row=77&sort=share");
    expect(location.hash).toBe("#table=errors&sort=share");
    open("errors");
    expect(location.hash).toBe("#errors");
  });

  test("may name what is not there", () => {
    open("table=errors&sort=nothing&prediction=%E0%A4%A&row=77");
    open("table=other&filter=film");
    open("table=errors&row=1");
    expect(shown()).toHaveLength(4);
    expect(details().open).toBe(false);
  });

  test("follows the table that was changed last", () => {
    vi.useFakeTimers();
    press(1);
    press(1);
    const search = document.querySelector("input")!;
    search.value = "a & b";
    document.querySelector("form")!.dispatchEvent(new Event("input"));
    details().open = true;
    details().dispatchEvent(new Event("toggle"));
    vi.runAllTimers();
    vi.useRealTimers();
    expect(location.hash).toBe("#table=errors&sort=share&order=ascending&filter=a%20%26%20b&row=0");
  });
});
