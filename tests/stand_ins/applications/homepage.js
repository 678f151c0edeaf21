const make = (tag, name, ...inside) => { const made = document.createElement(tag); if (name) made.className = name; made.append(...inside); return made; };
const ask = async (path, query = {}) => {
  const answer = await fetch(path + "?" + new URLSearchParams(query));
  return { ok: answer.ok, status: answer.status, data: await answer.json().catch(() => ({})) };
};
const whole = number => Number(number).toLocaleString("en-US");
const binary = bytes => { const units = ["B", "KiB", "MiB", "GiB", "TiB"]; let at = 0; while (bytes >= 1024 && at < 4) { bytes /= 1024; at++; } return `${bytes.toFixed(bytes && at ? 1 : 0)} ${units[at]}`; };

function icon(service) {
  const drawing = ICONS[String(service.icon || "").split(".")[0].split("-")[0]];
  if (!drawing) return make("div", "icon letter", service.name.slice(0, 1).toUpperCase());
  const made = make("div", "icon"); made.innerHTML = drawing; return made;
}

async function probe(state, path, group, service) {
  const { ok, data } = await ask(path, { groupName: group.name, serviceName: service.name }).catch(() => ({ ok: false, data: {} }));
  const up = ok && (path === "/api/ping" ? data.alive : data.status <= 403);
  state.className = `state ${up ? "up" : "down"}`;
  state.textContent = !ok ? "error" : up ? `${Math.round(data.latency ?? data.time)} ms` : data.status ?? "down";
  state.title = data.status ? `HTTP status ${data.status}` : "";
}

const blocks = entries => make("div", "blocks", ...entries.map(([name, value]) => make("div", "block", value, make("span", "", name))));
function failure(data) {
  const found = data?.error?.resultData;
  return make("div", "failed", make("b", "", found?.message || found?.error ? "API Error Information" : "API Error"), String(found?.message ?? found?.error?.message ?? data?.error?.message ?? ""));
}
const refused = answer => !answer.ok || answer.data.error || answer.data.message;

const widgets = {
  async immich(widget, get) {
    const second = widget.version === 2;
    const version = await get(second ? "version_v2" : "version");
    let endpoint = second ? "statistics_v2" : "stats";
    if (widget.version === 1 && (version.data.major > 1 || version.data.minor > 84)) endpoint = "statistics";
    const found = await get(endpoint);
    const wrong = [found, version].find(refused);
    if (wrong) return failure(wrong.data);
    const all = { users: whole(found.data.usageByUser.length), photos: whole(found.data.photos), videos: whole(found.data.videos), storage: binary(found.data.usage) };
    return blocks(Object.entries(all).filter(([name]) => !widget.fields || widget.fields.includes(name)));
  },
  async traefik(widget, get) {
    const found = await get("traefik");
    if (refused(found)) return failure(found.data);
    return blocks(["routers", "services", "middlewares"].map(name => [name, whole(found.data.http[name].total)]));
  },
  async customapi(widget, get) {
    const found = await get("");
    if (!found.ok) return failure(found.data);
    const at = field => String(field).split(".").reduce((value, key) => value?.[key], found.data);
    return blocks((widget.mappings || []).map(mapping => [mapping.label, String(at(mapping.field) ?? "")]));
  },
};

function tile(group, service) {
  const text = make("div", "", make("div", "name", service.name), make("div", "about", service.description || ""));
  const top = make(service.href ? "a" : "div", "top", icon(service), text);
  if (service.href) top.href = service.href;
  const made = make("div", "tile", top);
  for (const [key, path] of [["siteMonitor", "/api/siteMonitor"], ["ping", "/api/ping"]]) {
    if (!service[key]) continue;
    const state = make("div", "state", "…");
    top.append(state);
    const again = () => probe(state, path, group, service);
    again(); setInterval(again, 30000);
  }
  for (const widget of service.widgets || []) {
    if (!widgets[widget.type]) continue;
    const place = made.appendChild(make("div"));
    const get = endpoint => ask("/api/services/proxy", { group: group.name, service: service.name, index: widget.index, endpoint });
    widgets[widget.type](widget, get).then(shown => place.replaceWith(shown)).catch(error => place.replaceWith(failure({ error })));
  }
  return made;
}

const section = group => make("section", "", make("h2", "", group.name), make("div", "tiles", ...group.services.map(service => tile(group, service)), ...group.groups.map(section)));

function gauge(name, share, text) {
  const fill = make("i"); fill.style.width = `${Math.min(100, Math.round(share))}%`;
  return make("div", "resource", name, make("b", "", text), make("div", "bar", fill));
}
async function resources() {
  const { data } = await ask("/api/widgets/resources");
  const used = part => 100 * (part.total - part.free) / part.total;
  document.getElementById("resources").replaceWith(
    gauge("CPU", data.cpu, `${Math.round(data.cpu)} %`), gauge("Memory", used(data.memory), `${binary(data.memory.free)} free`), gauge("Disk", used(data.disk), `${binary(data.disk.free)} free`));
}

const clock = () => { document.querySelector("time").textContent = new Date().toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }); };
clock(); setInterval(clock, 10000);
if (document.getElementById("resources")) resources();
ask("/api/services").then(({ ok, data }) => document.getElementById("groups").replaceChildren(...(ok ? data.map(section) : [failure({ error: { message: data.error } })])));
addEventListener("focus", async () => {
  const { data } = await ask("/api/hash");
  if (localStorage.hash && localStorage.hash !== data.hash) { localStorage.hash = data.hash; await ask("/api/revalidate"); location.reload(); }
  localStorage.hash = data.hash;
});
