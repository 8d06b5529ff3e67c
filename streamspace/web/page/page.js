// What happens in the browser before the server is asked for a reply and after it has answered: a function for each
// event of events.py. A throw ends the event there.
(() => {
  const { escape, textOf, own, events } = window.streamspace;
  const state = { running: false, stopped: false };

  // The page's texts in the browser's language, as labels.py hands them to Gradio; {name} is filled in from the values.
  const t = (key, values = {}) => {
    const all = window.gradio_config.i18n_translations;
    const texts = all[navigator.language] ?? all[navigator.language.split("-")[0]] ?? all.en;
    return texts[`page.${key}`].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };

  const setRunning = (running) => {
    const left = own("#send, #stop, #continue").some((button) => button.matches(":focus-visible"));
    state.running = running;
    document.body.classList.toggle("running", running);
    if (left) own(running ? "#stop" : "#message textarea")[0].focus(); // the focused button is hidden now
  };

  const start = (allowed) => {
    if (state.running || !allowed) throw new Error("nothing to do now");
    state.stopped = false;
    setRunning(true);
  };

  // Reasoning that was cut off must not look as if it went on.
  const finalize = (messages) =>
    (messages ?? []).map((m) =>
      m.metadata?.status === "pending" ? { ...m, metadata: { ...m.metadata, status: "done" } } : m);

  const stopped = () => `<p data-more>${t("stopped")}</p>`;

  const lastQuestion = (messages) => (messages ?? []).findLastIndex((m) => m.role === "user");

  // A box for images holds {text, files}, the plain one a text; a message holds files as parts of its content.
  const boxContent = (value) => (typeof value === "string" ? { text: value, files: [] } : value ?? { text: "", files: [] });
  const boxValue = (text, files) => (own("#message.multimodal-textbox").length ? { text, files } : text);
  const filesOf = (message) => (Array.isArray(message.content) ? message.content.flatMap((part) => part.file ?? []) : []);

  const save = (messages) => {
    window.streamspace.conversations.save(messages);
    return messages;
  };

  Object.assign(window.streamspace, { t, boxValue });
  Object.assign(events, {
    // The visitor's message appears at once; the box and the status line are empty for the next.
    send({ box, messages }) {
      const { text, files } = boxContent(box);
      start(text?.trim() || files.length);
      const content = files.map((file) => ({ type: "file", file }));
      if (text?.trim()) content.push({ type: "text", text: escape(text) });
      const message = { role: "user", content, metadata: null, options: null };
      return { box: boxValue("", []), messages: save([...finalize(messages), message]), status: "" };
    },
    // Back to the visitor's last message, to have it answered again.
    rewind({ messages }) {
      const last = lastQuestion(messages);
      start(last >= 0);
      return { messages: finalize(messages.slice(0, last + 1)), status: "" };
    },
    // Continues the last reply; the note on why it ended is removed.
    resume({ messages }) {
      start(messages?.length);
      return { messages: finalize(messages).filter((m) => !m.metadata?.id), status: "" };
    },
    // After every reply. An update that was under way when the visitor pressed Stop must not replace "Stopped".
    finish({ messages, status }) {
      setRunning(false);
      const finished = save(finalize(messages));
      const reply = finished.slice(lastQuestion(finished) + 1);
      window.streamspace.announce(reply.filter((m) => !m.metadata?.title && m.metadata?.id !== "figures").map(textOf).join(" "));
      return { messages: finished, status: state.stopped ? stopped() : status };
    },
    // The request never reached the handler (the queue is full, the server is gone): an error in place of the reply.
    fail({ messages }) {
      setRunning(false);
      const unanswered = messages.at(-1)?.role === "user";
      const note = { role: "assistant", content: [{ type: "text", text: `⚠️ ${t("busy")}` }], metadata: { id: "problem" }, options: null };
      return { messages: save(unanswered ? [...messages, note] : finalize(messages)) };
    },
    stop({ messages }) {
      state.stopped = true;
      setRunning(false);
      return { messages: save(finalize(messages)), status: stopped() };
    },
    // The visitor's last message goes back into the box, to be edited.
    undo({ messages }) {
      const last = lastQuestion(messages);
      if (state.running || last < 0) throw new Error("nothing to undo");
      const box = boxValue(textOf(messages[last]), filesOf(messages[last]));
      return { messages: save(messages.slice(0, last)), box, status: "" };
    },
    clear() {
      setRunning(false);
      return { messages: save([]), status: "" };
    },
    startText({ text }) {
      start(text?.trim());
      return { status: `<p>${t("starting")}</p>` };
    },
    finishText({ continuation }) {
      setRunning(false);
      window.streamspace.announce(continuation);
    },
    stopText() {
      setRunning(false);
      return { status: stopped() };
    },
    clearText() {
      setRunning(false);
      return { text: "", continuation: "", status: "" };
    },
    // Fills in the texts that Python leaves to the browser's language.
    localize() {
      for (const part of own("[data-text]")) part.textContent = t(part.dataset.text);
      for (const part of own("[data-name]")) part.setAttribute("aria-label", t(part.dataset.name));
    },
  });
})();
