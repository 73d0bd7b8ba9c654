// A long text is held outside its field, which a browser lays out anew for each key: measured, half a second with 4 MB
// on one line and three seconds where they are indented; up to MOST_TYPED nobody notices.
const MOST_TYPED = 200000;
const TYPING = /^(insert(Text|LineBreak|CompositionText|FromPaste)|delete|history)/; // of what is pasted is decided before it is there
const FIRST = {lines: 8, characters: 600};

// What was pasted or typed, wherever it is kept.
const entered = () => bench.held ?? at("input").value;

// Put a text in the place of what was there.
function enter(text) {
  if (text.length > MOST_TYPED) hold(text);
  else { release(); at("input").value = text; }
}

function hold(text) {
  const within = [at("input"), at("held")].some((one) => one.contains(document.activeElement));
  bench.held = text;
  at("input").value = "";
  at("input").hidden = true;
  at("held").hidden = false;
  const first = text.slice(0, FIRST.characters).split("\n", FIRST.lines).join("\n");
  at("held-title").textContent = "Held: " + kindOf(text) + ", " + sizeOf(text);
  at("held").querySelector("pre").textContent = first + (first.length < text.length ? " …" : "");
  if (within) at("held").focus();
}

// Show the field again, empty.
function release() {
  bench.held = null;
  at("held").hidden = true;
  at("input").hidden = false;
}

// Say what a text is, of its content only the kind and how many there are.
function kindOf(text) {
  let given;
  try { given = JSON.parse(text); } catch (error) { return "text that is no JSON"; }
  const named = String(given?.resourceType ?? given?.record ?? "JSON").slice(0, 60);
  const [name, list] = Array.isArray(given) ? ["elements", given] : ["entry", "steps", "segments"].map((one) => [one, given?.[one]]).find(([, one]) => Array.isArray(one)) || [];
  if (!list) return named;
  return `${named} with ${list.length} ${name === "entry" ? "entries" : name}`;
}

function sizeOf(text) {
  const bytes = new Blob([text]).size;
  return bytes < 1e6 ? Math.round(bytes / 1000) + " kB" : (bytes / 1e6).toFixed(1) + " MB";
}

// What is dropped, or put there by another program, is held as what is pasted; what somebody types never leaves the field.
function typed(event) {
  if (at("input").value.length > MOST_TYPED && !TYPING.test(event.inputType)) { hold(at("input").value); translate(); }
  else soon(event);
}

document.addEventListener("paste", (event) => {
  const field = event.target, over = at("held")?.contains(field);
  if (!over && (!at("input") || field !== at("input"))) return;
  const pasted = event.clipboardData.getData("text/plain").replaceAll("\r\n", "\n");
  const whole = over ? pasted : field.value.slice(0, field.selectionStart) + pasted + field.value.slice(field.selectionEnd);
  if (!pasted || (!over && (whole.length <= MOST_TYPED || field.value.length > MOST_TYPED))) return;
  event.preventDefault();
  enter(whole);
  if (over && bench.held === null) at("input").focus();
  translate();
});
document.addEventListener("page", () => {
  bench.held = null;
  if (!at("bench")) return;
  if (at("input").value.length > MOST_TYPED) hold(at("input").value);
  at("input").addEventListener("input", typed);
  at("bench").addEventListener("formdata", (event) => event.formData.set("input", entered()));
  at("held-edit").addEventListener("click", () => {
    const text = bench.held;
    release();
    at("input").value = text;
    at("input").focus();
    at("input").setSelectionRange(0, 0);
  });
  at("held-remove").addEventListener("click", (event) => {
    release();
    at("input").focus();
    soon(event);
  });
});
