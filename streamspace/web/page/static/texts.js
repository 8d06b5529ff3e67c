// The page's texts in the browser's language, as labels.py hands them to Gradio; {name} is filled in from the values.
const all = window.gradio_config.i18n_translations;
const wished = navigator.languages.flatMap((tag) => [tag, tag.split("-")[0]]);
export const language = wished.find((tag) => all[tag]) ?? "en";
const texts = all[language];

export const t = (key, values = {}) =>
  texts[`page.${key}`].replace(/\{(\w+)\}/g, (_, name) =>
    typeof values[name] === "number" ? values[name].toLocaleString(language) : values[name]);

export const day = (time) => new Date(time).toLocaleDateString(language, { day: "numeric", month: "long", year: "numeric" });
