// SPDX-License-Identifier: MIT
// Reads Bicep files given after the directory of node_modules: whether each follows the grammar. Whether Azure has such
// resources it does not know; only Microsoft's compiler does.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const { Parser, Language } = createRequire(resolve(modules, "x"))("web-tree-sitter");
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(join(modules, "tree-sitter-bicep", "tree-sitter-bicep.wasm")));

function faultsIn(node) {
  if (node.isError || node.isMissing) {
    return [node];
  }
  return node.children.flatMap(faultsIn);
}

for (const file of files) {
  const tree = parser.parse(readFileSync(file, "utf8"));
  for (const { startPosition, type } of faultsIn(tree.rootNode)) {
    console.log(`${file}:${startPosition.row + 1}:${startPosition.column + 1}: not Bicep (${type})`);
    process.exitCode = 1;
  }
}
