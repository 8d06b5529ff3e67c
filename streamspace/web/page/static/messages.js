// The conversation on the page: an article for each message, of which only what has changed is made again.
import { titleOf, textOf, versions, imagesOf } from "./conversation.js";
import { composing, element, icon, iconButton } from "./dom.js";
import { blocks } from "./markdown.js";
import { enrich } from "./rich.js";
import { t } from "./texts.js";

const CONTINUED = ["length", "timeout", "stopped", "interrupted", "failed"]; // states from which a reply can go on

// Puts the blocks of a text into a place, leaving those that are the same.
const render = (place, text, grows) => {
  const source = text.replace(/\r\n?/g, "\n");
  const known = place.blocks ?? [];
  const grown = source.startsWith(place.source ?? "");
  const wanted = grown ? blocks(source, place.source, known) : blocks(source);
  let first = 0;
  while (first < known.length && known[first].html === wanted[first]?.html && !known[first].grew) first += 1;
  for (const { node } of known.splice(first)) node.remove();
  for (const block of wanted.slice(first)) {
    const node = element("div", { dir: "auto" });
    node.innerHTML = block.html;
    place.append(node);
    const grew = grows && block === wanted.at(-1);
    enrich(node, grew);
    known.push({ ...block, node, grew });
  }
  Object.assign(place, { blocks: known, source });
};

const seconds = (value) => (value ? ` (${t("seconds", { seconds: value })})` : "");

const folded = (kind) => {
  const place = element("div", { class: "text" });
  const summary = element("summary");
  return { node: element("details", { class: kind }, summary, place), place, summary };
};

const drawPart = (part, known, grows) => {
  const kind = part.kind;
  const made = known?.kind === kind ? known : { kind, ...(kind === "answer" ? { node: element("div", { class: "text answer" }) } : folded(kind)) };
  if (kind === "tool_call") {
    made.summary.textContent = t("tool_call");
    made.place.textContent = part.text;
  } else {
    if (kind === "reasoning") made.summary.textContent = grows ? t("thinking_now") : t("thoughts") + seconds(part.seconds);
    made.node.classList.toggle("growing", grows);
    if (made.text !== part.text || made.grows !== grows) render(made.place ?? made.node, part.text, grows);
    Object.assign(made, { text: part.text, grows });
  }
  return made;
};

const state = (node, live) => (node.state === "writing" && !live(node) ? "interrupted" : node.state);
const canContinue = (node, live) => node?.role === "assistant" && CONTINUED.includes(state(node, live)) && node.parts.length > 0;

