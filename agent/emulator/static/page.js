"use strict";
// Shows what the emulator tells by server-sent events. Everything from outside is set as text, never
// as HTML.

const MOST_ROWS = 800;
const FAULTS = [
  ["drop", "Drop the socket now"],
  ["quota", "Out of quota"],
  ["token", "Token expired"],
  ["reset", "Reset (RST)"],
  ["half_open", "Half open"],
  ["stall", "Stall for 5 s"],
  ["garbage", "Send garbage"],
  ["close_1011", "Close 1011"],
];
const AT_HAND = 2;

const $ = (id) => document.getElementById(id);
const devices = new Map(); // key -> {data, card, lines: Map(id -> line)}
const rows = new Map(); // seq -> {entry, item, parts}
let boot = "";
let skew = 0; // seconds the emulator's clock is ahead of ours
let chosen = ""; // the device a person picked
let shown = ""; // the device whose conversation is shown
let paused = false;
let held = []; // entries that came during a pause
let faults = null; // names the emulator knows; null: it did not say
let said = new Map(); // line id -> bubble of the conversation shown
let lastSpoke = "";
let newest = 0; // when somebody spoke last

// --- small things -------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function clock(at, millis = false) {
  const date = new Date(at * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return millis ? `${time}.${String(date.getMilliseconds()).padStart(3, "0")}` : time;
}

