// The page's texts in the browser's language; {name} is filled in from the values.
const { languages } = window.streamspace;
export const language = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => languages.includes(tag)) ?? "en";
const texts = await (await fetch(new URL(`texts/${language}.json`, import.meta.url))).json();

export const t = (key, values = {}) =>
  texts[key].replace(/\{(\w+)\}/g, (_, name) =>
    typeof values[name] === "number" ? values[name].toLocaleString(language) : values[name]);

export const day = (time) => new Date(time).toLocaleDateString(language, { day: "numeric", month: "long", year: "numeric" });
