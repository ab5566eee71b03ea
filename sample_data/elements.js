// Runs in the page: list what is visible, in document order, as plain objects with boxes in CSS pixels.
() => {
  const CONTROL = "button, a[href], input, textarea, [data-act]";
  const ROLES = { BUTTON: "button", A: "link", LABEL: "label", H1: "heading", H2: "heading", MAIN: "main", NAV: "navigation", TEXTAREA: "textbox", P: "text", SPAN: "text" };

  const ownText = (el) => [...el.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join("").trim();
  const isField = (el) => el.matches("textarea, input[type=text]");
  const clickable = (el) => el.matches(CONTROL) || (el.matches("label[for]") && document.getElementById(el.htmlFor) !== null);

  const listed = (el) => {
    if (el.closest("[aria-hidden=true]")) return false;
    if (el.parentElement.closest("button, label, a[href]")) return false;
    return clickable(el) || el.matches("[role], [data-scroll]") || ownText(el) !== "";
  };

  /** A text that does not react lies where its letters are, not where its block is. */
  const wholeBox = (el) => {
    const letters = [...el.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE && n.data.trim() !== "");
    const block = el.getBoundingClientRect();
    if (clickable(el) || el.matches("[role], [data-scroll]") || letters.length === 0) return block;
    const range = document.createRange();
    range.setStartBefore(letters[0]);
    range.setEndAfter(letters[letters.length - 1]);
    const line = range.getBoundingClientRect(); // as high as the font, which may be more than the block
    const [left, right] = [Math.max(line.left, block.left), Math.min(line.right, block.right)];
    return { left, right, top: Math.max(line.top, block.top), bottom: Math.min(line.bottom, block.bottom) };
  };

  /** The part of the box that the viewport and the clipping ancestors leave. */
  const visibleBox = (el) => {
    const own = wholeBox(el);
    let [x1, y1, x2, y2] = [Math.max(own.left, 0), Math.max(own.top, 0), Math.min(own.right, innerWidth), Math.min(own.bottom, innerHeight)];
    for (let up = el.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowY === "visible") continue;
      const box = up.getBoundingClientRect();
      [x1, y1, x2, y2] = [Math.max(x1, box.left), Math.max(y1, box.top), Math.min(x2, box.right), Math.min(y2, box.bottom)];
    }
    return x2 - x1 >= 1 && y2 - y1 >= 1 ? [x1, y1, x2, y2] : null;
  };

  const topmost = (el, [x1, y1, x2, y2]) => {
    const hit = document.elementFromPoint((x1 + x2) / 2, (y1 + y2) / 2);
    return hit !== null && el.contains(hit);
  };

  const textOf = (el) => {
    if (isField(el)) return el.value || el.placeholder;
    const label = el.getAttribute("aria-label");
    if (label !== null) return label || null;
    return (clickable(el) ? el.textContent.replace(/\s+/g, " ").trim() : ownText(el)) || null;
  };

  const roleOf = (el) => {
    if (el.getAttribute("role")) return el.getAttribute("role");
    if (isField(el)) return "textbox";
    if (el.matches("input[type=checkbox]")) return "checkbox";
    return ROLES[el.tagName] || "group";
  };

  const checkedOf = (el) => {
    if (el.matches("input[type=checkbox]")) return el.checked;
    const said = el.getAttribute("aria-checked") || el.getAttribute("aria-selected");
    return said === null ? null : said === "true";
  };

  const scrollOf = (el) => {
    const [maxX, maxY] = [el.scrollWidth - el.clientWidth, el.scrollHeight - el.clientHeight];
    if (!el.matches("[data-scroll]") || (maxX <= 0 && maxY <= 0)) return null;
    return { x: el.scrollLeft, y: el.scrollTop, max_x: maxX, max_y: maxY, ...(App.tells ? App.tellsOfScroll() : {}) };
  };

  /** What only an app that tells about itself (App.tells) lets a recorder know; of others nothing is written down. */
  const told = (el) => ({
    wired: el.matches("label[for]"), long_clickable: el.matches("[data-long]"), notifies: el.matches("[data-notifies]"),
    radius: clickable(el) ? Math.min(parseFloat(getComputedStyle(el).borderTopLeftRadius), el.offsetWidth / 2, el.offsetHeight / 2) : null,
  });
  const places = (selector) => [...document.querySelectorAll(`#root ${selector}`)].map(visibleBox).filter((box) => box !== null);

  const index = new Map();
  const found = [];
  for (const el of document.querySelectorAll("#root *")) {
    if (el.closest("svg") || !listed(el)) continue;
    const box = visibleBox(el);
    if (box === null) continue;
    let up = el.parentElement;
    while (up && !index.has(up)) up = up.parentElement;
    index.set(el, found.length);
    found.push({
      box, text: textOf(el), role: roleOf(el), parent: up ? index.get(up) : null, clickable: clickable(el),
      enabled: clickable(el) ? !el.disabled && el.getAttribute("aria-disabled") !== "true" : null, editable: isField(el) || null,
      focused: isField(el) ? document.activeElement === el : null, checked: checkedOf(el), topmost: topmost(el, box), scroll: scrollOf(el),
      ...(App.tells ? told(el) : {}),
    });
  }
  const overlay = App.view.overlay !== undefined && App.view.overlay !== null;
  return { elements: found, app: document.title, url: location.hash, activity: location.hash.split("/")[1] || "home", overlay, keyboard: App.keyboard === true, told: App.tells ? { ...App.tells(), dynamic: places("[data-dynamic]") } : null };
};
