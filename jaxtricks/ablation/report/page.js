// A click on the head of a column sorts the table by it, another click the other way round, a third restores the order.
for (const table of document.querySelectorAll("table.cards")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const text = (row, column) => {
    const cell = row.cells[column];
    return (cell.querySelector("div")?.firstChild ?? cell.firstChild ?? cell).textContent.trim();
  };
  const number = (words) => parseFloat(words.replace("\u2212", "-").replace(/[^\d.eE+-]/g, ""));
  const compare = (column, sign) => (a, b) => {
    const [x, y] = [text(a, column), text(b, column)];
    const [p, q] = [number(x), number(y)];
    if (Number.isNaN(p) !== Number.isNaN(q)) return Number.isNaN(p) ? 1 : -1; // a dash stays below
    return sign * (Number.isNaN(p) ? x.localeCompare(y) : p - q);
  };
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const sort = () => {
      const state = { none: "descending", descending: "ascending", ascending: "none" }[head.ariaSort ?? "none"];
      for (const other of head.parentNode.cells) other.ariaSort = "none";
      head.ariaSort = state;
      const sign = state === "descending" ? -1 : 1;
      body.append(...(state === "none" ? rows : rows.slice().sort(compare(column, sign))));
    };
    head.tabIndex = 0;
    head.ariaSort = "none";
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
