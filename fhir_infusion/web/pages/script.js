"use strict";
// With a token (kept for this tab only) pages are fetched, for no browser sends one by itself; without, links and forms
// are the browser's own. What was fetched is parsed as a document of its own, whose scripts never run.
const TOKEN = "fhir-infusion-token";
const token = () => sessionStorage.getItem(TOKEN);
const isPage = (url) => url.origin === location.origin && /^\/(workbench|console|docs)(\/|$)/.test(url.pathname);

// Ask this service, with the token where there is one.
function ask(url, options = {}) {
  const headers = new Headers(options.headers);
  if (token()) headers.set("Authorization", "Bearer " + token());
  return fetch(url, {...options, headers});
}

// Say above the page what kept it from being answered; where somebody decided, asking again is safe.
function tell(text) {
  document.getElementById("unanswered")?.remove();
  const told = document.createElement("p");
  told.id = "unanswered";
  told.className = "card failed";
  told.setAttribute("role", "alert");
  told.textContent = text;
  document.querySelector("main").prepend(told);
  told.scrollIntoView({block: "nearest"});
}

// Return what finds again, in a page or part that takes the place of this one, what has the focus now: by its id, else by
// what it is called and does. Where it is gone, what it stood in has the focus, so that nobody begins at the top again.
function placeOfFocus() {
  const was = document.activeElement;
  if (!was || was === document.body) return () => document.body;
  const text = (one) => one.matches("a, button, summary") && one.textContent.trim();
  const named = (one) => JSON.stringify([one.tagName, one.name, one.getAttribute("aria-label"), text(one)]);
  const whole = (one) => JSON.stringify([named(one), one.value, one.dataset.show]);
  const id = was.id, is = whole(was), isNamed = named(was), near = was.parentElement.closest("section[aria-labelledby], [id][tabindex]");
  const around = near && (near.id ? "#" + CSS.escape(near.id) : `[aria-labelledby="${near.getAttribute("aria-labelledby")}"]`);
  return (within) => {
    const alike = [...within.querySelectorAll(was.tagName)].filter((one) => one.type !== "hidden" && named(one) === isNamed);
    const found = id ? within.querySelector("#" + CSS.escape(id)) : alike.find((one) => whole(one) === is) || alike[0];
    if (found?.checkVisibility() && !found.disabled) return found;
    const place = around && within.querySelector(around);
    if (place && !place.hasAttribute("tabindex")) place.tabIndex = -1;
    return place || null;
  };
}

// What was unfolded stays so in what takes its place.
function unfolded(within) {
  const called = (one) => one.querySelector("summary")?.textContent;
  const open = new Set([...within.querySelectorAll("details[open]")].map(called));
  return (made) => { for (const one of made.querySelectorAll("details")) one.open ||= open.has(called(one)); };
}

// Put a page in the place of this one. Returns whether it was answered with the page that was asked for; null where
// there was no answer, or none of this service.
async function show(url, options = {}, push = true) {
  const isGet = (options.method || "GET") === "GET";
  let reply, fetched, main;
  try {
    reply = await ask(url, {...options, headers: {...options.headers, Accept: "text/html"}});
    fetched = new DOMParser().parseFromString(await reply.text(), "text/html");
    main = fetched.querySelector("main");
  } catch (error) {
    main = null;
  }
  if (options.signal?.aborted) return null;
  if (!main) {
    const what = reply ? `What answered (${reply.status}) is no page of this service.` : "The service does not answer.";
    tell(what + (isGet ? " Try again in a moment." : " Whether this was done is not known: try again in a moment, nothing is done twice."));
    return null;
  }
  const focused = placeOfFocus();
  document.title = fetched.title;
  document.querySelector("main").replaceWith(document.adoptNode(main));
  document.querySelector("nav").replaceWith(document.adoptNode(fetched.querySelector("nav")));
  if (push && (isGet || reply.redirected)) history.pushState(null, "", reply.url + new URL(url, location.href).hash);
  ready();
  if (push && (isGet || reply.redirected)) { scrollTo(0, 0); document.querySelector("main").focus(); }
  else (focused(document) || document.querySelector("main")).focus({preventScroll: true});
  return reply.ok;
}

// Send a form and show the page that is answered, unless it is given up meanwhile.
function send(form, submitter, signal) {
  const fields = new URLSearchParams(new FormData(form, submitter));
  const url = new URL(submitter?.getAttribute("formaction") || form.getAttribute("action") || location.href, location.href);
  if (form.method === "get") { url.search = fields; return show(url, {signal}); }
  return show(url, {method: "POST", body: fields, signal});
}

// Called whenever a page was put in its place; pages listen for the event "page" to begin their work.
function ready() {
  document.getElementById("sign-out").hidden = !token();
  for (const button of document.querySelectorAll("[data-choose]")) button.hidden = false;
  document.dispatchEvent(new Event("page"));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !token() || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const url = new URL(link.href);
  if (!isPage(url) || (url.pathname === location.pathname && url.hash)) return;
  event.preventDefault();
  show(url);
});
// A list in a form is chosen as a whole, and with a second click none of it.
document.addEventListener("click", (event) => {
  const form = event.target.closest?.("[data-choose]")?.form;
  if (!form) return;
  const boxes = [...form.querySelectorAll("input[type=checkbox]")], all = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !all;
});
document.addEventListener("submit", async (event) => {
  if (event.defaultPrevented) return;
  // A second click on what is under way asks for it twice, and the answer would be that of the second.
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  if (event.target.method === "post") event.target.dataset.sent = "yes";
  if (event.target.id === "sign-in") {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, document.getElementById("token").value.trim());
    const opened = await show(location.href, {}, false);
    if (opened) return;
    sessionStorage.removeItem(TOKEN);
    if (opened === null) return;
    ready();
    const state = document.getElementById("sign-in-state");
    if (state) state.textContent = "This token does not open this page.";
  } else if (token()) {
    event.preventDefault();
    send(event.target, event.submitter).finally(() => { delete event.target.dataset.sent; });
  }
});
document.getElementById("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent; });
addEventListener("popstate", () => { if (token()) show(location.href, {}, false); });
addEventListener("DOMContentLoaded", () => {
  if (document.getElementById("sign-in") && token()) show(location.href, {}, false);
  else ready();
});
