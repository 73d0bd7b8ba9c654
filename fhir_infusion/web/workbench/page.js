// The workbench.
const at = (id) => document.getElementById(id);
const examples = () => JSON.parse(at("examples").textContent);
let lines = [];

function row(cells) {
  const tr = document.createElement("tr");
  for (const [text, className] of cells) {
    const td = document.createElement("td");
    td.textContent = text || "";
    if (className) td.className = className;
    tr.append(td);
  }
  return tr;
}

function fill(name, rows) {
  at(name).replaceChildren(...rows);
  at(name + "-part").hidden = rows.length === 0;
}

function direction() {
  if (at("to").value) return at("to").value;
  // Only a guess for convenience: the service reads the input strictly whatever is asked here.
  return /"resourceType"\s*:/.test(at("input").value) ? "internal" : "fhir";
}

function showLedger() {
  const shown = new Set([...at("filters").querySelectorAll("input:checked")].map((box) => box.value));
  at("ledger").replaceChildren(...lines.filter((line) => shown.has(line.state)).map((line) =>
    row([[line.path, "path"], [line.state, "state " + line.state], [line.to, "path"], [line.why]])));
}

function filters() {
  const states = ["mapped", "carried", "dropped", "refused"];
  at("filters").replaceChildren(...states.map((state) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox"; box.value = state; box.checked = true;
    box.addEventListener("change", showLedger);
    const count = lines.filter((line) => line.state === state).length;
    label.append(box, ` ${state} ${count}`);
    label.className = state;
    return label;
  }));
}

async function translate(event) {
  if (event) event.preventDefault();
  at("state").textContent = "translating …";
  // The input is put into the request as text: JavaScript's numbers would turn 1.50 into 1.5.
  const choices = {to: direction(), release: at("release").value, strict: at("strict").checked, text: true};
  if (at("overlay").value) choices.overlay = at("overlay").value;
  const body = JSON.stringify(choices).slice(0, -1) + ',"input":' + (at("input").value.trim() || "null") + "}";
  let answer;
  try {
    const reply = await ask("/api/translate", {method: "POST", headers: {"Content-Type": "application/json"}, body});
    answer = await reply.json();
    answer.ok = reply.ok;
  } catch (error) {
    at("state").textContent = "the service does not answer";
    return;
  }
  at("state").textContent = answer.ok ? "done: " + choices.to : "refused";
  at("result").textContent = answer.ok ? answer.text : "";
  at("back").disabled = !(answer.ok && answer.results.length === 1);
  fill("issues", answer.ok ? [] : answer.issues.map((issue) =>
    row([[issue.path, "path"], [issue.reason], [issue.accepted], [issue.rule || issue.code]])));
  fill("findings", answer.ok ? answer.findings.map((issue) => row([[issue.path, "path"], [issue.reason]])) : []);
  lines = answer.ok ? answer.ledger : [];
  at("ledger-part").hidden = lines.length === 0;
  filters();
  showLedger();
}

document.addEventListener("page", () => {
  if (!at("examples")) return;
  at("form").addEventListener("submit", translate);
  at("input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) translate(event);
  });
  at("example").addEventListener("change", () => {
    if (at("example").value === "") return;
    at("input").value = examples()[at("example").value];
    at("to").value = "";
    translate();
  });
  at("back").addEventListener("click", () => {
    at("input").value = at("result").textContent;
    at("to").value = "";
    translate();
  });
});
