// The way to the server: Gradio's components carry questions and replies, so that its queue, its stops and a visitor's
// quota on ZeroGPU hold. Nothing else on the page knows Gradio.
const { parts } = window.streamspace;
const ALIVE = new URL("health", document.baseURI);
const PDF = new URL("streamspace/pdf", document.baseURI);
const QUIET = 6000; // milliseconds without a word from the server, after which it is asked whether it is there
const AGAIN = 2000; // milliseconds until it is asked again
const ENDS = 300; // milliseconds after an event has failed within which Gradio says that it has ended
const LAST = 3000; // milliseconds that a question waits for the end of the one before

// Gradio gives up for good when a connection breaks, and reloads the page under the visitor's hands once its server is
// back. Here a connection that breaks is the end of the events that it carried, as any other error is.
const { fetch } = window;
const events = new Set(); // ids of those that have been asked for and aren't over

const joined = async (given) => {
  const answer = await fetch(...given).catch(() => new Response(JSON.stringify({ detail: "" }), { status: 503 }));
  if (answer.ok) answer.clone().json().then(({ event_id }) => events.add(event_id), () => {});
  return answer;
};

const streamed = async (given) => {
  const answer = await fetch(...given).catch(() => new Response("", { headers: { "Content-Type": "text/event-stream" } }));
  const reader = answer.body.getReader();
  const line = (message) => new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
  return new Response(new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (!done) return controller.enqueue(value);
      for (const event_id of events) controller.enqueue(line({ msg: "process_completed", event_id, success: false, output: { error: "" } }));
      events.clear();
      controller.enqueue(line({ msg: "close_stream", event_id: null }));
      controller.close();
    },
    cancel: (why) => reader.cancel(why),
  }), answer);
};

window.fetch = (...given) => {
  const address = String(given[0]?.url ?? given[0]);
  if (/\/queue\/join\b/.test(address)) return joined(given);
  return /\/queue\/data\b/.test(address) ? streamed(given) : fetch(...given);
};

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
  const runs = []; // the events that Gradio hasn't ended, oldest first: {question, failed}
  let drained = () => {};
  let heard = 0;
  let away = false;

  const ready = (name) => parts[name] && Promise.resolve(parts[name]);
  const part = (name) => ready(name) ?? new Promise((resolve) => waiting.push([name, resolve]));
  window.streamspace.attached = (name) => {
    const channel = parts[name];
    const hear = () => heardOf(name, channel.props.value);
    channel.watch("value", hear);
    if (channel.props.value) hear(); // Gradio asks for the model's state at once, and may draw its part later
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

  // Whether the server is there; a reply that it was writing is over if not.
  const check = async () => {
    const there = await alive();
    heard = Date.now();
    if (there === away) on.away(away = !there);
    if (!there) {
      end("away");
      watch();
    }
    return there;
  };

  let watching = 0;
  const watch = () => {
    clearTimeout(watching);
    watching = setTimeout(async () => {
      if (away || (asked && Date.now() - heard > QUIET)) await check();
      if (away || asked) watch();
    }, AGAIN);
  };

  Object.assign(window.streamspace, {
    question: () => runs.at(-1)?.question ?? {},
    draft: () => on.draft(),
    // Gradio says once of each event that it has ended, and, before that, whether it has failed; a stopped one fails too.
    // Of one that was refused in words it says the latter only.
    async ended() {
      const over = runs.shift();
      if (!runs.length) drained();
      const mine = () => over && over.question === asked;
      if (mine() && !over.failed) end("ended");
      else if (mine() && await check() && mine()) end("failed");
    },
    failed() {
      const [run] = runs;
      if (!run) return;
      run.failed = true;
      setTimeout(() => runs[0] === run && window.streamspace.ended(), ENDS);
    },
  });
  for (const name of Object.keys(parts)) window.streamspace.attached(name);

  return {
    async ask(question) {
      asked = question;
      heard = Date.now();
      watch();
      const reply = await part("reply");
      if (runs.length) await Promise.race([new Promise((resolve) => (drained = resolve)), new Promise((resolve) => setTimeout(resolve, LAST))]);
      if (asked !== question) return; // it was stopped meanwhile
      runs.splice(0, runs.length, { question, failed: false });
      reply.trigger("submit");
    },
    stop() {
      if (runs.length) parts.reply.trigger("stop");
      end("stopped");
    },
    async measure() {
      (await part("measure")).trigger("submit");
    },
    async upload(file) {
      return (await part("reply")).upload(file);
    },
    // The text of a PDF, as a response.
    textOf: (file) => fetch(PDF, { method: "POST", body: file }).catch(() => Response.error()),
  };
};
