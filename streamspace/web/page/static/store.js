// The visitor's conversations, stored in this browser only, each under a key of its own: two tabs can write at the same
// time. Which one is open, and what is being typed, is each tab's own.
import { create, join, newId, sanitized } from "./conversation.js";

const PREFIX = `streamspace:${location.pathname}:`;
const KEPT_DELETED = 30 * 86_400_000; // milliseconds for which a deletion is remembered, for tabs that don't know of it

// Storage may be refused, in a frame for example; the tab goes on with what it has in memory.
const area = (name) => {
  try {
    const found = window[name];
    found.setItem(`${PREFIX}test`, "");
    found.getItem(`${PREFIX}test`);
    found.removeItem(`${PREFIX}test`);
    return found;
  } catch {
    const kept = new Map();
    return { refused: true, getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key), keys: () => [...kept.keys()] };
  }
};

export const open = () => {
  const [local, session] = [area("localStorage"), area("sessionStorage")];
  const conversations = new Map();
  const listeners = new Set();
  const changed = (id) => listeners.forEach((listener) => listener(id));
  const keys = () => (local.keys ?? (() => Object.keys(local)))().filter((key) => key.startsWith(PREFIX));

  const parsed = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  };
  const stored = (id) => parsed(local.getItem(PREFIX + id));

  const written = new Map(); // what this tab wrote last, by id

  const takeIn = (conversation, text) => {
    const other = sanitized(parsed(text)); // nothing of one that was deleted
    if (other) join(conversation, other);
  };

  // Writes it, joined with what other tabs wrote meanwhile. False where there is no room.
  const save = (conversation) => {
    const { id } = conversation;
    const found = local.getItem(PREFIX + id);
    if (found !== written.get(id) || conversations.get(id) !== conversation) takeIn(conversation, found);
    conversations.set(id, conversation);
    const text = JSON.stringify(conversation);
    let room = true;
    try {
      local.setItem(PREFIX + id, text);
      written.set(id, text);
    } catch {
      room = false;
    }
    changed(id);
    return room;
  };

  // The conversation then has also what other tabs wrote in it, so that all of it can come back.
  const remove = (conversation) => {
    takeIn(conversation, local.getItem(PREFIX + conversation.id));
    conversations.delete(conversation.id);
    local.setItem(PREFIX + conversation.id, JSON.stringify({ deleted: Date.now() }));
    changed(conversation.id);
  };

  const load = (id) => {
    const found = stored(id);
    const known = conversations.get(id);
    if (found?.deleted) {
      if (!known || known.revised <= found.deleted) conversations.delete(id);
      if (Date.now() - found.deleted > KEPT_DELETED) local.removeItem(PREFIX + id);
      return;
    }
    const conversation = sanitized(found);
    if (!conversation) return;
    conversations.set(id, known ? join(known, conversation) : conversation);
  };

  for (const key of keys()) load(key.slice(PREFIX.length));
  convertOld(local, save);
  window.addEventListener("storage", ({ key, storageArea }) => {
    if (storageArea !== local || !key?.startsWith(PREFIX)) return;
    load(key.slice(PREFIX.length));
    changed(key.slice(PREFIX.length));
  });

  return {
    refused: Boolean(local.refused),
    save,
    remove,
    get: (id) => conversations.get(id),
    all: () => [...conversations.values()].sort((one, other) => other.revised - one.revised),
    listen: (listener) => listeners.add(listener),
    get opened() {
      return conversations.get(session.getItem(`${PREFIX}open`));
    },
    set opened(conversation) {
      session.setItem(`${PREFIX}open`, conversation?.id ?? "");
    },
    draft: (id) => parsed(session.getItem(`${PREFIX}draft:${id}`)) ?? { text: "", files: [] },
    keepDraft(id, draft) {
      try {
        if (draft.text || draft.files.length) session.setItem(`${PREFIX}draft:${id}`, JSON.stringify(draft));
        else session.removeItem(`${PREFIX}draft:${id}`);
      } catch { /* too long to be kept; it stays in the box */ }
    },
    preference: (name) => parsed(local.getItem(`${PREFIX}preference:${name}`)),
    prefer(name, value) {
      try {
        local.setItem(`${PREFIX}preference:${name}`, JSON.stringify(value));
      } catch { /* no room: it is the default the next time */ }
    },
  };
};

// The conversations of version 0.1, which were one list of the chatbot's messages.
const convertOld = (local, save) => {
  const key = PREFIX.slice(0, -1);
  let found;
  try {
    found = JSON.parse(local.getItem(key))?.conversations;
  } catch { /* damaged */ }
  if (!Array.isArray(found)) return;
  const shown = (text) => text.replace(/<\u2060+/g, "<");
  for (const [age, old] of found.filter((each) => Array.isArray(each?.messages)).entries()) {
    const conversation = { ...create(), title: old.named ? String(old.title) : "", named: old.named ? Date.now() : 0, revised: Date.now() - age * 1000 };
    for (const message of old.messages.filter(Boolean)) {
      const content = Array.isArray(message.content) ? message.content : [{ text: String(message.content ?? "") }];
      const text = shown(content.map((part) => part?.text ?? "").join(""));
      const last = conversation.nodes[conversation.leaf];
      const base = { id: newId(), parent: conversation.leaf, created: Date.now(), revised: Date.now() };
      if (message.metadata?.id) continue;
      if (message.role === "user") conversation.nodes[base.id] = { ...base, role: "user", text, files: [] };
      else if (last?.role === "assistant") last.parts.push({ kind: "answer", text, seconds: 0 });
      else conversation.nodes[base.id] = { ...base, role: "assistant", parts: [{ kind: message.metadata?.title ? "reasoning" : "answer", text, seconds: 0 }], state: "done" };
      if (conversation.nodes[base.id]) conversation.leaf = base.id;
    }
    if (conversation.leaf && !save(conversation)) return;
  }
  local.removeItem(key);
};
