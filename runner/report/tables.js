// Tables that are sorted, filtered and saved in the page. Without this script they stand as they are.
"use strict";
(() => {
  const NOTHING = /^[—\s]*$/;
  const NUMBER = /^[+-]?(\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const LEADING = /^[^\w.+-]*([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i;
  const FEW = 6;
  const words = new Intl.Collator("en", { numeric: true });

  const made = (tag, facts = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...inside);
    return element;
  };

  /** What a cell says, without footnotes and drawings. */
  const said = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("sup, svg").forEach((one) => one.remove());
    return copy.textContent.replace(/\s+/g, " ").trim();
  };

  /** By what a cell is sorted: an exact number where there is one, nothing, or its words. */
  const key = (cell) => {
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = said(cell);
    if (NOTHING.test(text)) return null;
    if (NUMBER.test(text)) return Number(text.replaceAll(",", ""));
    const leading = cell.classList.contains("number") && LEADING.exec(text);
    return leading ? Number(leading[1].replaceAll(",", "")) : text;
  };

  const compare = (one, other) => {
    const numbers = typeof one === "number" && typeof other === "number";
    return numbers ? one - other : words.compare(String(one), String(other));
  };

  /** Rows by one column; those that have nothing there come last, upwards as well as downwards. */
  const sorted = (rows, column, sign) => {
    const keyed = rows.map((row, place) => ({ row, place, key: key(row.cells[column]) }));
    keyed.sort((one, other) => {
      if ((one.key === null) !== (other.key === null)) return one.key === null ? 1 : -1;
      const by = one.key === null ? 0 : sign * compare(one.key, other.key);
      return by || one.place - other.place;
    });
    return keyed.map((one) => one.row);
  };

  /** A field of a CSV file. A spreadsheet must not take a text of a stranger for a formula. */
  const field = (cell) => {
    let text = cell.dataset.v ?? said(cell);
    if (NOTHING.test(text)) text = "";
    if (/^[=+@\t\r-]/.test(text) && !NUMBER.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  const csv = (table, rows) => {
    const heads = [...table.tHead.rows[0].cells];
    const shown = heads.flatMap((head, place) => ("drawn" in head.dataset ? [] : [place]));
    const fixed = table.tFoot ? [...table.tFoot.rows] : [];
    const line = (row) => shown.map((place) => field(row.cells[place])).join(",");
    return [table.tHead.rows[0], ...rows, ...fixed].map(line).join("\r\n") + "\r\n";
  };

  const save = (text, name) => {
    const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    const link = made("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  const equip = (frame, table) => {
    const label = frame.getAttribute("aria-label");
    const body = table.tBodies[0];
    const original = [...body.rows];
    let order = original;
    const visible = () => order.filter((row) => !row.hidden);
    const status = made("span", { className: "count" });
    status.setAttribute("role", "status");

    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if ("drawn" in head.dataset) return;
      const button = made("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        const next = { ascending: "descending", descending: null }[before];
        const way = before === null ? "ascending" : next;
        order = way ? sorted(original, column, way === "ascending" ? 1 : -1) : original;
        if (way) head.setAttribute("aria-sort", way);
        body.append(...order);
      });
    });

    const tools = made("div", { className: "tools" });
    if (original.length > FEW) {
      const input = made("input", { type: "search", autocomplete: "off", spellcheck: false });
      input.addEventListener("input", () => {
        const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        for (const row of original) {
          const text = row.textContent.toLowerCase();
          row.hidden = !wanted.every((word) => text.includes(word));
        }
        status.textContent = wanted.length ? `${visible().length} of ${original.length} rows` : "";
      });
      tools.append(made("label", {}, "Filter ", input), status);
    }
    const button = made("button", { type: "button" }, "CSV");
    button.setAttribute("aria-label", `Save as CSV: ${label}`);
    const name = label.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
    button.addEventListener("click", () => save(csv(table, visible()), `${name || "table"}.csv`));
    tools.append(button);
    frame.before(tools);
  };

  for (const frame of document.querySelectorAll(".scroll")) {
    const table = frame.querySelector("table");
    if (table && table.tBodies[0].rows.length > 1) equip(frame, table);
  }
})();
