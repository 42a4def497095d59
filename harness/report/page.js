"use strict";

// Sorting by any column: the better end first, then the other; what is missing stays last.
const table = document.getElementById("board");
const body = table.tBodies[0];
const headings = [...table.tHead.rows[0].cells];

const valueOf = (row, column) => row.cells[column].dataset.value;

function compare(a, b) {
  const difference = Number(a) - Number(b);
  return Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference;
}

function sortBy(column) {
  const heading = headings[column];
  const first = heading.dataset.first;
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  headings.forEach((h) => h.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [valueOf(a, column), valueOf(b, column)];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return sign * compare(x, y);
  });
  body.append(...rows);
}

headings.forEach((heading, column) => {
  heading.querySelector("button").addEventListener("click", () => sortBy(column));
});

// An arm under the pointer stands out in the table and in every figure.
function light(event, on) {
  const under = event.target.closest("[data-row]");
  if (!under) return;
  for (const mark of document.querySelectorAll(`[data-row="${under.dataset.row}"]`)) {
    mark.classList.toggle("lit", on);
  }
}
document.addEventListener("mouseover", (event) => light(event, true));
document.addEventListener("mouseout", (event) => light(event, false));

// Paper cannot be clicked: what is folded is printed.
window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
