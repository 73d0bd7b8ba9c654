// The workbench: sends its form while somebody types, and marks what belongs together. The page does without it.
const bench = {timer: 0, running: null, opening: null, choosing: 0, pinned: null, index: null, held: null};
const at = (id) => document.getElementById(id);
const MOST_LIVE = 300000; // characters that are sent while somebody types; more is sent when it is asked for

// Send the form and put its outcome in the place of the one before; what is typed stays as it is.
async function translate(submitter) {
  clearTimeout(bench.timer);
  bench.running?.abort();
  const running = bench.running = new AbortController();
  const fields = new URLSearchParams(new FormData(at("bench"), submitter));
  fields.set("live", "yes");
  at("state").textContent = "translating …";
  let reply, fetched;
  try {
    reply = await ask("/workbench", {method: "POST", body: fields, signal: running.signal, headers: {Accept: "text/html"}});
    fetched = new DOMParser().parseFromString(await reply.text(), "text/html");
  } catch (error) {
    if (!running.signal.aborted) at("state").textContent = "The service does not answer.";
    return;
  }
  const made = fetched.getElementById("outcome");
  if (!made) {
    at("state").textContent = "Not done: " + [...fetched.querySelectorAll("main td, main p")].map((one) => one.textContent.trim()).filter(Boolean).join("; ");
    return;
  }
  const within = at("outcome").contains(document.activeElement), focused = placeOfFocus(), unfold = unfolded(at("outcome"));
  const scrolled = ["source", "result", "rules"].map((id) => [id, at(id)?.scrollTop]);
  at("outcome").replaceWith(document.adoptNode(made));
  unfold(made);
  for (const [id, top] of scrolled) if (at(id) && top) at(id).scrollTop = top;
  if (within) (focused(made) || at("source") || at("state")).focus({preventScroll: true});
  fresh();
  at("state").textContent = made.dataset.told;
}

// Open the document that is chosen, once nothing else is for a moment. Who types its name chooses one with each letter:
// a page that came between two letters would lose the first, and one that came late would come over what was typed since.
function openChosen() {
  clearTimeout(bench.choosing);
  bench.opening?.abort();
  bench.opening = new AbortController();
  bench.choosing = setTimeout(() => send(at("bench"), at("open"), bench.opening.signal), 500);
}

function soon(event) {
  clearTimeout(bench.timer);
  if (entered().length > MOST_LIVE) {
    at("state").textContent = "So much is translated when you ask for it: Ctrl and Enter.";
  } else {
    // A changed mapping is loaded and proven anew, which takes the service a second or two.
    bench.timer = setTimeout(translate, event.target === at("mapping") ? 1000 : 400);
  }
}

// ---------------------------------------------------------------- what belongs together

// Called when an outcome was put in its place.
function fresh() {
  at("link").hidden = Boolean(at("here"));
  bench.pinned = null;
  bench.index = new Map();
  for (const line of document.querySelectorAll("[data-joins]")) {
    for (const id of line.dataset.joins.split(" ")) bench.index.set(id, [...(bench.index.get(id) || []), line]);
  }
  for (const pane of ["source", "result", "rules"].map(at).filter(Boolean)) {
    for (const line of pane.querySelectorAll("a")) line.tabIndex = -1;
  }
}

// Return an element and all that belongs to it: its partners and their pair; for a pair all that it took.
function family(element) {
  if (element.classList.contains("rule")) return [element, ...(bench.index.get(element.id) || [])];
  return [element, ...(element.dataset.joins || "").split(" ").filter(Boolean).map(at).filter(Boolean)];
}

function mark(element) {
  for (const one of document.querySelectorAll(".on, .main")) one.classList.remove("on", "main");
  const told = at("told");
  if (!told) return;
  if (!element) { told.replaceChildren(); return; }
  const members = family(element);
  for (const one of members) one.classList.add("on");
  element.classList.add("main");
  const lines = members.filter((one) => one.classList.contains("l"));
  const rows = [
    ["From", lines.filter((one) => one.id[0] === "i")], ["To", lines.filter((one) => one.id[0] === "o")],
    ["By", members.filter((one) => one.classList.contains("rule"))],
  ];
  told.replaceChildren(...rows.filter(([, found]) => found.length).map(([name, found]) => {
    const row = document.createElement("p");
    const label = document.createElement("b");
    label.textContent = name + " ";
    const words = found.slice(0, 4).map((one) => one.dataset.path ? one.dataset.path + " = " + one.textContent.trim() : one.textContent.trim());
    row.append(label, words.join("; ") + (found.length > 4 ? ` and ${found.length - 4} more` : ""));
    return row;
  }));
  // The other end may stand on another page of its side.
  const away = (element.dataset.joins || "").split(" ").filter((id) => /^[io]/.test(id) && !at(id));
  if (!away.length) return;
  const row = document.createElement("p"), link = document.createElement("a");
  link.href = "#" + away[0];
  link.dataset.show = away[0];
  link.textContent = away[0][0] === "o" ? "Show what it becomes, on another page" : "Show what it comes from, on another page";
  row.append(link);
  told.append(row);
}

// Keep an element marked, and bring into view what belongs to it.
function pin(element) {
  bench.pinned = element;
  mark(element);
  if (!element) return;
  const shown = new Set();
  for (const one of family(element)) {
    const pane = one.closest(".json, #rules");
    if (!pane || shown.has(pane)) continue;
    shown.add(pane);
    const top = one.getBoundingClientRect().top - pane.getBoundingClientRect().top;
    if (top < 0 || top > pane.clientHeight - 30) pane.scrollTop += top - pane.clientHeight / 3;
  }
}

