"use strict";
// Turns the heads of tables marked data-sortable into buttons. A cell without a value stays last.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const said = document.getElementById(table.dataset.sortable);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    const name = head.textContent.trim();
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const other = { ascending: "descending", descending: "ascending" };
      const way = other[now] || head.dataset.first;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way);
      const rows = Array.from(body.rows);
      rows.sort((one, two) => compare(one.cells[column], two.cells[column], way === "ascending"));
      body.append(...rows);
      said.textContent = `Sorted by ${name}, ${way}.`;
    });
  });
}
function compare(one, two, up) {
  const [a, b] = [one.dataset.value, two.dataset.value];
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  return up ? order : -order;
}