function bytes(n) {
  if (n < 1000) return `${n} B`;
  if (n < 999500) return `${(n / 1000).toPrecision(3).replace(/\.0+$/, "")} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}

function duration(s) {
  s = Math.max(0, Math.floor(s));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const number = (n, most = 0) => n.toLocaleString("en", { maximumFractionDigits: most });
const short = (id) => (id.length > 12 ? `…${id.slice(-6)}` : id);
const plural = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
const now = () => Date.now() / 1000 + skew;

function toast(text) {
  const element = $("toast");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { element.hidden = true; }, 4000);
}

async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Talkbox-Page": "1" },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (answer.code !== 0) toast(answer.msg || `It was refused (${response.status}).`);
    return answer.code === 0;
  } catch {
    toast("The emulator cannot be reached.");
    return false;
  }
}

// --- devices ------------------------------------------------------------------------------------

function socketView(connection) {
  const button = ([name, label]) => make("button", {
    type: "button",
    class: "harm",
    "data-fault": name,
    text: label,
    onclick: async (event) => {
      event.target.disabled = true;
      if (await post("/emulator/faults", { connection: connection.id, fault: name })) toast(`Done: ${label}`);
      event.target.disabled = false;
    },
  });
  const known = FAULTS.filter(([name]) => faults && faults.includes(name));
  const more = known.slice(AT_HAND);
  const state = make("span", { class: "state" });
  const up = make("dd");
  const down = make("dd");
  const since = make("dd");
  const element = make("div", { class: "socket" },
    make("div", {}, state, make("span", { class: "path", text: connection.path })),
    make("dl", { class: "facts" },
      make("div", {}, make("dt", { text: "since" }), since),
      make("div", {}, make("dt", { text: "up" }), up),
      make("div", {}, make("dt", { text: "down" }), down)),
    make("div", { class: "buttons" }, ...known.slice(0, AT_HAND).map(button)),
    more.length ? make("details", {},
      make("summary", { text: "More faults" }),
      make("div", { class: "buttons" }, ...more.map(button))) : null);
  return { element, state, up, down, since, connection };
}

function updateSocket(view, connection) {
  view.connection = connection;
  setText(view.state, connection.state);
  if (view.state.dataset.state !== connection.state) view.state.dataset.state = connection.state;
  setText(view.up, `${plural(connection.up[0], "frame")}, ${bytes(connection.up[1])}`);
  setText(view.down, `${plural(connection.down[0], "frame")}, ${bytes(connection.down[1])}`);
}

function addDevice(key) {
  const title = make("strong");
  const account = make("small");
  const name = make("button", { type: "button", class: "name", "aria-pressed": "false", onclick: () => choose(key) }, title, account);
  const sockets = make("div");
  const away = make("p", { class: "away" });
  const card = make("li", {}, name, sockets, away);
  const option = make("option", { value: key });
  $("devices").append(card);
  $("filter").append(option);
  const device = { data: null, card, name, title, account, sockets, away, option, views: new Map(), lines: new Map() };
  devices.set(key, device);
  return device;
}

function dropDevice(key) {
  const device = devices.get(key);
  device.card.remove();
  device.option.remove();
  devices.delete(key);
  if (chosen === key) choose(key);
}

function updateDevice(data) {
  const device = devices.get(data.key) || addDevice(data.key);
  device.data = data;
  setText(device.title, data.id);
  setText(device.account, `account ${data.account}`);
  setText(device.option, data.id);
  const ids = new Set(data.connections.map((connection) => connection.id));
  for (const [id, view] of device.views) {
    if (!ids.has(id)) { view.element.remove(); device.views.delete(id); }
  }
  for (const connection of data.connections) {
    let view = device.views.get(connection.id);
    if (!view) {
      view = socketView(connection);
      device.views.set(connection.id, view);
      device.sockets.append(view.element);
    }
    updateSocket(view, connection);
  }
  device.away.hidden = data.connections.length > 0;
  for (const line of data.talk) {
    device.lines.set(line.id, line);
    if (line.at >= newest) { newest = line.at; lastSpoke = data.key; }
  }
  while (device.lines.size > 200) device.lines.delete(device.lines.keys().next().value);
}

function redrawTimes() {
  for (const device of devices.values()) {
    for (const view of device.views.values()) {
      const since = view.connection.since;
      setText(view.since, `${clock(since)} · ${duration(now() - since)}`);
    }
    if (device.data && !device.data.connections.length) {
      setText(device.away, `away since ${clock(device.data.seen)} · ${duration(now() - device.data.seen)}`);
    }
  }
  for (const left of document.querySelectorAll("[data-until]")) {
    setText(left, `expires in ${duration(Number(left.dataset.until) - now())}`);
  }
}

function choose(key) {
  chosen = chosen === key ? "" : key;
  for (const [other, device] of devices) {
    device.card.dataset.chosen = String(other === chosen);
    device.name.setAttribute("aria-pressed", String(other === chosen));
  }
  $("filter").value = chosen;
  filterRows();
  drawTalk();
}

// --- conversation -------------------------------------------------------------------------------

function drawTalk() {
  const key = chosen || lastSpoke;
  const scroll = $("talk-scroll");
  const follow = atEnd(scroll);
  if (key !== shown) {
    shown = key;
    said = new Map();
    $("talk").replaceChildren();
  }
  const device = devices.get(key);
  const lines = device ? [...device.lines.values()] : [];
  for (const line of lines) drawLine(line);
  for (const [id, bubble] of said) {
    if (!device || !device.lines.has(id)) { bubble.item.remove(); said.delete(id); }
  }
  $("silent").hidden = lines.length > 0;
  setText($("talk-of"), device ? `with ${short(device.data.id)}` : "");
  if (follow) scroll.scrollTop = scroll.scrollHeight;
}

function drawLine(line) {
  let bubble = said.get(line.id);
  if (bubble && bubble.line === line) return;
  if (!bubble) {
    const text = make("span");
    const small = make("small");
    const item = make("li", { class: "said" }, text, small);
    bubble = { item, text, small, line: null };
    said.set(line.id, bubble);
    $("talk").append(item);
  }
  bubble.line = line;
  bubble.item.dataset.role = line.role;
  bubble.item.dataset.done = String(line.done);
  bubble.item.dataset.cut = String(line.mark === "interrupted" || line.mark === "stopped");
  setText(bubble.text, line.text);
  const who = { user: "person", assistant: "bot", tool: "tool", note: "" }[line.role] || "";
  setText(bubble.small, [who, line.mark.replace("_", " "), clock(line.at)].filter(Boolean).join(" · "));
}

// --- log ----------------------------------------------------------------------------------------

function atEnd(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight < 40;
}

function isBad(entry) {
  const type = entry.type;
  return type === "error" || type.endsWith(".failed") || type === "(unreadable)"
    || (entry.kind === "http" && !/^2\d\d$|^30\d$/.test(entry.summary));
}

function folded(entry) {
  if (entry.kind === "audio") {
    const length = entry.ms ? `, ${(entry.ms / 1000).toFixed(1)} s` : "";
    return `${plural(entry.count, "audio frame")}${length}, ${bytes(entry.size)}`;
  }
  if (entry.kind === "text") {
    const what = entry.type.endsWith(".delta") ? "text delta" : "update";
    return plural(entry.count, what) + (entry.summary ? `: ${entry.summary}` : "");
  }
  return entry.summary;
}

function addRow(entry) {
  const way = make("span", { class: "way", text: { up: "↑", down: "↓" }[entry.direction] || "•", title: { up: "from the device", down: "to the device" }[entry.direction] || null });
  const type = make("span", { class: "type" });
  const cut = entry.type.startsWith("conversation.") ? "conversation.".length : 0;
  if (cut) type.append(make("i", { text: entry.type.slice(0, cut) }), make("wbr"));
  type.append(entry.type.slice(cut));
  const device = devices.get(entry.device);
  const who = make("span", { class: "who", text: device ? short(device.data.id) : "", title: entry.connection ? `device ${device ? device.data.id : "?"}, connection …${entry.connection}` : null });
  const time = make("time", { text: clock(entry.at, true), datetime: new Date(entry.at * 1000).toISOString() });
  const sum = make("span", { class: "sum" });
  const bars = entry.kind === "audio" ? make("span", { class: "bars", "aria-hidden": "true" }) : null;
  const what = make("span", {}, ...[type, " ", bars, sum].filter(Boolean));
  const parts = [time, way, what, who];
  let body;
  if (entry.frame) {
    const pre = make("pre", { tabindex: "0", text: "…" });
    body = make("details", { ontoggle: () => { if (body.open) unfold(entry.seq, pre); } }, make("summary", { class: "row" }, ...parts), pre);
  } else {
    body = make("div", { class: "row" }, ...parts);
  }
  const item = make("li", { "data-kind": entry.kind, "data-way": entry.direction, "data-bad": String(isBad(entry)) }, body);
  const row = { entry, item, sum };
  rows.set(entry.seq, row);
  item.hidden = !wanted(entry);
  $("log").append(item);
  return row;
}

async function unfold(seq, pre) {
  try {
    const response = await fetch(`/emulator/entries/${seq}`);
    pre.textContent = response.ok ? await response.text() : "This frame is not kept any more.";
  } catch {
    pre.textContent = "The emulator cannot be reached.";
  }
}

function wanted(entry) {
  return (!$("filter").value || entry.device === $("filter").value)
    && ($("audio").checked || entry.kind !== "audio");
}

function filterRows() {
  $("log").dataset.one = String(Boolean($("filter").value) || devices.size < 2);
  for (const row of rows.values()) row.item.hidden = !wanted(row.entry);
  $("log-scroll").scrollTop = $("log-scroll").scrollHeight;
}

function drawEntries(entries) {
  const scroll = $("log-scroll");
  const follow = atEnd(scroll);
  for (const entry of entries) {
    const row = rows.get(entry.seq) || addRow(entry);
    row.entry = entry;
    setText(row.sum, folded(entry));
  }
  const log = $("log");
  while (log.children.length > MOST_ROWS) log.firstElementChild.remove();
  if (rows.size > MOST_ROWS) {
    for (const seq of rows.keys()) {
      if (rows.size <= MOST_ROWS) break;
      rows.get(seq).item.remove();
      rows.delete(seq);
    }
  }
  $("still").hidden = rows.size > 0;
  if (follow) scroll.scrollTop = scroll.scrollHeight;
  $("latest").hidden = atEnd(scroll);
}

function tellLost(lost) {
  if (lost) $("log").append(make("li", { class: "lost", text: `${plural(lost, "entry").replace("entrys", "entries")} too many to show` }));
}

function clearLog() {
  rows.clear();
  held = [];
  $("log").replaceChildren();
  $("still").hidden = false;
  $("latest").hidden = true;
}

// --- codes and usage ----------------------------------------------------------------------------

function drawCodes(codes, accounts) {
  const names = ["default", ...accounts.filter((name) => name !== "default")];
  $("codes").hidden = !codes.length;
  $("code-list").replaceChildren(...codes.map((code) => {
    const account = names.length > 1 ? make("select", { "aria-label": "account" }, ...names.map((name) => make("option", { text: name }))) : null;
    const decide = (allow) => async (event) => {
      for (const button of event.target.parentElement.querySelectorAll("button")) button.disabled = true;
      await post("/emulator/codes", { user_code: code.user_code, allow, account: account ? account.value : "default" });
    };
    return make("li", {},
      make("span", { class: "code", text: code.user_code }),
      make("span", { class: "who" }, `${code.app} · `, make("span", { "data-until": String(code.expires_at) })),
      account,
      make("button", { type: "button", class: "main", text: "Allow", "aria-label": `Allow ${code.user_code}`, onclick: decide(true) }),
      make("button", { type: "button", class: "harm", text: "Deny", "aria-label": `Deny ${code.user_code}`, onclick: decide(false) }));
  }));
}

function drawUsage(usage) {
  $("usage").hidden = !usage.length;
  const found = [];
  for (const row of usage) {
    const voice = row.voice_s ? `${number(row.voice_s, 1)} s` : "–";
    found.push(make("tr", {},
      make("td", { text: short(row.device || row.consumer) || "unnamed", title: row.device || row.consumer || "tokens without a device" }),
      make("td", { text: number(row.points, 2) }),
      make("td", { text: voice }),
      make("td", { text: number(row.tokens) })));
    for (const limit of row.limits) {
      const left = limit.resets_at ? `, anew in ${duration(limit.resets_at - now())}` : "";
      const over = limit.used >= limit.limit;
      found.push(make("tr", {}, make("td", { colspan: "4", class: over ? "limit over" : "limit" },
        `${over ? "used up: " : ""}${number(limit.used, 2)} of ${number(limit.limit)} ${limit.unit}${left}`,
        make("meter", { min: "0", max: String(Math.max(1, limit.limit)), value: String(Math.min(limit.used, limit.limit)), "aria-label": "used" }))));
    }
  }
  $("usage-rows").replaceChildren(...found);
}

// --- updates ------------------------------------------------------------------------------------

let codes = [];
let accounts = [];

function apply(update) {
  skew = update.now - Date.now() / 1000;
  if (update.whole || update.boot !== boot) {
    boot = update.boot;
    clearLog();
    for (const key of [...devices.keys()]) dropDevice(key);
    said = new Map();
    shown = lastSpoke = "";
    newest = 0;
    $("talk").replaceChildren();
  }
  if (update.faults) faults = update.faults;
  for (const device of update.devices) updateDevice(device);
  if (update.known) {
    const known = new Set(update.known);
    for (const key of [...devices.keys()]) if (!known.has(key)) dropDevice(key);
  }
  if (update.codes) codes = update.codes;
  if (update.accounts) accounts = update.accounts;
  if (update.codes || update.accounts) drawCodes(codes, accounts);
  if (update.usage) drawUsage(update.usage);
  if (update.conversations !== undefined) apply.conversations = update.conversations;
  let open = 0;
  for (const device of devices.values()) open += device.views.size;
  setText($("counts"), `${plural(open, "connection")} · ${plural(apply.conversations || 0, "conversation")}`);
  $("nobody").hidden = devices.size > 0;
  $("log").dataset.one = String(Boolean($("filter").value) || devices.size < 2);
  if (!apply.folded && (devices.size > 2 || (devices.size && innerWidth < 992))) {
    apply.folded = true;
    $("point").open = false;
  }
  if (paused) {
    if (update.lost) held.push(update.lost);
    held.push(...update.entries);
    if (held.length > 2 * MOST_ROWS) held = held.slice(-MOST_ROWS);
    $("pause").textContent = `Resume (${new Set(held.map((entry) => entry.seq)).size} new)`;
  } else {
    tellLost(update.lost);
    drawEntries(update.entries);
  }
  drawTalk();
  redrawTimes();
}

function link(state, text) {
  $("link").dataset.link = state;
  setText($("link"), text);
}

function listen() {
  const source = new EventSource("/emulator/events");
  source.onopen = () => link("live", "live");
  source.onmessage = (message) => apply(JSON.parse(message.data));
  source.onerror = () => {
    link("lost", "reconnecting");
    // Where the server refused, the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

// --- what people do -----------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    document.body.dataset.tab = button.dataset.show;
    for (const other of document.querySelectorAll("[data-show]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    for (const id of ["log-scroll", "talk-scroll"]) $(id).scrollTop = $(id).scrollHeight;
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const block = $(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
    } catch {
      // Only safe origins may write there; what is selected can be copied by hand.
      getSelection().selectAllChildren(block);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

$("filter").addEventListener("change", () => {
  const key = $("filter").value;
  if (key ? key !== chosen : chosen) choose(key || chosen);
});
$("audio").addEventListener("change", filterRows);
$("clear").addEventListener("click", clearLog);
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) {
    for (const one of held) typeof one === "number" ? tellLost(one) : drawEntries([one]);
    held = [];
  }
});
$("latest").addEventListener("click", () => { $("log-scroll").scrollTop = $("log-scroll").scrollHeight; });
$("log-scroll").addEventListener("scroll", () => { $("latest").hidden = atEnd($("log-scroll")); }, { passive: true });
setInterval(redrawTimes, 1000);
listen();
