// The way to the server: Gradio's components carry questions and replies, so that its queue, its stops and a visitor's
// quota on ZeroGPU hold. Nothing else on the page knows Gradio.
const { parts } = window.streamspace;
const ALIVE = new URL("health", document.baseURI);
const QUIET = 6000; // milliseconds without a word from the server, after which it is asked whether it is there
const AGAIN = 2000; // milliseconds until it is asked again

// Gradio reloads the page when its server is back, under the visitor's hands: the answer it waits for never comes.
const { fetch } = window;
window.fetch = (address, ...rest) =>
  /\/app_id\/?$/.test(String(address?.url ?? address)) ? Promise.reject(new TypeError("asked by the page itself")) : fetch(address, ...rest);

const alive = async () => {
  try {
    await fetch(ALIVE, { signal: AbortSignal.timeout(5000), cache: "no-store" }); // any answer will do
    return true;
  } catch {
    return false;
  }
};

// `on` is told of {reply, end, model, measure, away}.
export const connect = (on) => {
  const waiting = [];
  let asked = null; // the question that is being answered
  let heard = 0;
  let away = false;

  const ready = (name) => parts[name] && Promise.resolve(parts[name]);
  const part = (name) => ready(name) ?? new Promise((resolve) => waiting.push([name, resolve]));
  window.streamspace.attached = (name) => {
    parts[name].watch("value", () => heardOf(name, parts[name].props.value));
    for (const [wanted, resolve] of waiting) if (wanted === name) resolve(parts[name]);
  };

  const heardOf = (name, value) => {
    heard = Date.now();
    if (name !== "reply") on[name](value);
    else if (asked && value?.id === asked.id) on.reply(value);
  };

  const end = (why) => {
    const ended = asked;
    asked = null;
    if (ended) on.end(why);
  };

  const watch = async () => {
    if (!asked && !away) return;
    if (!away && Date.now() - heard < QUIET) return setTimeout(watch, AGAIN);
    const there = await alive();
    if (there && away) on.away(away = false);
    if (!there && !away) on.away(away = true);
    if (!there) end("away");
    else heard = Date.now();
    setTimeout(watch, AGAIN);
  };

  Object.assign(window.streamspace, {
    question: () => asked ?? {},
    draft: () => on.draft(),
    ended: () => end("ended"), // of the event that is over, which is the only one
    failed: () => end("failed"),
  });
  for (const name of Object.keys(parts)) window.streamspace.attached(name);

  return {
    get asked() {
      return asked;
    },
    async ask(question) {
      asked = question;
      heard = Date.now();
      if (!away) setTimeout(watch, AGAIN);
      (await part("reply")).trigger("submit");
    },
    stop() {
      parts.reply?.trigger("stop");
      end("stopped");
    },
    async measure() {
      (await part("measure")).trigger("submit");
    },
    async upload(file) {
      return (await part("reply")).upload(file);
    },
    async extract(place) {
      window.streamspace.place = place;
      (await part("extract")).trigger("submit");
    },
  };
};
