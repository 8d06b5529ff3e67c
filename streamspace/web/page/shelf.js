// The visitor's conversations, kept in this browser only: they survive a reload and a restart of the server.
(() => {
  const KEY = `streamspace:${location.pathname}`;
  const MOST = 50; // conversations; the oldest go first
  const TITLE = 48; // characters of a title that is made from the first question

  const read = () => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY));
      const whole = (c) => typeof c?.id === "string" && typeof c.title === "string" && Array.isArray(c.messages);
      if (Array.isArray(found?.conversations)) return { ...found, conversations: found.conversations.filter(whole) };
    } catch { /* damaged, or storage is forbidden: begin anew */ }
    return { current: null, conversations: [] };
  };

  const write = (shelf) => {
    shelf.conversations = shelf.conversations.slice(0, MOST);
    try {
      localStorage.setItem(KEY, JSON.stringify(shelf));
    } catch {
      if (shelf.conversations.length > 1) write({ ...shelf, conversations: shelf.conversations.slice(0, -1) });
    }
    show(shelf);
  };

  const current = (shelf) => shelf.conversations.find((c) => c.id === shelf.current);

  const titled = (messages) => {
    const first = messages.find((m) => m.role === "user");
    const text = first ? streamspace.textOf(first).replace(/\s+/g, " ").trim() : "";
    return text.length > TITLE ? `${text.slice(0, TITLE - 1)}…` : text || streamspace.say("untitled");
  };

  const element = (tag, attributes, text) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const show = (shelf) => {
    const list = document.querySelector("#shelf ul");
    if (!list) return;
    const { activeElement } = document;
    const focused = list.contains(activeElement) && { ...activeElement.dataset, ...activeElement.closest("li").dataset };
    list.replaceChildren(...shelf.conversations.map((conversation) => {
      const item = element("li", { "data-id": conversation.id });
      const open = element("button", { "data-do": "open" }, conversation.title);
      if (conversation.id === shelf.current) open.setAttribute("aria-current", "true");
      const named = (key) => streamspace.say(key, { title: conversation.title });
      const rename = element("button", { "data-do": "rename", "aria-label": named("rename"), title: named("rename") }, "✎");
      const remove = element("button", { "data-do": "remove", "aria-label": named("delete"), title: named("delete") }, "✕");
      item.append(open, rename, remove);
      return item;
    }));
    if (focused) focus(focused.id, focused.do);
  };

  // A keyboard stays where it was, or where there is something to go on with.
  const focus = (id, what) => {
    const item = document.querySelector(`#shelf [data-id="${CSS.escape(id)}"]`);
    (item?.querySelector(`[data-do=${what ?? "open"}]`) ?? document.querySelector("#shelf [data-do=fresh]")).focus();
  };

  // The chatbot's value is Gradio's: a hidden button's event puts a conversation into it.
  let opening = [];
  const place = (messages) => {
    opening = messages;
    document.querySelector("#place")?.click();
  };

  const rename = (shelf, conversation, item) => {
    const input = element("input", { value: conversation.title, "aria-label": streamspace.say("new_title"), maxlength: 80 });
    const done = (save) => {
      const title = input.value.trim();
      if (save && title) Object.assign(conversation, { title, named: true });
      write(shelf); // which focuses the title, as it has no input
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") event.preventDefault(); // else it presses what is focused next
      if (event.key === "Enter") done(true);
      if (event.key === "Escape") done(false);
    });
    item.replaceChildren(input);
    input.focus();
    input.select();
  };

  const actions = {
    fresh(shelf) {
      write({ ...shelf, current: null });
      place([]);
    },
    open(shelf, conversation) {
      write({ ...shelf, current: conversation.id });
      place(streamspace.sound(conversation.messages));
    },
    rename,
    remove(shelf, conversation) {
      const conversations = shelf.conversations.filter((c) => c !== conversation);
      const open = shelf.current === conversation.id;
      write({ current: open ? null : shelf.current, conversations });
      if (open) place([]);
    },
    markdown(shelf) {
      const open = current(shelf);
      if (open) download(`${open.title}.md`, "text/markdown", asMarkdown(open));
    },
    json(shelf) {
      const open = current(shelf);
      if (open) download(`${open.title}.json`, "application/json", asJson(open));
    },
  };

  const said = (conversation) => conversation.messages.filter((m) => !m.metadata?.id);

  const asMarkdown = (conversation) => {
    const parts = said(conversation).map((m) => {
      const text = streamspace.textOf(m);
      if (m.metadata?.title) return `<details><summary>${m.metadata.title}</summary>\n\n${text}\n\n</details>`;
      return `## ${streamspace.say(m.role === "user" ? "you" : "assistant")}\n\n${text}`;
    });
    return `# ${conversation.title}\n\n${parts.join("\n\n")}\n`;
  };

  const asJson = (conversation) => JSON.stringify({
    title: conversation.title,
    messages: said(conversation).filter((m) => !m.metadata?.title)
      .map((m) => ({ role: m.role, content: streamspace.textOf(m) })),
  }, null, 2);

  const download = (name, type, text) => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name.replace(/[\\/:*?"<>|]/g, "_") });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#shelf [data-do]");
    if (!button || document.body.classList.contains("running")) return;
    const shelf = read();
    const item = button.closest("[data-id]");
    actions[button.dataset.do](shelf, shelf.conversations.find((c) => c.id === item?.dataset.id), item);
  });

  window.streamspace.shelf = {
    // The open conversation is now this; a new one goes on top of the shelf, an emptied one leaves it.
    keep(messages) {
      const shelf = read();
      const known = current(shelf);
      const others = shelf.conversations.filter((c) => c !== known);
      if (!messages.length) return write({ current: null, conversations: others });
      const id = known?.id ?? crypto.randomUUID?.() ?? String(Math.random()).slice(2);
      const title = known?.named ? known.title : titled(messages);
      write({ current: id, conversations: [{ id, title, named: known?.named ?? false, messages }, ...others] });
    },
    // When the page opens: where the visitor left.
    restore() {
      const shelf = read();
      streamspace.word(document.querySelector("#shelf"));
      show(shelf);
      return [streamspace.sound(current(shelf)?.messages ?? [])];
    },
    opened() {
      return [opening, streamspace.boxed("", []), ""];
    },
  };
})();
