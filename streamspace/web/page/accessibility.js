// Adds what Gradio's components lack for keyboards and screen readers: names, states, and one live region.
(() => {
  const { t, own } = window.streamspace;

  // The missing attributes by selector, in the conversation and outside of it. Setting them is idempotent.
  const outside = {
    // The status line reports progress; a live log as well would have every word read out many times.
    "#status": () => ({ role: "status", "aria-live": "polite" }),
    "#message.multimodal-textbox textarea": () => ({ "aria-label": t("message") }),
    "#message .upload-button": () => ({ "aria-label": t("attach"), title: t("attach") }),
    "#message .delete-button": () => ({ "aria-label": t("detach"), title: t("detach") }),
    ".sidebar .toggle-button": (button) => ({
      "aria-label": t("conversations"),
      title: t("conversations"),
      "aria-expanded": String(button.closest(".sidebar").classList.contains("open")),
    }),
    "#settings > .label-wrap": (button) => ({ "aria-expanded": String(button.classList.contains("open")) }),
    "#settings input[type=range]": (input) => ({ "aria-label": labelOf(input) }),
    "#settings .head input[type=number]": (input) => ({ "aria-label": t("number", { label: labelOf(input) }) }),
    "#settings .reset-button": (button) => ({ "aria-label": t("reset", { label: labelOf(button) }) }),
    "footer": () => ({ "aria-label": "Gradio" }),
  };
  const inside = {
    "#conversation [role=log]": () => ({ "aria-live": "off", "aria-label": t("conversation"), tabindex: "0" }),
    "#conversation [data-testid=user]": () => ({ role: "group", "aria-label": t("you") }),
    "#conversation [data-testid=bot]": () => ({ role: "group", "aria-label": t("assistant") }),
    "#conversation .edit-textarea": () => ({ "aria-label": t("message") }),
    "#conversation .examples": () => ({ role: "group", "aria-label": t("examples") }),
    "#conversation .example": (button) => ({ "aria-label": button.textContent.trim() }),
    "#conversation .message-buttons svg[aria-label]": (icon) => ({ "aria-label": icon.parentElement.closest("[aria-label]")?.ariaLabel ?? "" }),
    "#conversation [aria-label='Copy message']": () => ({ "aria-label": t("copy"), title: t("copy") }),
    "#conversation .copy_code_button": () => ({ "aria-label": t("copy"), title: t("copy") }),
    "#conversation [data-testid=user] .image-frame img": () => ({ alt: t("image") }), // which names its button too
    "#conversation pre, #conversation .prose table": () => ({ tabindex: "0" }), // scrollable, so it must be focusable
    ".thought-group > .title": (title) => ({ "aria-expanded": String(title.nextElementSibling !== null) }),
    ".thought-group > .title button": () => ({ disabled: "", "aria-hidden": "true" }), // its parent is a button
  };

  const labelOf = (control) => control.closest(".block").querySelector("[data-testid=block-info]").textContent.trim();

  const set = (part, attributes) => {
    for (const [name, value] of Object.entries(attributes(part))) {
      if (part.getAttribute(name) !== value) part.setAttribute(name, value);
    }
  };

  const complete = () => {
    for (const [selector, attributes] of Object.entries(outside)) own(selector).forEach((part) => set(part, attributes));
    for (const [selector, attributes] of Object.entries(inside)) {
      document.querySelectorAll(selector).forEach((part) => set(part, attributes));
    }
  };

  // A finished reply is read out once, from a live region that is not displayed.
  const region = document.createElement("div");
  region.id = "announcement";
  region.setAttribute("role", "status");
  window.streamspace.announce = (text) => {
    region.textContent = text;
  };

  let frame = 0;
  const observer = new MutationObserver(() => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      complete();
    });
  });
  document.body.append(region);
  observer.observe(document.body, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label", "class", "aria-live"],
  });
  complete();
})();
