// A turn's part in the browser: what happens before the server is asked and after it has answered.
// Each function takes the values of an event's inputs and returns those of its outputs; a throw ends the event there.
(() => {
  const state = { running: false };
  const STOPPED = "<p data-more>Stopped.</p>";

  const setRunning = (running) => {
    state.running = running;
    document.body.classList.toggle("running", running);
  };

  const begin = (allowed) => {
    if (state.running || !allowed) throw new Error("nothing to do now");
    setRunning(true);
  };

  // Thoughts that were cut off must not look as if they went on.
  const settled = (messages) =>
    (messages ?? []).map((m) =>
      m.metadata?.status === "pending" ? { ...m, metadata: { ...m.metadata, status: "done" } } : m);

  const lastQuestion = (messages) => (messages ?? []).findLastIndex((m) => m.role === "user");

  const textOf = (message) =>
    typeof message.content === "string" ? message.content : message.content.map((part) => part.text ?? "").join("");

  const kept = (messages) => {
    window.streamspace.shelf.keep(messages);
    return messages;
  };

  window.streamspace = {
    textOf,
    // The visitor's message appears at once; the box and the line of status are empty for the next.
    send(text, messages) {
      begin(text?.trim());
      const message = { role: "user", content: [{ type: "text", text }], metadata: null, options: null };
      return ["", kept([...settled(messages), message]), ""];
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
      return [kept(messages.slice(0, last)), textOf(messages[last]), ""];
    },
    // On from what there is of the last reply; a note of why it ended goes.
    resume(messages) {
      begin(messages?.length);
      return [settled(messages).filter((m) => !m.metadata?.id), ""];
    },
    stop(messages) {
      setRunning(false);
      return [kept(settled(messages)), STOPPED];
    },
    idle(messages) {
      setRunning(false);
      if (messages) kept(settled(messages));
    },
    clear() {
      setRunning(false);
      return [kept([]), ""];
    },
    // The same for a text, on a page without bubbles.
    start(text) {
      begin(text?.trim());
      return "<p>Starting…</p>";
    },
    stopText() {
      setRunning(false);
      return STOPPED;
    },
    clearText() {
      setRunning(false);
      return ["", "", ""];
    },
  };
})();
