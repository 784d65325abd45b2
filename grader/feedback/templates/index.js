"use strict";
// Sorting and a filter for the table of students; everything is there without it.
document.documentElement.classList.add("scripted");
for (const table of document.querySelectorAll("table.students")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const language = table.closest("[lang]").lang;
  table.querySelectorAll("th[data-sort]").forEach((header) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = header.dataset.sort;
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const column = header.cellIndex;
      const numeric = header.classList.contains("n");
      const key = (row) => numeric ? Number(row.cells[column].dataset.value) : row.cells[column].dataset.value;
      const order = numeric ? (a, b) => a - b : new Intl.Collator(language, { numeric: true }).compare;
      const keyed = rows.map((row) => [key(row), row]).sort((a, b) => order(a[0], b[0]));
      rows.splice(0, rows.length, ...keyed.map((pair) => pair[1]));
      if (down) rows.reverse();
      body.append(...rows);
    });
  });
  const field = table.closest("section").querySelector(".filter input");
  const count = table.closest("section").querySelector(".filter output");
  const digits = (text) => text.replace(/[۰-۹٠-٩]/g, (d) => "0123456789"[(d.charCodeAt(0) - (d >= "۰" ? 0x6f0 : 0x660))]);
  field.addEventListener("input", () => {
    const wanted = digits(field.value.trim().toLowerCase());
    let shown = 0;
    for (const row of rows) {
      row.hidden = !digits(row.cells[0].dataset.value.toLowerCase()).includes(wanted);
      shown += !row.hidden;
    }
    const number = (n) => n.toLocaleString(language, { useGrouping: false });
    count.textContent = wanted ? count.dataset.shown.replace("{count}", number(shown)).replace("{total}", number(rows.length)) : "";
  });
}
