// A field for ROC dates: takes 115-01-01, 1150101 and 115/1/1, shows 115-01-01, and opens a
// calendar in ROC years. Without this script the field is plain text, and the server reads it.
const OFFSET = 1911;
const two = (number) => String(number).padStart(2, "0");
const written = (day) => `${two(day.getFullYear() - OFFSET)}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;

function read(text) {
  const parts = /^\s*(\d{2,3})([-/.])(\d{1,2})\2(\d{1,2})\s*$/.exec(text) || /^\s*(\d{2,3})()(\d{2})(\d{2})\s*$/.exec(text);
  if (!parts) return null;
  const day = new Date(Number(parts[1]) + OFFSET, parts[3] - 1, parts[4]);
  return day.getMonth() === parts[3] - 1 ? day : null;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function enhance(input) {
  const open = element("button", { type: "button", className: "second", textContent: "▾", ariaLabel: `${input.labels[0].textContent}：選日期`, ariaExpanded: "false" });
  const field = element("span", { className: "datefield" });
  input.replaceWith(field);
  field.append(input, open);
  input.addEventListener("change", () => {
    const day = read(input.value);
    if (day) input.value = written(day);
  });

  let calendar = null;
  let shown;
  const close = (back) => {
    calendar?.remove();
    calendar = null;
    open.ariaExpanded = "false";
    if (back) open.focus();
  };
  const draw = () => {
    const chosen = read(input.value);
    const year = element("select", { ariaLabel: "年" });
    const thisYear = new Date().getFullYear();
    for (let one = thisYear + 1; one >= Math.min(thisYear - 12, shown.getFullYear()); one -= 1) {
      year.append(element("option", { value: one, textContent: `${one - OFFSET} 年`, selected: one === shown.getFullYear() }));
    }
    year.addEventListener("change", () => go(new Date(year.value, shown.getMonth(), 1), "select"));
    const step = (months, label, text) => element("button", { type: "button", className: "second", ariaLabel: label, textContent: text, onclick: () => go(new Date(shown.getFullYear(), shown.getMonth() + months, 1), `[aria-label=${label}]`) });
    const head = element("div", { className: "line" }, step(-1, "上個月", "‹"), year, element("b", { textContent: `${shown.getMonth() + 1} 月` }), step(1, "下個月", "›"));
    const week = element("tr", {}, ...["日", "一", "二", "三", "四", "五", "六"].map((name) => element("th", { scope: "col", textContent: name })));
    const body = element("tbody");
    const first = new Date(shown.getFullYear(), shown.getMonth(), 1);
    const last = new Date(shown.getFullYear(), shown.getMonth() + 1, 0).getDate();
    let row;
    for (let number = 1 - first.getDay(); number <= last; number += 1) {
      const day = new Date(shown.getFullYear(), shown.getMonth(), number);
      if (day.getDay() === 0) body.append(row = element("tr"));
      row.append(element("td", {}, ...(number < 1 ? [] : [element("button", {
        type: "button", textContent: number, ariaLabel: written(day), ariaPressed: String(chosen?.getTime() === day.getTime()),
        tabIndex: number === shown.getDate() ? 0 : -1,
        onclick: () => { input.value = written(day); input.dispatchEvent(new Event("change")); close(true); },
      })])));
    }
    calendar.replaceChildren(head, element("table", {}, element("thead", {}, week), body));
  };
  const go = (day, focus = "td [tabindex='0']") => {
    shown = day;
    draw();
    calendar.querySelector(focus)?.focus();
  };
  open.addEventListener("click", () => {
    if (calendar) { close(true); return; }
    calendar = element("div", { className: "calendar", role: "dialog", ariaLabel: "選日期" });
    calendar.addEventListener("keydown", (event) => {
      const days = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
      if (event.key === "Escape") close(true);
      else if (days && event.target.closest("td")) go(new Date(shown.getFullYear(), shown.getMonth(), Number(event.target.textContent) + days));
      else return;
      event.preventDefault();
    });
    field.append(calendar);
    calendar.style.top = `${input.offsetHeight + 4}px`;
    calendar.style.left = `${Math.min(0, document.documentElement.clientWidth - field.getBoundingClientRect().left - 300)}px`;
    open.ariaExpanded = "true";
    go(read(input.value) ?? new Date());
  });
  document.addEventListener("click", (event) => {
    if (calendar && event.target.isConnected && !field.contains(event.target)) close(false);
  });
}

document.querySelectorAll("[data-roc-date]").forEach(enhance);
