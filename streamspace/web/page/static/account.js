// Who is signed in, on a Space that asks for it: why and how to sign in stands in the composer's place until then.
import { element } from "./dom.js";
import { language, t } from "./texts.js";

const { page } = window.streamspace;
const root = document.documentElement;
const at = (path) => new URL(path, document.baseURI);
const told = async (path) => {
  try {
    return await (await fetch(at(path))).json();
  } catch {
    return null; // the server can't be reached, which the page says itself
  }
};

const reason = () => {
  const { organizations, users } = page.login;
  const listed = new Intl.ListFormat(language, { type: "disjunction" }).format(organizations);
  if (!organizations.length) return t(users ? "sign_in_named" : "sign_in_all");
  return t(users ? "sign_in_both" : "sign_in_members", { organizations: listed });
};

const enter = () => {
  window.parent.postMessage({ type: "SET_SCROLLING", enabled: true }, "*"); // the Hub's page, whose sign-in is higher
  location.assign(at(`login/huggingface${location.search}`));
};
const leave = async () => {
  await fetch(at("logout"), { method: "POST" }).catch(() => {});
  const address = new URL(location.href);
  address.searchParams.delete("sign_in");
  location.assign(address);
};

// `place` is in the composer's place, `line` says who is signed in; `changed` is called when somebody may write now.
export const account = (place, line, changed) => {
  const left = element("span");
  const out = () => element("button", { type: "button", "data-action": "sign-out", onclick: leave }, t("sign_out"));
  let may = !page.login;

  const draw = ({ name, may: now }) => {
    const before = may;
    may = now;
    root.classList.toggle("signed-out", !may);
    place.hidden = may;
    line.replaceChildren(...(may ? [t("signed_in", { name }), left, out()] : []));
    const failed = !name && new URLSearchParams(location.search).get("sign_in") === "failed";
    const way = () => (name ? [element("p", { role: "alert" }, t("not_invited", { name })), out()] : [
      failed && element("p", { class: "error", role: "alert" }, t("sign_in_failed")),
      element("button", { type: "button", class: "primary", "data-action": "sign-in", onclick: enter }, t("sign_in")),
    ]);
    place.replaceChildren(...(may ? [] : [element("p", {}, reason()), ...way()].filter(Boolean)));
    if (may && !before) changed();
  };

  const self = {
    get may() {
      return may;
    },
    async refresh() {
      if (!page.login) return;
      const found = await told("streamspace/account");
      if (found) draw(found);
      if (may) await self.weigh();
    },
    // What the visitor has left of the GPU time of a day, where the Hub says.
    async weigh() {
      if (!page.login?.quota) return;
      const found = await told("streamspace/quota");
      left.textContent = Number.isFinite(found?.seconds) ? t("gpu_left", { seconds: found.seconds }) : "";
    },
  };
  root.classList.toggle("signed-out", !may);
  place.hidden = true;
  if (page.login) document.addEventListener("visibilitychange", () => document.hidden || self.refresh());
  return self;
};
