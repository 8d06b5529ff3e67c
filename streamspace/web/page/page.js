// A turn's part in the browser: what happens before the server is asked and after it has answered.
// Each function takes the values of an event's inputs and returns those of its outputs; a throw ends the event there.
(() => {
  const { marked, textOf } = window.streamspace;
  const state = { running: false, stopped: false };

  // The page's texts in the browser's language, as serve.py hands them to Gradio; {name} is put in from the values.
  const say = (key, values = {}) => {
    const all = window.gradio_config.i18n_translations;
    const texts = all[navigator.language] ?? all[navigator.language.split("-")[0]] ?? all.en;
    return texts[`page.${key}`].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };

  // What Python wrote without words gets them here.
  const word = (part) => {
    for (const found of part.querySelectorAll("[data-text]")) found.textContent = say(found.dataset.text);
    for (const found of part.querySelectorAll("[data-name]")) found.setAttribute("aria-label", say(found.dataset.name));
  };

  const setRunning = (running) => {
    const { activeElement } = document;
    const left = activeElement.closest("#send, #stop, #continue") && activeElement.matches(":focus-visible");
    state.running = running;
    document.body.classList.toggle("running", running);
    if (left) document.querySelector(running ? "#stop" : "#message textarea").focus(); // the keyboard's button has gone
  };

  const begin = (allowed) => {
    if (state.running || !allowed) throw new Error("nothing to do now");
    state.stopped = false;
    setRunning(true);
  };

  // Thoughts that were cut off must not look as if they went on.
  const settled = (messages) =>
    (messages ?? []).map((m) =>
      m.metadata?.status === "pending" ? { ...m, metadata: { ...m.metadata, status: "done" } } : m);

  const stopped = () => `<p data-more>${say("stopped")}</p>`;

  const lastQuestion = (messages) => (messages ?? []).findLastIndex((m) => m.role === "user");

  // A box for images holds {text, files}, the plain one a text; a message holds files as parts of their own.
  const written = (value) => (typeof value === "string" ? { text: value, files: [] } : value ?? { text: "", files: [] });
  const boxed = (text, files) => (document.querySelector("#message.multimodal-textbox") ? { text, files } : text);
  const filesOf = (message) => (Array.isArray(message.content) ? message.content.flatMap((part) => part.file ?? []) : []);

  const kept = (messages) => {
    window.streamspace.shelf.keep(messages);
    return messages;
  };

  Object.assign(window.streamspace, {
    say,
    word,
    boxed,
    // The visitor's message appears at once; the box and the line of status are empty for the next.
    send(value, messages) {
      const { text, files } = written(value);
      begin(text?.trim() || files.length);
      const content = files.map((file) => ({ type: "file", file }));
      if (text?.trim()) content.push({ type: "text", text: marked(text) });
      const message = { role: "user", content, metadata: null, options: null };
      return [boxed("", []), kept([...settled(messages), message]), ""];
    },
    // Back to the visitor's last message, to have it answered again.
    rewind(messages) {
      const last = lastQuestion(messages);
      begin(last >= 0);
      return [settled(messages.slice(0, last + 1)), ""];
    },
    // The last message goes back into the box, to be written anew.
    undo(messages) {
      const last = lastQuestion(messages);
      if (state.running || last < 0) throw new Error("nothing to undo");
      return [kept(messages.slice(0, last)), boxed(textOf(messages[last]), filesOf(messages[last])), ""];
    },
    // On from what there is of the last reply; a note of why it ended goes.
    resume(messages) {
      begin(messages?.length);
      return [settled(messages).filter((m) => !m.metadata?.id), ""];
    },
    stop(messages) {
      state.stopped = true;
      setRunning(false);
      return [kept(settled(messages)), stopped()];
    },
    // However a reply ended. An update that was under way when it was stopped must not have the last word.
    idle(messages, status) {
      setRunning(false);
      if (!messages) return window.streamspace.speak(document.querySelector("#continuation textarea").value);
      kept(settled(messages));
      const reply = messages.slice(lastQuestion(messages) + 1);
      window.streamspace.speak(reply.filter((m) => !m.metadata?.title && m.metadata?.id !== "figures").map(textOf).join(" "));
      return [settled(messages), state.stopped ? stopped() : status];
    },
    // The run never reached the handler (the queue is full, the server is gone): said where the reply would be.
    failed(messages, status) {
      setRunning(false);
      const unanswered = messages.at(-1)?.role === "user";
      const note = { role: "assistant", content: [{ type: "text", text: `⚠️ ${say("busy")}` }], metadata: { id: "problem" }, options: null };
      return [kept(unanswered ? [...messages, note] : settled(messages)), status];
    },
    clear() {
      setRunning(false);
      return [kept([]), ""];
    },
    // The same for a text, on a page without bubbles.
    start(text) {
      begin(text?.trim());
      return `<p>${say("starting")}</p>`;
    },
    stopText() {
      setRunning(false);
      return stopped();
    },
    clearText() {
      setRunning(false);
      return ["", "", ""];
    },
  });
})();
