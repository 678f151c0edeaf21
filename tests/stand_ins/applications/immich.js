const modules = MODULES;
const say = text => { document.getElementById("state").textContent = text; };
const days = [["Today", 7], ["Yesterday", 10], ["Sunday", 6]];
try {
  await Promise.all(modules.map(path => import(path)));
  let seed = 7;
  const next = below => { seed = (seed * 48271) % 2147483647; return seed % below; };
  for (const [name, count] of days) {
    const photos = Object.assign(document.createElement("div"), { className: "photos" });
    for (let at = 0; at < count; at++) {
      const photo = document.createElement("i"), hue = next(360);
      photo.style.cssText = `width:${[8, 12, 14, 17][next(4)]}rem;background:linear-gradient(${next(360)}deg,hsl(${hue} 55% 30%),hsl(${hue + 50} 70% 58%))`;
      photos.append(photo);
    }
    document.querySelector("article").append(Object.assign(document.createElement("h2"), { textContent: name }), photos);
  }
  say(`${modules.length} modules`);
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/api/socket.io/?EIO=4&transport=websocket");
  socket.onclose = () => say(`${modules.length} modules, server offline`);
  socket.onmessage = event => {
    if (event.data === "2") socket.send("3");
    else if (event.data.startsWith("0")) socket.send("40");
    else if (event.data.startsWith("40")) say(`${modules.length} modules, server online`);
  };
} catch (error) {
  say(`${error.message} (500)`);
}
