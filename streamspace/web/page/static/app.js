// The page: what is shown is made of what is stored, and changes when a visitor acts or the server writes.
import { account } from "./account.js";
import { composer } from "./composer.js";
import * as conversations from "./conversation.js";
import { composing, copied, element, icon, iconButton } from "./dom.js";
import { toHtml } from "./markdown.js";
import { asMarkdown, view } from "./messages.js";
import { panel } from "./settings.js";
import { sidebar } from "./sidebar.js";
import { open as openStore } from "./store.js";
import { language, t } from "./texts.js";
import { connect } from "./transport.js";

const { page } = window.streamspace;
const SAVE = 800; // milliseconds between saves of a reply that is being written
const LIVE = 5000; // milliseconds after the last save of a reply by another tab, in which it is being written
const AT_END = 48; // pixels from the end within which the view follows the text
const UNDO = 10_000; // milliseconds for which a deletion can be undone
const wide = matchMedia("(min-width: 64rem)");

const root = document.documentElement;
root.lang = language;
root.dir = language === "ar" ? "rtl" : "ltr";
// Gradio names the browser's language there, whether or not the words are in it.
new MutationObserver(() => root.lang !== language && (root.lang = language)).observe(root, { attributeFilter: ["lang"] });
const wanted = new URLSearchParams(location.search).get("__theme");
if (["light", "dark"].includes(wanted)) root.style.colorScheme = wanted;
const gradios = new URLSearchParams(location.search).get("view"); // its own description of the API, which its button opens
root.classList.toggle("gradio-view", Boolean(gradios));
const opening = gradios === "api" && setInterval(() => {
  if (!document.querySelector(".api-docs")) document.querySelector("button.show-api")?.click();
  else clearInterval(opening);
}, 300);
root.dataset.gradioCover = ""; // in a frame, Gradio reports the window's height

// The skeleton
const place = (tag, id, attributes = {}) => element(tag, { id, ...attributes });
const [nav, log, toEnd, empty] = [place("nav", "sidebar", { "aria-label": t("conversations") }), place("div", "conversation", { role: "log", "aria-live": "off", "aria-label": t("conversation") }), place("button", "to-end", { type: "button", "aria-label": t("to_end"), title: t("to_end"), hidden: true }), place("div", "empty")];
const [form, aside, banner, notice, toast, said] = [place("div", "composer"), place("aside", "settings", { "aria-label": t("settings"), hidden: true }), place("div", "banner", { role: "status" }), place("div", "notice", { role: "alert" }), place("div", "toast", { role: "status" }), place("div", "announcement", { role: "status" })];
toEnd.append(icon("down"));
const scroller = element("div", { id: "scroller", tabindex: "0", role: "region", "aria-label": t("conversation") }, empty, log);
const settingsButton = iconButton("settings", t("settings"), () => showSettings(aside.hidden), { id: "open-settings", "aria-expanded": "false", "aria-controls": "settings" });
const heading = element("h1", {}, page.title);
const top_ = element("header", { id: "top" },
  iconButton("menu", t("conversations"), () => showSidebar(!root.classList.contains("sidebar")), { id: "open-sidebar", "aria-expanded": "false", "aria-controls": "sidebar" }),
  page.logo && element("img", { id: "logo", src: page.logo, alt: "" }), heading, settingsButton);
const origin = element("p", { id: "origin" });
const [signIn, signedIn] = [place("section", "sign-in", { "aria-label": t("sign_in") }), place("p", "account")];
const bottom = element("div", { id: "bottom" }, notice, signIn, form, signedIn, origin);
const main = element("main", {}, top_, banner, scroller, toEnd, bottom);
document.body.append(element("div", { id: "app" }, nav, element("div", { id: "shade", onclick: () => { showSidebar(false); showSettings(false); } }), main, aside, toast, said));

const visitor = account(signIn, signedIn, () => {
  box.value = box.value; // whose height is known only now
  measureSoon();
  box.focus();
});
const store = openStore();
let conversation = store.opened ?? conversations.create();
let writing = null; // the reply that is being written: {conversation, node}
let saved = 0;
let following = true;

const live = (node) => writing?.node.id === node.id || Date.now() - node.revised < LIVE;
const nodes = () => conversations.path(conversation);
const writesHere = () => writing?.conversation === conversation;
const actions = {
  show(node) {
    conversations.select(conversation, node);
    keep();
    draw();
  },
  edit: (node) => messages.edit(node, (text) => {
    const question = conversations.add(branch(node.parent), { role: "user", text, files: node.files });
    reply(question);
  }),
  copy: (node) => copyText(conversations.textOf(node)),
  retry: (node) => reply(node.role === "user" ? node : conversation.nodes[node.parent]),
  resume: (node) => reply(conversation.nodes[node.parent], node),
};
const messages = view(log, actions, live);

