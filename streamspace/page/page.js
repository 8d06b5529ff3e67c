// The page's own part of a turn: what happens in the browser before the server is asked and after it has answered.
// Each function takes the values of an event's inputs and returns those of its outputs; a throw ends the event there.
(() => {
  const state = { running: false };

  const setRunning = (running) => {
    state.running = running;
    document.body.classList.toggle("running", running);
  };

  const say = (text) => `<p>${text}</p>`;
  const STOPPED = "<p data-more>Stopped.</p>";

  // Thoughts that were cut off must not look as if they went on.
  const settled = (messages) =>
    messages.map((m) =>
      m.metadata?.status === "pending" ? { ...m, metadata: { ...m.metadata, status: "done" } } : m);

  window.streamspace = {
    // The visitor's message appears at once; the box and the line of status are empty for the next.
    send(text, messages) {
      if (state.running || !text?.trim()) throw new Error("nothing to send");
      setRunning(true);
      const message = { role: "user", content: [{ type: "text", text }], metadata: null, options: null };
      return ["", [...settled(messages ?? []), message], ""];
    },
    // Back to the visitor's last message, to have it answered again.
    rewind(messages) {
      const last = messages.findLastIndex((m) => m.role === "user");
      if (state.running || last < 0) throw new Error("nothing to retry");
      setRunning(true);
      return [settled(messages.slice(0, last + 1)), ""];
    },
    // On from what there is of the last reply; a note of why it ended goes.
    resume(messages) {
      if (state.running || !messages?.length) throw new Error("nothing to continue");
      setRunning(true);
      return [settled(messages).filter((m) => m.metadata?.id !== "problem"), ""];
    },
    // A text, on a page without bubbles.
    start(text) {
      if (state.running || !text?.trim()) throw new Error("nothing to continue");
      setRunning(true);
      return say("Starting…");
    },
    idle() {
      setRunning(false);
    },
    stop(messages) {
      setRunning(false);
      return [settled(messages ?? []), STOPPED];
    },
    stopText() {
      setRunning(false);
      return STOPPED;
    },
    clear() {
      setRunning(false);
      return [[], ""];
    },
    clearText() {
      setRunning(false);
      return ["", "", ""];
    },
  };
})();
