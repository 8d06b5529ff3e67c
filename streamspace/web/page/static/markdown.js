// Markdown to HTML, by one parser that decides what is code, math, a tag or text. Tags are text, but for a few that
// only shape it; nothing that a text names is fetched.
import MarkdownIt from "./vendor/markdown-it.mjs";

const md = new MarkdownIt({ html: false, breaks: true, linkify: true });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
md.disable("reference"); // a definition would vanish from the page

// Quotes and lists that are nested deeper than the parser's limit would vanish. It stays as it is within a line, where
// nothing vanishes and a deeper search takes long.
const DEEPEST = 1000;
const { tokenize } = md.block;
md.block.tokenize = (state, ...lines) => {
  const { maxNesting } = md.options;
  md.options.maxNesting = DEEPEST;
  tokenize.call(md.block, state, ...lines);
  md.options.maxNesting = maxNesting;
};

// Math: $$ $$, \[ \], \( \), and $ $ by pandoc's rule, so that prices and shell variables stay text: no space inside,
// no digit after it (https://pandoc.org/MANUAL.html#extension-tex_math_dollars).
const DELIMITERS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false]];

const mathToken = (state, text, display) => {
  state.push("math", "math", 0).content = text;
  state.tokens.at(-1).info = display ? "display" : "";
};

const closing = (text, start) => {
  for (let end = text.indexOf("$", start); end > 0; end = text.indexOf("$", end + 1)) {
    if (text[end - 1] === "\\") continue;
    return /\s/.test(text[end - 1]) || /\d/.test(text[end + 1] ?? "") ? -1 : end;
  }
  return -1;
};

md.inline.ruler.before("escape", "math", (state, silent) => {
  const { src, pos } = state;
  const found = DELIMITERS.find(([open]) => src.startsWith(open, pos));
  let [open, close, display] = found ?? ["$", "$", false];
  if (src[pos] !== open[0]) return false;
  const start = pos + open.length;
  if (!found && /\s|\$|^$/.test(src[start] ?? "")) return false;
  const end = found ? src.indexOf(close, start) : closing(src, start);
  if (end < 0 || end >= state.posMax || !src.slice(start, end).trim()) return false;
  if (!silent) mathToken(state, src.slice(start, end), display);
  state.pos = end + close.length;
  return true;
});

// A formula of several lines, none of them empty: between $$ or \[ \], or a LaTeX environment of its own.
const ENVIRONMENT = /^\\begin\{((?:equation|align|alignat|gather|multline|cases|matrix|pmatrix|bmatrix|vmatrix|array|CD)\*?)\}/;

md.block.ruler.before("fence", "math", (state, first, last, silent) => {
  if (state.sCount[first] - state.blkIndent >= 4) return false;
  const line = (number) => state.src.slice(state.bMarks[number] + state.tShift[number], state.eMarks[number]);
  const start = line(first);
  const environment = start.match(ENVIRONMENT);
  const close = environment ? `\\end{${environment[1]}}` : start.startsWith("$$") ? "$$" : start.startsWith("\\[") ? "\\]" : null;
  if (!close) return false;
  let end = first;
  const opened = environment ? 0 : 2;
  while (end < last && !state.isEmpty(end) && line(end).indexOf(close, end === first ? opened : 0) < 0) end += 1;
  if (end >= last || state.isEmpty(end) || !line(end).trimEnd().endsWith(close)) return false;
  if (silent) return true;
  const text = state.getLines(first, end + 1, state.blkIndent, false).trim();
  const token = state.push("math", "math", 0);
  token.block = true;
  token.content = environment ? text : text.slice(2, -2);
  token.info = "display";
  token.map = [first, end + 1];
  state.line = end + 1;
  return true;
}, { alt: ["paragraph", "reference", "blockquote", "list"] });