// The conversation, to which the next message is added after this one.
const branch = (id) => Object.assign(conversation, { leaf: id });

const copyText = async (text) => {
  await copied(text);
  announce(t("copied"));
};

const announce = (words) => {
  said.textContent = words;
};

// Saving; the storage may be full.
const keep = (whole = conversation) => {
  saved = Date.now();
  if (store.save(whole)) return;
  notice.replaceChildren(t("storage_full"),
    element("button", { type: "button", onclick: () => download(whole, "json") }, t("json")),
    element("button", { type: "button", onclick: () => showSidebar(true) }, t("conversations")));
};

const settings = panel(aside, page, (what) => {
  if (what === "close") return showSettings(false);
  mark();
  conversation.settings = settings.values;
  if (conversation.leaf) keep();
  measureSoon();
});
const mark = () => {
  const differs = settings.mark();
  settingsButton.classList.toggle("changed", differs);
  settingsButton.setAttribute("aria-label", differs ? t("settings_changed") : t("settings"));
};

const checkSize = ({ name, size }, most) => {
  if (size > most) throw new Error(t("file_bytes", { name, most: most / 2 ** 20 }));
};

const box = composer(form, page, {
  send: () => (box.reading ? undefined : send()),
  stop: () => stop(),
  change: () => {
    notice.replaceChildren();
    store.keepDraft(conversation.leaf ? conversation.id : "new", box.value);
    measureSoon();
  },
  async upload(file) {
    checkSize(file, page.limits.image_bytes);
    const { path } = await server.upload(file);
    return { path, orig_name: file.name, mime_type: file.type };
  },
  async pdf(file) {
    checkSize(file, page.limits.pdf_bytes);
    const answer = await server.textOf(file);
    if (!answer.ok) throw new Error(answer.status === 422 ? t("file_kind", { name: file.name }) : t("busy"));
    return answer.text();
  },
  problem: (words) => notice.replaceChildren(words),
});

const listing = sidebar(nav, {
  toggle: () => showSidebar(false),
  create: () => show(conversations.create()),
  open: (each) => show(each),
  rename(each, title) {
    Object.assign(each, { title, named: Date.now() });
    conversations.revise(each);
    keep(each);
  },
  markdown: (each) => download(each, "md"),
  json: (each) => download(each, "json"),
  remove,
  load,
});

// Drawing
let [frame, later] = [0, 0];
const draw = () => {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    const shown = nodes();
    root.classList.toggle("talking", shown.length > 0);
    messages.draw(conversation, shown, writesHere());
    clearTimeout(later); // of a reply that another tab writes nobody says that it was interrupted
    if (shown.some((node) => node.state === "writing" && node !== writing?.node && live(node))) later = setTimeout(draw, LIVE);
    box.busy(writesHere());
    if (following) scroller.scrollTop = scroller.scrollHeight;
    drawEnd();
  });
};
const drawEnd = () => {
  const far = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  toEnd.hidden = far <= AT_END;
  return far;
};
const drawList = () => listing.draw(store.all(), conversation);
// The view follows the text until the visitor moves away from its end.
let top = 0;
scroller.addEventListener("scroll", () => {
  if (drawEnd() <= AT_END) following = true;
  else if (scroller.scrollTop < top) following = false; // else what is above has grown
  top = scroller.scrollTop;
});
scroller.addEventListener("wheel", (event) => {
  if (event.deltaY < 0 && scroller.scrollHeight > scroller.clientHeight) following = false;
}, { passive: true });
toEnd.addEventListener("click", () => {
  following = true;
  scroller.scrollTo({ top: scroller.scrollHeight });
});
new ResizeObserver(() => root.style.setProperty("--bottom", `${bottom.offsetHeight}px`)).observe(bottom);
const follow = new ResizeObserver(() => following && (scroller.scrollTop = scroller.scrollHeight));
for (const each of [scroller, log]) follow.observe(each); // formulas and drawings come later than their text

// What a visitor does
const tooLong = (text) => {
  const [characters, most] = [[...text].length, page.limits.prompt_characters];
  if (characters <= most) return "";
  return page.limits.files ? t("too_long", { characters, most }) : t("file_large", { name: t("message"), characters, most });
};

