// Whether a key belongs to the composition of a character; Safari says so by its code alone.
export const composing = (event) => event.isComposing || event.keyCode === 229;

// Makes elements of the page; a text is always a text, never HTML.
export const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child || child === 0));
  return made;
};

const SVG = "http://www.w3.org/2000/svg";
// Strokes within 24 by 24 units.
const ICONS = {
  attach: "M18 11.5l-6.8 6.8a4.2 4.2 0 0 1-6-6l7.6-7.6a2.8 2.8 0 0 1 4 4l-7.3 7.3a1.4 1.4 0 0 1-2-2l6.6-6.6",
  bin: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.5 10.5v5M13.5 10.5v5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  continue: "M8 5.5v13l10-6.5z",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M5 19l.8-3.6L15.5 5.7a1.8 1.8 0 0 1 2.6 2.6L8.5 18.2z",
  left: "M14.5 6l-6 6 6 6",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  plus: "M12 5v14M5 12h14",
  retry: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
  right: "M9.5 6l6 6-6 6",
  send: "M12 19V6M6 11.5l6-6 6 6",
  settings: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5",
  stop: "M7 7h10v10H7z",
};

export const icon = (name) => {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: `icon ${name}` })) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
};

// A button of one icon, whose name is read out and shown on hover.
export const iconButton = (name, label, onclick, attributes = {}) =>
  element("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));

// Copies a text; without the browser's clipboard, which is refused to pages that aren't encrypted, in the old way.
export const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = element("textarea", { style: "position: fixed; opacity: 0", "aria-hidden": "true" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
};
