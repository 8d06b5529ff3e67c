// The visitor's conversations, stored in this browser only: they survive a reload and a restart of the server.
(() => {
  const { t, textOf, sanitize, own, boxValue, events } = window.streamspace;
  const KEY = `streamspace:${location.pathname}`;
  const MAX_CONVERSATIONS = 50; // the oldest are deleted first
  const TITLE_LENGTH = 48; // characters of a title that is made from the first question

  const read = () => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY));
      const valid = (c) => typeof c?.id === "string" && typeof c.title === "string" && Array.isArray(c.messages);
      if (Array.isArray(found?.conversations)) return { ...found, conversations: found.conversations.filter(valid) };
    } catch { /* damaged, or storage is forbidden: start with none */ }
    return { current: null, conversations: [] };
  };

  const write = (store) => {
    store.conversations = store.conversations.slice(0, MAX_CONVERSATIONS);
    try {
      localStorage.setItem(KEY, JSON.stringify(store));
    } catch {
      if (store.conversations.length > 1) write({ ...store, conversations: store.conversations.slice(0, -1) });
    }
    show(store);
  };

  const current = (store) => store.conversations.find((c) => c.id === store.current);

  const titleOf = (messages) => {
    const first = messages.find((m) => m.role === "user");
    const text = first ? textOf(first).replace(/\s+/g, " ").trim() : "";
    return text.length > TITLE_LENGTH ? `${text.slice(0, TITLE_LENGTH - 1)}…` : text || t("untitled");
  };

  const element = (tag, attributes, text) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const show = (store) => {
    const list = own("#conversations ul")[0];
    if (!list) return;
    const { activeElement } = document;
    const focused = list.contains(activeElement) && { ...activeElement.dataset, ...activeElement.closest("li").dataset };
    list.replaceChildren(...store.conversations.map((conversation) => {
      const item = element("li", { "data-id": conversation.id });
      const open = element("button", { "data-action": "open" }, conversation.title);
      if (conversation.id === store.current) open.setAttribute("aria-current", "true");
      const named = (key) => t(key, { title: conversation.title });
      const rename = element("button", { "data-action": "rename", "aria-label": named("rename"), title: named("rename") }, "✎");
      const remove = element("button", { "data-action": "remove", "aria-label": named("delete"), title: named("delete") }, "✕");
      item.append(open, rename, remove);
      return item;
    }));
    if (focused) focus(focused.id, focused.action);
  };

  // The keyboard's focus stays on the same button, or moves to one that is still there.
  const focus = (id, action) => {
    const [item] = own(`#conversations [data-id="${CSS.escape(id)}"]`);
    (item?.querySelector(`[data-action=${action ?? "open"}]`) ?? own("#conversations [data-action=create]")[0]).focus();
  };

  // The chatbot's value is Gradio's: a hidden button's event puts a conversation into it.
  let chosen = [];
  const display = (messages) => {
    chosen = messages;
    own("#open-conversation")[0]?.click();
  };

  const rename = (store, conversation, item) => {
    const input = element("input", { value: conversation.title, "aria-label": t("new_title"), maxlength: 80 });
    const done = (save) => {
      const title = input.value.trim();
      if (save && title) Object.assign(conversation, { title, named: true });
      write(store); // which also moves the focus to the title
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") event.preventDefault(); // else it presses the button that is focused next
      if (event.key === "Enter") done(true);
      if (event.key === "Escape") done(false);
    });
    item.replaceChildren(input);
    input.focus();
    input.select();
  };

  const actions = {
    create(store) {
      write({ ...store, current: null });
      display([]);
    },
    open(store, conversation) {
      write({ ...store, current: conversation.id });
      display(sanitize(conversation.messages));
    },
    rename,
    remove(store, conversation) {
      const conversations = store.conversations.filter((c) => c !== conversation);
      const open = store.current === conversation.id;
      write({ current: open ? null : store.current, conversations });
      if (open) display([]);
    },
    markdown(store) {
      const open = current(store);
      if (open) download(`${open.title}.md`, "text/markdown", asMarkdown(open));
    },
    json(store) {
      const open = current(store);
      if (open) download(`${open.title}.json`, "application/json", asJson(open));
    },
  };

  const turns = (conversation) => conversation.messages.filter((m) => !m.metadata?.id);

  const asMarkdown = (conversation) => {
    const parts = turns(conversation).map((m) => {
      const text = textOf(m);
      if (m.metadata?.title) return `<details><summary>${m.metadata.title}</summary>\n\n${text}\n\n</details>`;
      return `## ${t(m.role === "user" ? "you" : "assistant")}\n\n${text}`;
    });
    return `# ${conversation.title}\n\n${parts.join("\n\n")}\n`;
  };

  const asJson = (conversation) => JSON.stringify({
    title: conversation.title,
    messages: turns(conversation).filter((m) => !m.metadata?.title)
      .map((m) => ({ role: m.role, content: textOf(m) })),
  }, null, 2);

  const download = (name, type, text) => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name.replace(/[\\/:*?"<>|]/g, "_") });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  document.addEventListener("click", (event) => {
    const button = own("#conversations [data-action]").find((part) => part.contains(event.target));
    if (!button || document.body.classList.contains("running")) return;
    const store = read();
    const item = button.closest("[data-id]");
    actions[button.dataset.action](store, store.conversations.find((c) => c.id === item?.dataset.id), item);
  });

  window.streamspace.conversations = {
    // The current conversation now has these messages; a new one is put first, an empty one is deleted.
    save(messages) {
      const store = read();
      const known = current(store);
      const others = store.conversations.filter((c) => c !== known);
      if (!messages.length) return write({ current: null, conversations: others });
      const id = known?.id ?? crypto.randomUUID?.() ?? String(Math.random()).slice(2);
      const title = known?.named ? known.title : titleOf(messages);
      write({ current: id, conversations: [{ id, title, named: known?.named ?? false, messages }, ...others] });
    },
  };
  Object.assign(events, {
    // When the page opens: the conversation that was open last.
    restore() {
      const store = read();
      show(store);
      return { messages: sanitize(current(store)?.messages ?? []) };
    },
    open() {
      return { messages: chosen, box: boxValue("", []), status: "" };
    },
  });
})();
