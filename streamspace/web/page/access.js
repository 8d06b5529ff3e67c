// What Gradio's parts lack for a visitor who uses a keyboard or a screen reader: names, states, and one quiet voice.
(() => {
  const { say } = window.streamspace;

  // For each part that is found: what is missing on it. All of it can be set again and again.
  const missing = {
    // One line tells how the reply is coming along; a log that were read out as well would say each word many times.
    "#status": () => ({ role: "status", "aria-live": "polite" }),
    "#conversation [role=log]": () => ({ "aria-live": "off", "aria-label": say("conversation"), tabindex: "0" }),
    "#conversation [data-testid=user]": () => ({ role: "group", "aria-label": say("you") }),
    "#conversation [data-testid=bot]": () => ({ role: "group", "aria-label": say("assistant") }),
    "#conversation .edit-textarea": () => ({ "aria-label": say("message") }),
    "#conversation .examples": () => ({ role: "group", "aria-label": say("beginnings") }),
    "#conversation .example": (button) => ({ "aria-label": button.textContent.trim() }),
    "#conversation .message-buttons svg[aria-label]": (icon) => ({ "aria-label": icon.parentElement.closest("[aria-label]")?.ariaLabel ?? "" }),
    "footer": () => ({ "aria-label": "Gradio" }),
    "#conversation [aria-label='Copy message']": () => ({ "aria-label": say("copy"), title: say("copy") }),
    "#conversation .copy_code_button": () => ({ "aria-label": say("copy"), title: say("copy") }),
    "#conversation [data-testid=user] .image-frame img": () => ({ alt: say("image") }), // names its button, too
    "#message.multimodal-textbox textarea": () => ({ "aria-label": say("message") }),
    "#message .upload-button": () => ({ "aria-label": say("attach"), title: say("attach") }),
    "#message .delete-button": () => ({ "aria-label": say("detach"), title: say("detach") }),
    "#conversation pre, #conversation .prose table": () => ({ tabindex: "0" }), // can be scrolled, so must be reached
    ".thought-group > .title": (title) => ({ "aria-expanded": String(title.nextElementSibling !== null) }),
    ".thought-group > .title button": () => ({ disabled: "", "aria-hidden": "true" }), // its parent is a button already
    ".sidebar .toggle-button": (button) => ({
      "aria-label": say("conversations"),
      title: say("conversations"),
      "aria-expanded": String(button.closest(".sidebar").classList.contains("open")),
    }),
    "#settings > .label-wrap": (button) => ({ "aria-expanded": String(button.classList.contains("open")) }),
    "#settings input[type=range]": (input) => ({ "aria-label": labelOf(input) }),
    "#settings .head input[type=number]": (input) => ({ "aria-label": say("number", { label: labelOf(input) }) }),
    "#settings .reset-button": (button) => ({ "aria-label": say("reset", { label: labelOf(button) }) }),
  };

  const labelOf = (control) => control.closest(".block").querySelector("[data-testid=block-info]").textContent.trim();

  const complete = () => {
    for (const [selector, attributes] of Object.entries(missing)) {
      for (const part of document.querySelectorAll(selector)) {
        for (const [name, value] of Object.entries(attributes(part))) {
          if (part.getAttribute(name) !== value) part.setAttribute(name, value);
        }
      }
    }
  };

  // A finished reply is read out once, from a place that nobody sees.
  const voice = document.createElement("div");
  voice.id = "voice";
  voice.setAttribute("role", "status");
  window.streamspace.speak = (text) => {
    voice.textContent = text;
  };

  let due = 0;
  const observer = new MutationObserver(() => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      complete();
    });
  });
  document.body.append(voice);
  observer.observe(document.body, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label", "class", "aria-live"],
  });
  complete();
})();
