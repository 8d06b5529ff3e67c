// The panel of settings beside the conversation: the system prompt, thinking, and how the next token is chosen.
import { element, iconButton } from "./dom.js";
import { t } from "./texts.js";

// A step that divides the range into about a hundred, of 1, 2 or 5 times a power of ten.
const stepOf = ({ min, max, whole }) => {
  if (whole) return 1;
  const rough = (max - min) / 100 || 0.01;
  const power = 10 ** Math.floor(Math.log10(rough));
  return Number((power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.999)).toPrecision(1));
};

export const panel = (place, described, changed) => {
  const { sampling, system } = described;
  const fields = {}; // by name: {get, set, initial}

  const field = (name, control, info) => {
    const id = `setting-${name}`;
    const note = info && element("p", { class: "info", id: `${id}-info` }, info);
    control.id = id;
    if (note) control.setAttribute("aria-describedby", note.id);
    return element("div", { class: "field", "data-setting": name }, element("label", { for: id }, t(name)), control, note);
  };

  const range = (name, bounds) => {
    const step = stepOf(bounds);
    const number = element("input", { type: "number", min: bounds.min, max: bounds.max, step: bounds.whole ? 1 : "any", inputmode: "decimal" });
    const slider = element("input", { type: "range", min: bounds.min, max: bounds.max, step, "aria-label": t(name) });
    const show = (value) => {
      number.value = value;
      slider.value = value;
    };
    slider.addEventListener("input", () => {
      number.value = slider.value;
      changed();
    });
    number.addEventListener("input", () => {
      slider.value = number.value;
      changed();
    });
    number.addEventListener("change", () => {
      if (number.value === "" || !number.validity.valid) show(Math.min(bounds.max, Math.max(bounds.min, Number(number.value) || bounds.initial)));
      changed();
    });
    fields[name] = { get: () => (number.value === "" ? bounds.initial : Number(number.value)), set: show, initial: bounds.initial };
    const made = field(name, number, t(`${name}_info`));
    number.after(slider);
    return made;
  };

  const textarea = (name, initial) => {
    const box = element("textarea", { rows: 4, dir: "auto" });
    box.addEventListener("input", changed);
    fields[name] = { get: () => box.value, set: (value) => (box.value = value), initial };
    return field(name, box);
  };

  const seed = (initial) => {
    const number = element("input", { type: "number", min: 0, step: 1, inputmode: "numeric", placeholder: t("random") });
    number.addEventListener("input", changed);
    fields.seed = { get: () => (number.value === "" ? null : Number(number.value)), set: (value) => (number.value = value ?? ""), initial };
    return field("seed", number, t("seed_info"));
  };

  const choices = element("fieldset", { class: "field", "data-setting": "thinking", hidden: true }, element("legend", {}, t("thinking")));
  fields.thinking = {
    get: () => choices.querySelector("input:checked")?.value ?? null,
    set: (value) => choices.querySelectorAll("input").forEach((input) => (input.checked = input.value === value)),
    initial: null, // until the model has loaded
  };

  const reset = element("button", { type: "button", onclick: () => {
    for (const { set, initial } of Object.values(fields)) set(initial);
    changed();
  } }, t("reset_all"));
  place.append(
    element("header", {}, element("h2", {}, t("settings")), iconButton("close", t("close"), () => changed("close"))),
    ...(system === null ? [] : [textarea("system_prompt", system)]), choices,
    ...Object.entries(sampling).map(([name, bounds]) => range(name, bounds)), seed(described.seed), reset,
  );
  const differs = () => Object.values(fields).some(({ get, initial }) => get() !== initial);

  return {
    // The choices of thinking that the loaded model has, and which is its own.
    offer(names, initial) {
      const chosen = fields.thinking.get();
      fields.thinking.initial = initial;
      choices.hidden = !names.length;
      choices.replaceChildren(choices.firstElementChild, ...names.map((name) =>
        element("label", {}, element("input", { type: "radio", name: "thinking", value: name, onchange: () => changed() }), t(`thinking_${name}`))));
      fields.thinking.set(names.includes(chosen) ? chosen : initial);
    },
    // What differs from the defaults, by name.
    get values() {
      return Object.fromEntries(Object.entries(fields).filter(([, { get, initial }]) => get() !== initial).map(([name, { get }]) => [name, get()]));
    },
    set values(given) {
      for (const [name, { set, initial }] of Object.entries(fields)) set(given[name] ?? initial);
      this.mark();
    },
    get asked() {
      const { system_prompt, thinking: chosen, ...rest } = Object.fromEntries(Object.entries(fields).map(([name, { get }]) => [name, get()]));
      return { system: system_prompt ?? null, thinking: chosen, sampling: rest };
    },
    mark() {
      reset.disabled = !differs();
      return differs();
    },
    focus: () => place.querySelector("textarea, input, button").focus(),
  };
};