const send = () => {
  const { text, files } = box.value;
  if (!visitor.may || writesHere() || (!text.trim() && !files.length)) return;
  const problem = tooLong(text);
  if (problem) return void notice.replaceChildren(problem);
  if (writing) stop(); // in another conversation: what it has written stays there
  if (page.task === "completion") branch(null);
  const question = conversations.add(conversation, { role: "user", text, files });
  store.keepDraft("new", { text: "", files: [] });
  store.keepDraft(conversation.id, { text: "", files: [] });
  box.value = { text: "", files: [] };
  reply(question);
};

// Has the question answered, by a new reply or by going on with one that has begun.
const reply = (question, begun) => {
  if (!visitor.may) return;
  if (writing) stop();
  conversation.settings = settings.values;
  branch(question.id);
  const fresh = { state: "writing", ended: "", figures: "", error: "", notice: "", status: "" };
  const node = begun ? Object.assign(conversations.touch(conversation, begun), fresh) : conversations.add(conversation, { role: "assistant", parts: [], ...fresh });
  writing = { conversation, node, seconds: node.parts.map((part) => part.seconds) };
  following = true;
  store.opened = conversation;
  keep();
  draw();
  const before = conversations.path({ ...conversation, leaf: question.id });
  server.ask({
    id: conversations.newId(), ...conversations.exchange(page.task === "completion" ? [question] : before), ...settings.asked,
    begun: node.parts.map(({ kind, text }) => ({ kind, text })),
    file_characters: charactersOf(question.files),
  });
  announce(t("starting"));
};

const charactersOf = (files = []) => files.reduce((sum, file) => sum + (file.text?.length ?? 0), 0);

const stop = () => server.stop();

const show = (next) => {
  conversation = next;
  store.opened = next.leaf ? next : null;
  messages.clear();
  settings.values = conversation.settings;
  mark();
  box.value = store.draft(next.leaf ? next.id : "new");
  following = true;
  notice.replaceChildren();
  draw();
  drawList();
  measureSoon();
  if (!wide.matches) showSidebar(false);
  box.focus();
};

let undo = 0;
function remove(each) {
  if (writing?.conversation === each) stop();
  store.remove(each);
  const copy = structuredClone(each);
  if (each === conversation) show(conversations.create());
  clearTimeout(undo);
  undo = setTimeout(() => toast.replaceChildren(), UNDO);
  toast.replaceChildren(t("deleted", { title: conversations.titleOf(copy) || t("untitled") }), element("button", { type: "button", onclick: () => {
    copy.revised = Date.now();
    keep(copy);
    toast.replaceChildren();
    show(copy);
  } }, t("undo")));
}

