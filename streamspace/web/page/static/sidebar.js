// The list of conversations: search, groups by day, rename in place, a menu for each.
import { titleOf } from "./conversation.js";
import { composing, element, icon, iconButton } from "./dom.js";
import { day, t } from "./texts.js";

const DAY = 86_400_000;
const TITLE = 80; // characters of a title that is typed

const groupOf = (time) => {
  const today = new Date().setHours(0, 0, 0, 0);
  if (time >= today) return t("today");
  if (time >= today - DAY) return t("yesterday");
  return time >= today - 6 * DAY ? t("this_week") : day(time);
};

export const sidebar = (place, actions) => {
  const search = element("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: () => draw() });
  const list = element("ul", { class: "list" });
  const menu = element("div", { popover: "auto", class: "popup", role: "menu" });
  const file = element("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: () => {
    if (file.files.length) actions.load(file.files[0]);
    file.value = "";
  } });
  place.append(
    element("div", { class: "bar" },
      iconButton("menu", t("conversations"), actions.toggle, { class: "icon-button close-sidebar" }),
      element("button", { type: "button", class: "new", "data-action": "create", onclick: actions.create }, icon("plus"), t("new"))),
    search, list, element("div", { class: "foot" }, element("p", {}, t("stored")),
      element("button", { type: "button", onclick: () => file.click() }, t("import")), file), menu);

  let current = null;
  let all = [];

  const openMenu = (conversation, button) => {
    const item = (name, action, kind = "") => element("button", { type: "button", role: "menuitem", class: kind, "data-action": name, onclick: () => {
      menu.hidePopover();
      action(conversation);
    } }, t(name));
    menu.replaceChildren(item("rename", rename), item("markdown", actions.markdown), item("json", actions.json), item("delete", actions.remove, "danger"));
    menu.showPopover();
    const { bottom, right, top } = button.getBoundingClientRect();
    const { height, width } = menu.getBoundingClientRect();
    menu.style.top = `${bottom + height > innerHeight ? top - height : bottom}px`;
    menu.style.left = `${Math.min(Math.max(8, right - width), innerWidth - width - 8)}px`;
    menu.firstElementChild.focus();
    menu.ontoggle = (event) => event.newState === "closed" && menu.contains(document.activeElement) && button.focus();
  };
  menu.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!steps[event.key]) return;
    const items = [...menu.children];
    items[(items.indexOf(document.activeElement) + steps[event.key] + items.length) % items.length].focus();
    event.preventDefault();
  });

  const rename = (conversation) => {
    const item = list.querySelector(`[data-id="${conversation.id}"]`);
    const input = element("input", { value: titleOf(conversation), "aria-label": t("new_title"), maxlength: TITLE, dir: "auto" });
    const done = (keep) => {
      if (!input.isConnected || input.done) return;
      input.done = true;
      input.remove();
      if (keep && input.value.trim()) actions.rename(conversation, input.value.trim());
      draw();
      list.querySelector(`[data-id="${conversation.id}"] button`)?.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (composing(event) || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      done(event.key === "Enter");
    });
    input.addEventListener("blur", () => done(true));
    item.replaceChildren(input);
    input.focus();
    input.select();
  };

  const row = (conversation) => {
    const title = titleOf(conversation) || t("untitled");
    const attributes = { type: "button", class: "open", dir: "auto", title, "aria-current": conversation === current && "true", onclick: () => actions.open(conversation) };
    const more = iconButton("more", t("more", { title }), () => openMenu(conversation, more), { "aria-haspopup": "menu" });
    return element("li", { "data-id": conversation.id }, element("button", attributes, title), more);
  };

  const draw = () => {
    if (list.querySelector("input")) return; // a title is being typed
    const wanted = search.value.trim().toLowerCase();
    const found = all.filter((each) => !wanted || titleOf(each).toLowerCase().includes(wanted)
      || Object.values(each.nodes).some((node) => (node.text ?? node.parts.map(({ text }) => text).join(" ")).toLowerCase().includes(wanted)));
    const focused = list.contains(document.activeElement) && document.activeElement.closest("[data-id]")?.dataset.id;
    const rows = [];
    let group = "";
    for (const conversation of found) {
      const next = groupOf(conversation.revised);
      if (next !== group) rows.push(element("li", { class: "group" }, element("h3", {}, next)));
      group = next;
      rows.push(row(conversation));
    }
    if (wanted && !found.length) rows.push(element("li", { class: "none" }, t("nothing_found")));
    list.replaceChildren(...rows);
    search.hidden = all.length < 2 && !wanted;
    if (focused) list.querySelector(`[data-id="${focused}"] button`)?.focus();
  };

  return {
    draw(conversations, open) {
      all = conversations;
      current = open;
      draw();
    },
  };
};
