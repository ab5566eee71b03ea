// Elements and screenshots. Text from the data only ever becomes text: nothing here parses HTML.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";

  // Marks that turn the order of what stands after them are spelled out: an id could look like another.
  const plain = (child) => typeof child === "string"
    ? child.replace(/[\u202a-\u202e\u2066-\u2069]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`) : child;

  // make("p.note", {title: "…"}, child, "text", …): null children are left out.
  gdp.make = (what, attributes = {}, ...children) => {
    const [tag, ...classes] = what.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined).map(plain));
    return element;
  };

  const shape = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const drawn = {
    box: ([x1, y1, x2, y2], w, h) => [
      shape("rect", {class: "box", x: x1 * w, y: y1 * h, width: (x2 - x1) * w, height: (y2 - y1) * h})],
    point: ([x, y], w, h) => {
      const r = Math.min(w, h) * 0.035;
      return [shape("circle", {class: "halo", cx: x * w, cy: y * h, r}),
        shape("circle", {class: "ring", cx: x * w, cy: y * h, r}),
        shape("circle", {class: "dot", cx: x * w, cy: y * h, r: r * 0.22})];
    },
    line: (points, w, h) => {
      const at = points.map(([x, y]) => [x * w, y * h]);
      const path = at.map((each) => each.join(",")).join(" ");
      const [x2, y2] = at[at.length - 1], [x1, y1] = at[at.length - 2];
      const angle = Math.atan2(y2 - y1, x2 - x1), size = Math.min(w, h) * 0.05;
      const wing = (turn) => `${x2 - size * Math.cos(angle + turn)},${y2 - size * Math.sin(angle + turn)}`;
      const head = `${wing(0.5)} ${x2},${y2} ${wing(-0.5)}`;
      return [shape("polyline", {class: "halo", points: path}), shape("polyline", {class: "ring", points: path}),
        shape("polyline", {class: "ring", points: head}),
        shape("circle", {class: "dot", cx: at[0][0], cy: at[0][1], r: size * 0.2})];
    },
  };

  gdp.overlay = (shapes, width, height, kind) => {
    const svg = shape("svg", {class: `marks ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
      "aria-hidden": "true"});
    for (const each of shapes) svg.append(...drawn[each.shape](each.at, width, height));
    return svg;
  };

  // A screenshot with what is drawn on it; the drawing has the picture's own coordinates, whatever its size here.
  gdp.frame = (image, shapes, {kind = "normal", alt = "", lazy = true} = {}) => {
    const picture = gdp.make("img", {src: image.url, width: image.width, height: image.height, alt,
      loading: lazy ? "lazy" : "eager", decoding: "async"});
    picture.addEventListener("error", () => picture.closest(".frame").classList.add("broken"));
    const frame = gdp.make("div.frame", {}, picture, gdp.overlay(shapes, image.width, image.height, kind));
    frame.style.aspectRatio = `${image.width} / ${image.height}`;
    frame.classList.add(image.width > image.height ? "wide" : "tall");
    return frame;
  };

  gdp.badge = (text, kind = "", title = null) => gdp.make(`span.badge${kind ? "." + kind : ""}`, {title}, text);

  gdp.zoom = (image, shapes, kind, alt) => {
    const body = document.getElementById("zoom-body");
    body.replaceChildren(gdp.frame(image, shapes, {kind, alt, lazy: false}));
    document.getElementById("zoom").showModal();
  };
})();
