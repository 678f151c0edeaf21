const say = text => { document.getElementById("state").textContent = text; };
const headers = {};

async function list() {
  const answer = await fetch("/remote.php/webdav/", { method: "PROPFIND", headers: { ...headers, Depth: "1" } });
  if (answer.status !== 207) return say(`The files cannot be listed (${answer.status}).`);
  const found = [...new DOMParser().parseFromString(await answer.text(), "text/xml").getElementsByTagNameNS("DAV:", "response")].slice(1);
  const text = (entry, tag) => entry.getElementsByTagNameNS("DAV:", tag)[0]?.textContent ?? "";
  const made = document.createElement("ul");
  for (const entry of found) {
    const line = made.appendChild(document.createElement("li"));
    line.append(text(entry, "displayname"), text(entry, "getcontentlength") && `${text(entry, "getcontentlength")} bytes`);
  }
  const field = Object.assign(document.createElement("input"), { type: "file" });
  field.onchange = async () => {
    await fetch(`/remote.php/webdav/${encodeURIComponent(field.files[0].name)}`, { method: "PUT", headers, body: field.files[0] });
    list();
  };
  document.getElementById("content").replaceChildren(field, made);
  say(`${found.length} files and folders`);
}

try {
  await Promise.all(CHUNK_PATHS.map(path => import(path)));
  document.querySelector("form").onsubmit = async event => {
    event.preventDefault();
    const params = [...new FormData(event.target).values(), "1"];
    const answer = await fetch("/signin/v1/identifier/_/logon", { method: "POST", body: JSON.stringify({ params }) });
    if (answer.status !== 200) return say("Logon failed. Please verify your credentials and try again.");
    headers.Authorization = `Bearer ${(await answer.json()).access_token}`;
    list();
  };
  document.body.hidden = false;
} catch (error) {
  console.error(error);
}