const escape = md.utils.escapeHtml;
md.renderer.rules.math = ([...tokens], index) => {
  const { content, info, block } = tokens[index];
  const shown = `<span class="math"${info ? " data-display" : ""}>${escape(content)}</span>`;
  return block ? `<p>${shown}</p>` : shown;
};

// The tags that only shape a text.
const SHAPE = /^<(?:(br)\s*\/?|(\/?)(sub|sup|kbd|mark|u))>/i;
md.inline.ruler.before("autolink", "shape", (state, silent) => {
  const found = state.src.slice(state.pos, state.pos + 12).match(SHAPE);
  if (!found) return false;
  if (!silent) state.push("shape", "", 0).content = found[0].toLowerCase().replace(/[\s/]*>$/, ">");
  state.pos += found[0].length;
  return true;
});
md.renderer.rules.shape = (tokens, index) => tokens[index].content;

// Emphasis beside Chinese, Japanese and Korean punctuation, which have no spaces: **重要：**内容. CommonMark's rule asks for
// one there (https://github.com/commonmark/commonmark-spec/issues/650).
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u;
const { scanDelims } = md.inline.State.prototype;
md.inline.State.prototype.scanDelims = function scan(start, canSplitWord) {
  const found = scanDelims.call(this, start, canSplitWord);
  const [before, after] = [this.src[start - 1] ?? " ", this.src[start + found.length] ?? " "];
  if (canSplitWord && (CJK.test(before) || CJK.test(after))) {
    found.can_open ||= !/\s/.test(after);
    found.can_close ||= !/\s/.test(before);
  }
  return found;
};

// An image would be fetched from elsewhere: its address stays a link.
md.renderer.rules.image = (tokens, index) => {
  const source = tokens[index].attrGet("src") ?? "";
  return `<a href="${escape(source)}" target="_blank" rel="noopener noreferrer nofollow">${escape(tokens[index].content || source)}</a>`;
};
md.renderer.rules.link_open = (tokens, index, options, env, self) => {
  tokens[index].attrSet("target", "_blank");
  tokens[index].attrSet("rel", "noopener noreferrer nofollow");
  return self.renderToken(tokens, index, options);
};
md.renderer.rules.table_open = () => '<div class="scroll" tabindex="0"><table>\n';
md.renderer.rules.table_close = () => "</table></div>\n";

const code = (content, info) => {
  const language = info.trim().split(/\s/)[0];
  return `<div class="code" data-language="${escape(language)}"><div class="bar"><span>${escape(language)}</span></div>`
    + `<pre tabindex="0"><code>${escape(content)}</code></pre></div>\n`;
};
md.renderer.rules.fence = (tokens, index) => code(tokens[index].content, tokens[index].info);
md.renderer.rules.code_block = (tokens, index) => code(tokens[index].content, "");

// The last of the known blocks of a text that the text can't change any more by growing: after an empty line, and not in
// the last line, which may become anything.
const settled = (text, known) => {
  const line = text.lastIndexOf("\n") + 1;
  return known.findLastIndex(({ start }) => start < line && /(^|\n)[ \t]*\n$/.test(text.slice(Math.max(0, start - 200), start)));
};

// The blocks of a text, each with its HTML and with where in the text it begins. The `known` blocks are those of the text
// `before`, with which this one begins.
export const blocks = (text, before = "", known = []) => {
  const first = settled(before, known);
  const kept = first < 0 ? [] : known.slice(0, first).map(({ html, start }) => ({ html, start }));
  const from = first < 0 ? 0 : known[first].start;
  const rest = text.slice(from);
  const env = {};
  let [group, line, offset] = [[], 0, 0];
  for (const token of md.parse(rest, env)) {
    group.push(token);
    if (token.level > 0 || token.nesting > 0) continue;
    for (; line < group[0].map[0]; line += 1) offset = rest.indexOf("\n", offset) + 1;
    kept.push({ html: md.renderer.render(group, md.options, env), start: from + offset });
    group = [];
  }
  return kept;
};

export const toHtml = (text) => blocks(text).map(({ html }) => html).join("");