export const view = (place, actions, live) => {
  const shown = new Map(); // the articles by the ids of their messages

  const article = (node) => {
    const mine = node.role === "user";
    const body = element("div", { class: "body" });
    const made = element("article", { class: `message ${node.role}`, "aria-label": t(mine ? "you" : "assistant"), "data-id": node.id }, body);
    const row = element("div", { class: "actions" });
    made.append(row);
    return { made, body, row, parts: [], status: element("p", { class: "status" }) };
  };

  const buttons = (entry, conversation, node, isLast, busy) => {
    const all = versions(conversation, node);
    const at = all.indexOf(node);
    const now = state(node, live);
    const focused = entry.row.contains(document.activeElement) && document.activeElement.dataset.action;
    const button = (name, label, action, disabled = false) => iconButton(name, t(label), () => action(node), { "data-action": label, disabled });
    const parts = [];
    if (all.length > 1) {
      parts.push(element("span", { class: "versions" },
        button("left", "version_before", () => actions.show(all[at - 1]), !at || busy), t("version", { number: at + 1, count: all.length }),
        button("right", "version_after", () => actions.show(all[at + 1]), at + 1 === all.length || busy)));
    }
    if (node.role === "user") {
      parts.push(button("edit", "edit", actions.edit, busy), button("copy", "copy", actions.copy));
      if (isLast && !busy) parts.push(button("retry", "retry", actions.retry));
    } else if (now !== "writing") {
      parts.push(button("copy", "copy", actions.copy));
      parts.push(button("retry", "retry", actions.retry, busy));
      if (isLast && canContinue(node, live)) {
        parts.push(element("button", { type: "button", class: "continue", "data-action": "continue", disabled: busy, onclick: () => actions.resume(node) }, icon("continue"), t("continue")));
      }
      parts.push(element("span", { class: "figures" }, node.figures ?? ""));
    }
    entry.row.replaceChildren(...parts);
    if (focused) (entry.row.querySelector(`[data-action="${focused}"]:not(:disabled)`) ?? entry.row.querySelector("button"))?.focus();
  };

  const drawQuestion = (entry, node) => {
    if (entry.text === node.text || entry.editing) return;
    entry.text = node.text;
    const files = node.files.filter((file) => "text" in file).map((file) =>
      element("details", { class: "file" }, element("summary", {}, icon("attach"), file.name), element("pre", { tabindex: "0", dir: "auto" }, file.text)));
    const images = imagesOf(node).map((file) => element("img", { src: address(file), alt: file.name || t("image") }));
    entry.body.replaceChildren(...images, ...files, element("div", { class: "text", dir: "auto" }, node.text));
    entry.body.classList.toggle("empty", !node.text);
  };

  const drawReply = (entry, node) => {
    const now = state(node, live);
    const drawn = node.parts.map((part, index) => drawPart(part, entry.parts[index], now === "writing" && index === node.parts.length - 1));
    if (drawn.length !== entry.parts.length || drawn.some(({ node: each }, index) => each !== entry.parts[index].node)) {
      entry.body.replaceChildren(...drawn.map((part) => part.node), entry.status);
    } else if (!entry.status.isConnected) entry.body.append(entry.status);
    entry.parts = drawn;
    const words = { writing: node.parts.length ? "" : node.status ?? "", interrupted: t("interrupted") }[now] ?? node.ended ?? "";
    const text = [node.notice, node.error && `⚠️ ${node.error}`, words].filter(Boolean).join(" · ");
    if (entry.status.textContent !== text) entry.status.textContent = text;
    entry.status.classList.toggle("error", Boolean(node.error));
    entry.made.classList.toggle("writing", now === "writing");
    entry.made.setAttribute("aria-busy", String(now === "writing"));
  };

  return {
    // Shows these messages, and no others.
    draw(conversation, nodes, busy) {
      const wanted = new Set(nodes.map((node) => node.id));
      for (const [id, { made }] of shown) {
        if (wanted.has(id)) continue;
        made.remove();
        shown.delete(id);
      }
      const count = Object.keys(conversation.nodes).length;
      for (const [index, node] of nodes.entries()) {
        if (!shown.has(node.id)) shown.set(node.id, article(node));
        const entry = shown.get(node.id);
        if (place.children[index] !== entry.made) place.insertBefore(entry.made, place.children[index] ?? null);
        const key = [node.revised, state(node, live), index === nodes.length - 1, busy, count].join("|");
        if (entry.key === key && entry.node === node) continue; // it is as it was, and so are its alternatives
        Object.assign(entry, { key, node });
        if (node.role === "user") drawQuestion(entry, node);
        else drawReply(entry, node);
        buttons(entry, conversation, node, index === nodes.length - 1, busy);
      }
    },
    // The message becomes a box as wide as the column: Enter sends, Escape leaves it as it was.
    edit(node, send) {
      const entry = shown.get(node.id);
      const box = element("textarea", { class: "edit", "aria-label": t("message"), dir: "auto", rows: Math.min(12, node.text.split("\n").length + 1) });
      box.value = node.text;
      const close = (text) => {
        entry.editing = false;
        entry.text = null;
        entry.made.classList.remove("editing");
        if (text?.trim() && text !== node.text) send(text);
        else drawQuestion(entry, node);
        entry.row.querySelector("button")?.focus();
      };
      box.addEventListener("keydown", (event) => {
        if (composing(event)) return;
        if (event.key === "Escape") close();
        else if (event.key === "Enter" && !event.shiftKey) close(box.value);
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
      entry.editing = true;
      entry.made.classList.add("editing");
      entry.body.replaceChildren(box, element("div", { class: "edit-row" },
        element("button", { type: "button", onclick: () => close() }, t("cancel")),
        element("button", { type: "button", class: "primary", onclick: () => close(box.value) }, t("send"))));
      box.focus();
      box.setSelectionRange(box.value.length, box.value.length);
    },
    clear() {
      for (const { made } of shown.values()) made.remove();
      shown.clear();
    },
  };
};

export const address = (file) => new URL(`gradio_api/file=${file.path.split("/").map(encodeURIComponent).join("/")}`, document.baseURI).href;

// A conversation as Markdown, as it is shown.
export const asMarkdown = (conversation, nodes) => {
  const parts = nodes.map((node) => {
    if (node.role === "user") return `## ${t("you")}\n\n${node.files.map((file) => `> ${file.name}\n\n`).join("")}${node.text}`;
    const thoughts = textOf(node, "reasoning");
    const told = thoughts ? `<details><summary>${t("thoughts")}</summary>\n\n${thoughts}\n\n</details>\n\n` : "";
    return `## ${t("assistant")}\n\n${told}${textOf(node)}`;
  });
  return `# ${titleOf(conversation) || t("untitled")}\n\n${parts.join("\n\n")}\n`;
};
