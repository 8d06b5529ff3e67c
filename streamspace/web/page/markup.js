// Escapes text that a model or a visitor wrote, by the rules of markup.py, which gives the reasons.
(() => {
  const MARK = "\u2060";
  const LINE_START = /(?<=\n)|(?<=\r)(?!\n)/;
  const FENCE = /^ {0,3}(`{3,}(?![^\r\n]*`)|~{3,})/;
  const FENCE_END = /^ {0,3}([`~]+) *[\r\n]*$/;
  const CODE_OR_TAG = /(?<code>\\[\\`]|(`+)(?!`)[^\r\n]*?(?<!`)\2(?!`)|`+)|<(?=[a-z/!?])(?!\/?(?:br|sub|sup|kbd|details|summary)[ \t]*\/?>|https?:\/\/)/gi;

  const unescape = (text) => text.replaceAll(`<${MARK}`, "<");

  const escape = (text) => {
    let fence = "";
    return text.replaceAll(`<${MARK}`, `<${MARK}${MARK}`).split(LINE_START).map((line) => {
      if (fence) {
        if (line.match(FENCE_END)?.[1].startsWith(fence)) fence = "";
        return line;
      }
      fence = line.match(FENCE)?.[1] ?? "";
      return fence ? line : line.replace(CODE_OR_TAG, (part) => (part === "<" ? `<${MARK}` : part));
    }).join("");
  };

  const textOf = ({ content }) =>
    unescape(typeof content === "string" ? content : content.map((part) => part.text ?? "").join(""));

  // The browser's storage may be damaged or written by others: only the known parts of a message pass, escaped again.
  const sanitize = (messages) => messages.filter((m) => ["user", "assistant"].includes(m?.role)).map((m) => {
    const { title, id, status, duration } = m.metadata ?? {};
    const clean = id === "figures" ? figures : (text) => escape(unescape(text));
    const parts = Array.isArray(m.content) ? m.content : [{ text: m.content }];
    const content = parts.flatMap((part) => {
      if (typeof part?.text === "string") return [{ type: "text", text: clean(part.text) }];
      return typeof part?.file?.path === "string" ? [{ type: "file", file: part.file }] : [];
    });
    const metadata = title || id ? { title: title && escape(unescape(String(title))), id: id && String(id), status, duration } : null;
    return { role: m.role, content, metadata, options: null };
  });

  const figures = (text) => `<span class="figures">${text.replace(/<[^>]*>|[<>]/g, "")}</span>`;

  // What a visitor copies is the text as it was written.
  const clipboard = navigator.clipboard;
  const write = clipboard?.writeText.bind(clipboard);
  if (clipboard) clipboard.writeText = (text) => write(unescape(text));
  document.addEventListener("copy", (event) => {
    const text = String(getSelection());
    if (!text.includes(MARK)) return;
    event.clipboardData.setData("text/plain", unescape(text));
    event.preventDefault();
  });

  window.streamspace = { escape, unescape, textOf, sanitize };
})();
