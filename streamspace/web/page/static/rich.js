// Draws what Markdown alone can't: formulas, colours of code, diagrams. Each library is Gradio's own copy, and is loaded
// when a reply first needs it; until then, and where one fails, the text stays as it was written.
import { copied, element, iconButton } from "./dom.js";
import { t } from "./texts.js";

const { assets } = window.streamspace;
const load = (address) => import(new URL(address, document.baseURI));

let katex;
const katexLoaded = async () => {
  if (!document.querySelector("link[data-katex]")) {
    document.head.append(element("link", { rel: "stylesheet", href: assets.katexStyle, "data-katex": true }));
  }
  katex = (await load(assets.katex)).default;
};

const drawMath = (node) => {
  const tex = node.textContent;
  try {
    katex.render(tex, node, { displayMode: "display" in node.dataset, throwOnError: true, trust: false, maxExpand: 200, maxSize: 40, strict: "ignore" });
  } catch {
    node.textContent = tex; // not LaTeX that KaTeX knows: its source
  }
  node.dataset.tex = tex;
};

const ALIASES = { js: "javascript", jsx: "javascript", ts: "typescript", py: "python", sh: "bash", shell: "bash", zsh: "bash", html: "markup", xml: "markup", svg: "markup", "c++": "cpp", yml: "yaml", tex: "latex", rs: "rust" };
const COLOURED = 10_000; // characters: Prism's time grows with the square of a code's length
const NEEDS = { cpp: ["c"], php: ["markup-templating"] };

const colour = async (block) => {
  const name = block.dataset.language.toLowerCase();
  const language = ALIASES[name] ?? name;
  if (!language || language === "mermaid") return;
  const code = block.querySelector("code");
  if (code.textContent.length > COLOURED) return;
  window.Prism ??= { manual: true };
  const prism = (await load(assets.prism)).t();
  for (const each of [...(NEEDS[language] ?? []), language]) {
    if (!prism.languages[each] && assets.languages[each]) {
      window.Prism = prism;
      await load(assets.languages[each]).catch(() => {});
    }
  }
  if (prism.languages[language] && block.isConnected) code.innerHTML = prism.highlight(code.textContent, prism.languages[language], language);
};

let drawings = 0;
const draw = async (block) => {
  const { default: mermaid } = await load(assets.mermaid);
  mermaid.initialize({
    startOnLoad: false, securityLevel: "strict", htmlLabels: false, flowchart: { htmlLabels: false }, fontFamily: "sans-serif",
    secure: ["secure", "securityLevel", "startOnLoad", "maxTextSize", "htmlLabels", "flowchart", "themeCSS", "fontFamily"],
    theme: getComputedStyle(document.documentElement).colorScheme === "dark" ? "dark" : "default", suppressErrorRendering: true,
  });
  const source = block.querySelector("code").textContent;
  const { svg } = await mermaid.render(`drawing-${drawings += 1}`, source);
  // As an image, a drawing can neither run scripts nor fetch anything, whatever its labels hold.
  const image = element("img", { class: "drawing", alt: t("drawing"), src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` });
  if (block.isConnected) block.before(image);
};

// Draws what is new in a block of a reply; `grows` says that more of its text may come.
export const enrich = (node, grows) => {
  const formulas = [...node.querySelectorAll(".math:not([data-tex])")];
  if (formulas.length && katex) formulas.forEach(drawMath);
  else if (formulas.length) katexLoaded().then(() => formulas.filter((each) => each.isConnected).forEach(drawMath), () => {});
  if (grows) return;
  for (const block of node.querySelectorAll(".code[data-language]")) {
    const copy = iconButton("copy", t("copy_code"), () => copied(block.querySelector("code").textContent));
    block.querySelector(".bar").append(copy);
    if (block.dataset.language === "mermaid") draw(block).catch(() => {});
    else colour(block).catch(() => {});
  }
};
