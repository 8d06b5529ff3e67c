// A conversation as data: a tree of messages, since Retry and Edit keep what was there. No page and no storage here.
//
// A node is {id, parent, role, created, revised}. The visitor's has a text and files, of which a file of text holds its
// text and an image is an upload's description; a reply has parts of {kind, text, seconds}, a state, and how it ended.
// `leaf` is the last message of the branch that is shown, `named` is when the visitor gave the conversation its title.

export const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

export const create = () => {
  const now = Date.now();
  return { id: newId(), title: "", named: 0, created: now, revised: now, leaf: null, nodes: {}, settings: {} };
};

export const path = (conversation) => {
  const found = [];
  for (let node = conversation.nodes[conversation.leaf]; node; node = conversation.nodes[node.parent]) found.unshift(node);
  return found;
};

export const add = (conversation, fields) => {
  const now = Date.now();
  const node = { id: newId(), parent: conversation.leaf, created: now, revised: now, ...fields };
  conversation.nodes[node.id] = node;
  return touch(conversation, node);
};

// Marks a change, as later than the one before, even in the same millisecond.
export const revise = (...changed) => {
  for (const each of changed) each.revised = Math.max(Date.now(), each.revised + 1);
};

// The branch of the node is now the one that is shown.
export const touch = (conversation, node) => {
  conversation.leaf = node.id;
  revise(conversation, node);
  return node;
};

const ordered = (nodes) => nodes.sort((one, other) => one.created - other.created || (one.id < other.id ? -1 : 1));

// The node and its alternatives, oldest first.
export const versions = (conversation, node) =>
  ordered(Object.values(conversation.nodes).filter((other) => other.parent === node.parent && other.role === node.role));

// Shows the branch that goes through the node, to its newest end.
export const select = (conversation, node) => {
  let last = node;
  for (let next = node; next; next = ordered(Object.values(conversation.nodes).filter(({ parent }) => parent === last.id)).at(-1)) last = next;
  conversation.leaf = last.id;
  revise(conversation);
};

export const textOf = (node, kind = "answer") =>
  node.role === "user" ? node.text : node.parts.filter((part) => part.kind === kind).map((part) => part.text).join("\n\n");

const TITLE_LENGTH = 60; // characters of a title that is made from the first question

export const titleOf = (conversation) => {
  if (conversation.title) return conversation.title;
  const [first] = path(conversation);
  const text = (first?.text || first?.files?.[0]?.name || "").replace(/\s+/g, " ").trim();
  const letters = [...text];
  return letters.length > TITLE_LENGTH ? `${letters.slice(0, TITLE_LENGTH - 1).join("")}…` : text;
};

// What the model reads of the visitor's message: files of text come first, each under its name.
export const promptOf = ({ text, files = [] }) => {
  const told = files.filter((file) => "text" in file).map((file) => {
    const longest = Math.max(2, ...(file.text.match(/`+/g) ?? []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    return `${file.name}:\n${fence}\n${file.text}\n${fence}`;
  });
  return [...told, text].filter(Boolean).join("\n\n");
};

export const imagesOf = ({ files = [] }) => files.filter((file) => !("text" in file));

const sent = (node) => ({ content: promptOf(node), images: imagesOf(node).map(({ path: place, orig_name, mime_type }) => ({ path: place, orig_name, mime_type })) });

// What the server is asked for a reply to the last of these nodes, the visitor's. A question without an answer is left
// out of what came before: the model would answer it now.
export const exchange = (nodes) => {
  const history = [];
  for (let index = 0; index + 1 < nodes.length; index += 1) {
    const [question, reply] = [nodes[index], nodes[index + 1]];
    if (question.role === "user" && reply.role === "assistant" && textOf(reply).trim()) {
      history.push({ role: "user", ...sent(question) }, { role: "assistant", content: textOf(reply), images: [] });
    }
  }
  return { message: promptOf(nodes.at(-1)), images: sent(nodes.at(-1)).images, history };
};

// Takes into a conversation what another copy of it has, from another tab: no message of either is lost, and of each the
// later copy counts. What is shown stays.
export const join = (conversation, other) => {
  for (const node of Object.values(other.nodes)) {
    const mine = conversation.nodes[node.id];
    if (!mine) conversation.nodes[node.id] = node;
    else if (node.revised > mine.revised) Object.assign(mine, node);
  }
  if (other.revised > conversation.revised) {
    const { settings, revised } = other;
    Object.assign(conversation, { settings, revised });
  }
  if (other.named > conversation.named) Object.assign(conversation, { title: other.title, named: other.named });
  return conversation;
};

const isText = (value) => typeof value === "string";
const KINDS = ["reasoning", "answer", "tool_call"];

// What is stored or imported may be damaged or written by others: only what this module writes passes; null if nothing.
export const sanitized = (found) => {
  if (!isText(found?.id) || typeof found.nodes !== "object" || !found.nodes) return null;
  const time = (value) => (Number.isFinite(value) ? value : 0);
  const nodes = {};
  for (const [id, node] of Object.entries(found.nodes)) {
    if (node?.id !== id || !["user", "assistant"].includes(node.role)) continue;
    const base = { id, parent: isText(node.parent) ? node.parent : null, role: node.role, created: time(node.created), revised: time(node.revised) };
    if (node.role === "user") {
      const files = (Array.isArray(node.files) ? node.files : []).filter((file) => isText(file?.name) && (isText(file.text) || isText(file.path)));
      nodes[id] = { ...base, text: isText(node.text) ? node.text : "", files };
    } else {
      const parts = (Array.isArray(node.parts) ? node.parts : []).filter((part) => KINDS.includes(part?.kind) && isText(part.text))
        .map(({ kind, text, seconds }) => ({ kind, text, seconds: time(seconds) }));
      const words = Object.fromEntries(["state", "ended", "figures", "error", "notice"].filter((key) => isText(node[key])).map((key) => [key, node[key]]));
      nodes[id] = { ...base, parts, ...words };
    }
  }
  for (const node of Object.values(nodes)) if (!Object.hasOwn(nodes, node.parent) || circular(nodes, node)) node.parent = null;
  return {
    id: found.id, title: isText(found.title) ? found.title : "", named: time(found.named), created: time(found.created),
    revised: time(found.revised), leaf: Object.hasOwn(nodes, found.leaf) ? found.leaf : ordered(Object.values(nodes)).at(-1)?.id ?? null, nodes,
    settings: typeof found.settings === "object" && found.settings ? found.settings : {},
  };
};

const circular = (nodes, start) => {
  const seen = new Set();
  for (let node = start; node; node = nodes[node.parent]) {
    if (seen.has(node.id)) return true;
    seen.add(node.id);
  }
  return false;
};
