// Escapes text that a model or a visitor wrote, by the rule of markup.py, which gives the reasons, and shows it again.
(() => {
  const MARK = "\u2060";
  const TAG = /<(?=[a-z/!?])(?!\/?(?:br|sub|sup|kbd|details|summary)[ \t]*\/?>|https?:\/\/[!#-&(-;=?-_a-~]*>)/gi;

  const unescape = (text) => text.replace(/<\u2060+/g, "<");
  const escape = (text) => unescape(text).replace(TAG, `<${MARK}`);

  const textOf = ({ content }) =>
    unescape(typeof content === "string" ? content : content.map((part) => part.text ?? "").join(""));

  // The browser's storage may be damaged or written by others: only the known parts of a message pass, escaped again.
  const sanitize = (messages) => messages.filter((m) => ["user", "assistant"].includes(m?.role)).map((m) => {
    const { title, id, status, duration } = m.metadata ?? {};
    const clean = id === "figures" ? figures : escape;
    const parts = Array.isArray(m.content) ? m.content : [{ text: m.content }];
    const content = parts.flatMap((part) => {
      if (typeof part?.text === "string") return [{ type: "text", text: clean(part.text) }];
      return typeof part?.file?.path === "string" ? [{ type: "file", file: upload(part.file) }] : [];
    });
    const metadata = title || id ? { title: title && escape(String(title)), id: id && String(id), status, duration } : null;
    return { role: m.role, content, metadata, options: null };
  });

  // A stored file's address is made again: one that leads elsewhere would be asked for.
  const upload = ({ path, orig_name, mime_type }) => ({
    path, orig_name, mime_type, meta: { _type: "gradio.FileData" },
    url: new URL(`gradio_api/file=${path.split("/").map(encodeURIComponent).join("/")}`, document.baseURI).href,
  });

  const figures = (text) => `<span class="figures">${text.replace(/<[^>]*>|[<>]/g, "")}</span>`;

  // A text that is in the page is no HTML any more, so it is shown, copied and drawn as it was written. This runs before
  // the next frame, and before Mermaid reads its diagrams.
  const show = (node) => {
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    let bracket = false; // whether the text before this one ended with an angle bracket
    for (let text = texts.currentNode.nodeType === Node.TEXT_NODE ? node : texts.nextNode(); text; text = texts.nextNode()) {
      const plain = unescape(bracket ? text.data.replace(/^\u2060+/, "") : text.data);
      bracket = plain.endsWith("<");
      if (plain !== text.data) text.data = plain;
    }
  };

  // A diagram's labels are HTML, with forms and any name, since Mermaid removes scripts only.
  const LABEL = "div, span, p, br, hr, b, i, em, strong, u, s, small, sub, sup, code, pre, ul, ol, li, h1, h2, h3, h4, h5, h6";
  const clean = (node) => {
    for (const part of node.querySelectorAll?.("foreignObject *") ?? []) {
      if (part.matches(LABEL) || part.closest(".katex")) ["id", "name"].forEach((name) => part.removeAttribute(name));
      else part.remove();
    }
  };

  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
    show(node);
    clean(node);
  }))).observe(document, { childList: true, subtree: true });

  // Gradio colours code with Prism, which must read it as it was written.
  let prism;
  Object.defineProperty(window, "Prism", {
    get: () => prism,
    set(loaded) {
      prism = loaded;
      loaded?.hooks?.add("before-tokenize", (found) => (found.code = unescape(found.code)));
    },
  });

  // The button that copies a message copies Gradio's value.
  const clipboard = navigator.clipboard;
  const write = clipboard?.writeText.bind(clipboard);
  if (clipboard) clipboard.writeText = (text) => write(unescape(text));

  // The page's own parts, never one that a text in the conversation imitates: a diagram chooses its elements' ids.
  const own = (selector) => [...document.querySelectorAll(selector)].filter((part) => !part.closest("[role=log]"));

  window.streamspace = { escape, unescape, textOf, sanitize, own };
})();
