// Reads one JSON string a line, a text in YAML; answers one line: what js-yaml makes of the text as it stands ("raw",
// which is what Homepage's /api/validate sees) and after Homepage's replacement of its variables ("served").
const yaml = require(process.argv[2]);

const PLACEHOLDER = /\{\{(HOMEPAGE_(?:VAR|FILE)_\w+)\}\}/g;

function load(text) {
  try {
    const value = yaml.load(text);
    return { value: value === undefined ? null : value };
  } catch (error) {
    return { error: error.reason || String(error) };
  }
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const text = JSON.parse(line);
    const served = text.replace(PLACEHOLDER, (_, name) => `value-of-${name}`);
    process.stdout.write(JSON.stringify({ raw: load(text), served: load(served) }) + "\n");
  });
