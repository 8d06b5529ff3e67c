// Runs the page's events. events.py names the inputs and outputs of each; page.js and conversations.js hold the
// functions: one object of named inputs in, one of named outputs back. An output that is left out keeps its value.
(() => {
  const KEEP = { __type__: "update" }; // as gr.skip() is sent

  const checked = (event, inputs) => new Proxy(inputs, {
    get(_, name) {
      if (name in inputs) return inputs[name];
      throw new Error(`event ${event}: expected an input of ${Object.keys(inputs).join(", ") || "none"}, got ${String(name)}`);
    },
  });

  const events = {};

  const run = (event, inputs, outputs, values) => {
    const named = Object.fromEntries(inputs.map((name, position) => [name, values[position]]));
    const result = events[event](checked(event, named)) ?? {};
    for (const name of Object.keys(result)) {
      if (!outputs.includes(name)) throw new Error(`event ${event}: expected an output of ${outputs.join(", ") || "none"}, got ${name}`);
    }
    return outputs.map((name) => (name in result ? result[name] : KEEP));
  };

  Object.assign(window.streamspace, { events, run });
})();