// Show the line or pair of an id, on whichever page it stands.
async function reveal(id) {
  if (!at(id) && /^[io]/.test(id)) {
    const name = id[0] === "i" ? "lines" : "to_lines";
    document.querySelector(`#outcome > [name="${name}"]`).value = Math.floor(id.slice(1) / at("outcome").dataset.lines);
    await translate();
  }
  const found = at(id);
  if (!found) return;
  found.focus({preventScroll: true});
  pin(found);
  found.closest("section").scrollIntoView({block: "nearest"});
}

// Select a line of the edited document.
function goTo(line) {
  const field = at("mapping"), before = field.value.split("\n").slice(0, line - 1), start = before.join("\n").length + (line > 1);
  at("editor").open = true;
  field.focus();
  field.setSelectionRange(start, start + field.value.slice(start).split("\n")[0].length);
  field.scrollTop = Math.max(0, (line - 5) * (field.scrollHeight / field.value.split("\n").length));
}

const inPane = (target) => target.closest?.("a.l, a.rule");

document.addEventListener("pointermove", (event) => {
  // Where the page moved and the pointer did not, nobody pointed at anything.
  if (!bench.index || event.pointerType === "touch" || !(event.movementX || event.movementY)) return;
  const line = inPane(event.target);
  if (line) mark(line);
  else if (document.querySelector(".main") !== bench.pinned) mark(bench.pinned);
});
document.addEventListener("focusin", (event) => { if (bench.index && inPane(event.target)) pin(inPane(event.target)); });
document.addEventListener("click", (event) => {
  if (!bench.index || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const line = inPane(event.target), link = event.target.closest?.("[data-show]");
  const complaint = event.target.closest?.("[data-line]");
  if (complaint) { event.preventDefault(); goTo(Number(complaint.dataset.line)); return; }
  if (!line && !link) return;
  event.preventDefault();
  if (line) pin(line); else reveal(link.dataset.show);
});
document.addEventListener("keydown", (event) => {
  if (!bench.index) return;
  if (event.key === "Escape") pin(null);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest?.("#input, #held")) { event.preventDefault(); translate(); }
  const pane = event.target.closest?.(".json, #rules");
  if (!pane || event.ctrlKey || event.metaKey || event.altKey) return;
  const lines = [...pane.querySelectorAll("a")], now = lines.indexOf(event.target);
  const next = {ArrowDown: now + 1, ArrowUp: Math.max(0, now - 1), Home: 0, End: lines.length - 1, PageDown: Math.min(now + 20, lines.length - 1), PageUp: Math.max(0, now - 20)}[event.key];
  if (next !== undefined && lines[next]) { event.preventDefault(); lines[next].focus(); }
  // From the input to its pair, to the output, and on: the arrows go across as the columns do.
  const across = {ArrowRight: ["source", "rules", "result"], ArrowLeft: ["result", "rules", "source"]}[event.key];
  if (!across || now < 0) return;
  for (const id of across.slice(across.indexOf(pane.id) + 1)) {
    const found = family(event.target).find((one) => at(id).contains(one));
    if (found) { event.preventDefault(); found.focus(); return; }
  }
});

// ---------------------------------------------------------------- links

const packed = async (text) => {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};
const unpacked = (text) => {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
};

// What was pasted goes behind the #, which no browser sends to anybody.
async function link() {
  const kept = {input: entered(), mapping: at("mapping")?.value};
  const text = await packed(JSON.stringify(kept));
  if (text.length > 100000) { at("state").textContent = "This is too long for a link."; return; }
  history.replaceState(null, "", "/workbench" + at("outcome").dataset.query + "#z=" + text);
  at("state").textContent = "The address above is now a link to this. What was pasted stands behind its #, which is sent to no server.";
}

async function restored() {
  if (!location.hash.startsWith("#z=")) return;
  try {
    const kept = JSON.parse(await unpacked(location.hash.slice(3)));
    enter(String(kept.input));
    if (at("mapping") && kept.mapping) at("mapping").value = String(kept.mapping);
  } catch (error) {
    at("state").textContent = "This link is not whole.";
    return;
  }
  await translate();
}

// ---------------------------------------------------------------- examples

function find() {
  const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const therapy of document.querySelectorAll(".therapies > li")) {
    const name = therapy.querySelector("h2")?.textContent.toLowerCase() || "";
    let here = 0;
    for (const one of therapy.querySelectorAll("ul > li")) {
      one.hidden = !words.every((word) => (name + " " + one.textContent.toLowerCase()).includes(word));
      here += !one.hidden;
    }
    therapy.hidden = !here;
    found += here;
  }
  at("found").textContent = words.length ? `${found} found` : "";
}

document.addEventListener("page", () => {
  clearTimeout(bench.choosing);
  bench.index = null;
  if (!at("bench")) return;
  at("link").addEventListener("click", link);
  at("find").addEventListener("input", find);
  at("mapping")?.addEventListener("input", soon);
  at("bench").addEventListener("change", (event) => {
    if (event.target === at("document")) openChosen();
    else if (event.target.tagName !== "TEXTAREA") translate();
  });
  at("bench").addEventListener("submit", (event) => {
    event.preventDefault();
    if (["turn", "open"].includes(event.submitter?.name)) send(at("bench"), event.submitter);
    else translate(event.submitter);
  });
  fresh();
  restored();
});
document.addEventListener("change", (event) => { if (event.target.name === "state" && at("outcome")?.contains(event.target)) translate(); });