function download(each, kind) {
  const shown = conversations.path(each);
  const text = kind === "md" ? asMarkdown(each, shown) : JSON.stringify({ ...each, title: conversations.titleOf(each), model: page.model.name, space: page.title, exported: new Date().toISOString() }, null, 2);
  const name = `${(conversations.titleOf(each) || t("untitled")).replace(/[\\/:*?"<>|\n]/g, "_")}.${kind}`;
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: kind === "md" ? "text/markdown" : "application/json" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function load(file) {
  let found = null;
  try {
    found = conversations.sanitized(JSON.parse(await file.text()));
  } catch { /* not JSON */ }
  if (!found?.leaf) {
    notice.replaceChildren(t("import_failed", { name: file.name }));
    return;
  }
  const known = store.get(found.id);
  const whole = Object.assign(known ? conversations.join(known, found) : found, { revised: Date.now() });
  keep(whole);
  show(whole);
}

const showSidebar = (now) => {
  root.classList.toggle("sidebar", now);
  document.getElementById("open-sidebar").setAttribute("aria-expanded", String(now));
  nav.inert = !now;
  if (wide.matches) store.prefer("sidebar", now);
  else if (now) nav.querySelector("button").focus();
};
const showSettings = (now) => {
  if (aside.hidden === !now) return;
  aside.hidden = !now;
  root.classList.toggle("settings", now);
  settingsButton.setAttribute("aria-expanded", String(now));
  if (now) settings.focus();
  else settingsButton.focus();
};

// What the server says
const server = connect({
  draft: () => ({
    ...conversations.exchange([...nodes().filter((node) => node !== writing?.node), { role: "user", ...box.value }]), ...settings.asked,
    id: "", file_characters: charactersOf(box.value.files),
  }),
  reply({ parts, state, notice, status, ended, figures, error }) {
    const { node } = writing;
    const start = writing.seconds;
    const taken = parts.map((part, index) => ({ ...part, seconds: part.seconds + (start[index] ?? 0) }));
    Object.assign(node, { parts: taken, state, notice, status, ended, figures, error });
    conversations.revise(node);
    if (writing.conversation === conversation) draw();
    if (Date.now() - saved > SAVE) keep(writing.conversation);
  },
  end(why) {
    const { node, conversation: whole } = writing;
    writing = null;
    if (why === "failed" && node.state === "writing") Object.assign(node, { state: "failed", error: t("busy") });
    else if (node.state === "writing") Object.assign(node, { state: why === "stopped" ? "stopped" : "interrupted", ended: why === "stopped" ? t("stopped") : "" });
    conversations.revise(node, whole);
    keep(whole);
    draw();
    announce(node.error || conversations.textOf(node) || t("stopped"));
    measureSoon();
    if (why === "failed") checkVisitor(node, whole);
    else visitor.weigh();
  },
  model({ status, diagnosis, thinking, note }) {
    banner.replaceChildren(...[diagnosis && element("strong", {}, diagnosis.problem), diagnosis && element("span", {}, diagnosis.next), status ?? note].filter(Boolean));
    banner.classList.toggle("error", Boolean(diagnosis));
    banner.classList.toggle("loading", Boolean(status));
    if (thinking) settings.offer(thinking.choices, thinking.initial);
    settings.values = conversation.settings;
    mark();
    if (!status && !diagnosis) measureSoon();
  },
  measure({ words, problem }) {
    weighed(words, tooLong(box.value.text) || problem);
  },
  away(now) {
    banner.classList.toggle("error", now);
    banner.replaceChildren(now ? t("away") : t("back"));
    if (!now) setTimeout(() => banner.textContent === t("back") && banner.replaceChildren(), 6000);
  },
});

// A reply also fails where the visitor's session is over.
const checkVisitor = async (node, whole) => {
  await visitor.refresh();
  if (visitor.may) return;
  conversations.revise(Object.assign(node, { error: t("signed_out") }));
  keep(whole);
  draw();
};

// What a draft takes is said in the box, and why it can't be sent, which is longer, above it.
const weighed = (words, problem) => {
  box.tell(problem ? "" : (words ?? ""));
  if (problem) notice.replaceChildren(problem);
};

let measuring = 0;
function measureSoon() {
  clearTimeout(measuring);
  const problem = tooLong(box.value.text);
  if (problem) weighed("", problem);
  else if (visitor.may) measuring = setTimeout(() => server.measure(), 600);
}

store.listen((id) => {
  drawList();
  if (id === conversation.id) draw();
});

window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || composing(event)) return;
  if (writesHere()) stop();
  else if (!aside.hidden && !wide.matches) showSettings(false);
  else if (!wide.matches) showSidebar(false);
});
window.addEventListener("pagehide", () => {
  if (!writing) return;
  writing.node.state = "interrupted";
  conversations.revise(writing.node);
  keep(writing.conversation);
});

// The empty page: a greeting, and examples.
const greeting = element("div", { class: "text" });
greeting.innerHTML = toHtml(page.description);
empty.append(element("h2", {}, page.title), greeting, page.examples.length > 0 && element("ul", { class: "examples", "aria-label": t("examples") },
  page.examples.map((example) => element("li", {}, element("button", { type: "button", dir: "auto", onclick: () => {
    const draft = box.value;
    if (draft.text || draft.files.length || page.task === "completion") {
      box.value = { ...draft, text: draft.text ? `${draft.text}\n${example}` : example };
      return box.focus();
    }
    box.value = { text: example, files: [] };
    send();
  } }, example)))));

// One quiet line
const link = (words, address) => element("a", { href: address, target: "_blank", rel: "noopener" }, words);
const { model, space } = page;
const hub = "https://huggingface.co/";
const named = `${model.name}${model.license ? ` (${model.license})` : ""}`;
const line = [model.local ? named : link(named, hub + model.name), link(t("api"), "?view=api"),
  ...(space ? [link(t("duplicate"), `${hub}spaces/${space}?duplicate=true`), link(t("source"), `${hub}spaces/${space}/tree/main`)] : [])];
origin.append(...line.flatMap((each, index) => (index ? [" · ", each] : [each])));
if (page.footer) {
  const footer = element("span", { id: "footer" });
  footer.innerHTML = toHtml(page.footer).replace(/^<p>|<\/p>\s*$/g, "");
  origin.append(" · ", footer);
}

showSidebar(wide.matches && store.preference("sidebar") !== false);
wide.addEventListener("change", () => showSidebar(wide.matches && store.preference("sidebar") !== false));
if (store.refused) notice.replaceChildren(t("storage_refused"));
settings.values = conversation.settings;
mark();
box.value = store.draft(conversation.leaf ? conversation.id : "new");
drawList();
draw();
if (!matchMedia("(pointer: coarse)").matches) box.focus();
visitor.refresh();
