// Conveniences of a list; everything works without them.
// 全選 for the ticked rows, and 每頁 that answers a click at once (by keyboard, Go does it: an
// arrow key changes a closed drop-down, and must not load a page each time).
const all = document.getElementById("pick-all");
const boxes = [...document.querySelectorAll('input[name="ids"]')];
const ticked = document.getElementById("ticked");

function count() {
  const number = boxes.filter((box) => box.checked).length;
  ticked.textContent = number ? `已勾選 ${number} 筆` : "";
  all.checked = number > 0 && number === boxes.length;
  all.indeterminate = number > 0 && number < boxes.length;
}

if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    boxes.forEach((box) => { box.checked = all.checked; });
    count();
  });
  boxes.forEach((box) => box.addEventListener("change", count));
  count();
}

for (const select of document.querySelectorAll('select[name="per_page"]')) {
  let byPointer = false;
  select.addEventListener("pointerdown", () => { byPointer = true; });
  select.addEventListener("keydown", () => { byPointer = false; });
  select.addEventListener("change", () => { if (byPointer) select.form.requestSubmit(); });
}

// One menu open at a time; Escape or a click elsewhere closes it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
