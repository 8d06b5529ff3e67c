// Text that a model or a visitor wrote, as Markdown that shows all of it: markup.py says why, and this does the same.
(() => {
  const MARK = "\u2060";
  const FENCE = /^ {0,3}(`{3,}|~{3,})/;
  const CODE_OR_TAG = /(`{1,2})[^`\n]+\1|<(?=[a-z/!?])(?!\/?(?:br|sub|sup|kbd|details|summary)\s*\/?>|https?:\/\/)/gi;

  const unmarked = (text) => text.replaceAll(`<${MARK}`, "<");

  const marked = (text) => {
    let fence = "";
    return text.split(/(?<=\n)/).map((line) => {
      const found = line.match(FENCE);
      const code = fence || found;
      if (found && !fence) fence = found[1];
      else if (found?.[1].startsWith(fence) && !line.slice(found[0].length).trim()) fence = "";
      return code ? line : line.replace(CODE_OR_TAG, (part) => (part === "<" ? `<${MARK}` : part));
    }).join("");
  };

  const textOf = ({ content }) =>
    unmarked(typeof content === "string" ? content : content.map((part) => part.text ?? "").join(""));

  // What a storage holds may be damaged, or not ours: only what a message consists of comes through, with its marks.
  const sound = (messages) => messages.filter((m) => ["user", "assistant"].includes(m?.role)).map((m) => {
    const { title, id, status, duration } = m.metadata ?? {};
    const write = id === "figures" ? figures : (text) => marked(unmarked(text));
    const parts = Array.isArray(m.content) ? m.content : [{ text: m.content }];
    const content = parts.flatMap((part) => {
      if (typeof part?.text === "string") return [{ type: "text", text: write(part.text) }];
      return typeof part?.file?.path === "string" ? [{ type: "file", file: part.file }] : [];
    });
    const metadata = title || id ? { title: title && marked(unmarked(String(title))), id: id && String(id), status, duration } : null;
    return { role: m.role, content, metadata, options: null };
  });

  const figures = (text) => `<span class="figures">${text.replace(/<[^>]*>|[<>]/g, "")}</span>`;

  // A copy is what was written.
  const clipboard = navigator.clipboard;
  const write = clipboard?.writeText.bind(clipboard);
  if (clipboard) clipboard.writeText = (text) => write(unmarked(text));
  document.addEventListener("copy", (event) => {
    const text = String(getSelection());
    if (!text.includes(MARK)) return;
    event.clipboardData.setData("text/plain", unmarked(text));
    event.preventDefault();
  });

  window.streamspace = { marked, textOf, sound };
})();
