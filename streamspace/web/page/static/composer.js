// The box at the bottom: a text, the files that come with it, and one place for Send and Stop.
import { address } from "./messages.js";
import { composing, element, icon, iconButton } from "./dom.js";
import { t } from "./texts.js";

const touch = matchMedia("(pointer: coarse)");
const IMAGES = ["image/jpeg", "image/png", "image/webp", "image/gif"];
const TEXT_NAMES = ".txt,.md,.markdown,.csv,.tsv,.json,.jsonl,.yaml,.yml,.toml,.ini,.xml,.html,.css,.js,.ts,.jsx,.tsx,.py,.ipynb,.java,.c,.h,.cpp,.hpp,.cs,.go,.rs,.rb,.php,.sh,.sql,.tex,.log,.diff,.patch,.pdf,text/*";

// `on` is told of {send, stop, change, upload, pdf, problem}; without `limits.images` the model reads text only.
export const composer = (place, { limits, placeholder }, on) => {
  const box = element("textarea", { id: "message", rows: 1, placeholder, "aria-label": t("message"), dir: "auto", enterkeyhint: touch.matches ? "enter" : "send" });
  const chips = element("ul", { class: "chips", "aria-label": t("files"), hidden: true });
  const accept = [limits.files && TEXT_NAMES, limits.images && IMAGES.join(",")].filter(Boolean).join(",");
  const picker = element("input", { type: "file", multiple: true, hidden: true, accept, onchange: () => {
    add([...picker.files]);
    picker.value = "";
  } });
  const attach = iconButton("attach", t("attach"), () => picker.click(), { id: "attach", hidden: !accept });
  const send = iconButton("send", t("send"), () => on.send(), { id: "send", class: "icon-button primary" });
  const stop = iconButton("stop", t("stop"), () => on.stop(), { id: "stop", class: "icon-button primary", hidden: true });
  const told = element("span", { id: "measure" });
  place.append(chips, box, element("div", { class: "row" }, attach, picker, told, send, stop));

  let files = [];

  const grow = () => {
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  };

  const changed = () => {
    grow();
    on.change();
  };

  const drawChips = () => {
    chips.hidden = !files.length;
    chips.replaceChildren(...files.map((file) => element("li", { class: file.reading ? "reading" : "" },
      file.path ? element("img", { src: address(file), alt: "" }) : icon("attach"), element("span", {}, file.name),
      iconButton("close", t("detach", { name: file.name }), () => {
        files = files.filter((each) => each !== file);
        drawChips();
        changed();
        box.focus();
      }))));
  };

  const readText = async (file) => {
    const text = await (/\.pdf$/i.test(file.name) || file.type === "application/pdf" ? on.pdf(file) : file.text());
    if (text.includes("\0") || text.includes("\ufffd")) throw new Error(t("file_kind", { name: file.name }));
    const taken = files.reduce((sum, each) => sum + (each.text?.length ?? 0), 0);
    if (taken + text.length > limits.file_characters) throw new Error(t("file_large", { name: file.name, characters: text.length, most: limits.file_characters - taken }));
    return { text };
  };

  const read = (file) => {
    if (limits.images && IMAGES.includes(file.type)) return on.upload(file);
    if (!limits.files || /^(image|audio|video)\//.test(file.type)) throw new Error(t("file_kind", { name: file.name }));
    return readText(file);
  };

  const add = async (chosen) => {
    const problems = [];
    for (const file of chosen) {
      const images = limits.images && IMAGES.includes(file.type);
      const most = images ? limits.images : limits.files;
      if (files.filter((each) => Boolean(each.image) === Boolean(images)).length >= most) {
        problems.push(t("file_many", { most }));
        break;
      }
      const entry = { name: file.name || t("image"), reading: true, image: Boolean(images) };
      files.push(entry);
      drawChips();
      try {
        Object.assign(entry, await read(file), { reading: false });
      } catch (error) {
        files = files.filter((each) => each !== entry);
        problems.push(error.message);
      }
      drawChips();
    }
    changed(); // which takes back what was told before
    if (problems.length) on.problem(problems.join(" "));
  };

  box.addEventListener("input", changed);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || composing(event) || (touch.matches && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    on.send();
  });
  box.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files];
    if (!pasted.length || !accept) return;
    event.preventDefault();
    add(pasted);
  });
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (name === "drop" && accept) add([...event.dataTransfer.files]);
    });
  }
  window.addEventListener("resize", grow);

  return {
    get value() {
      return { text: box.value, files: files.filter((file) => !file.reading) };
    },
    set value(given) {
      box.value = given.text;
      files = [...given.files];
      drawChips();
      grow();
    },
    get reading() {
      return files.some((file) => file.reading);
    },
    // Stop in the place of Send; the keyboard's focus moves along.
    busy(now) {
      const focused = [send, stop].includes(document.activeElement);
      send.hidden = now;
      stop.hidden = !now;
      if (focused) (now ? stop : box).focus();
    },
    tell(words) {
      told.textContent = words;
    },
    focus: () => box.focus(),
  };
};
