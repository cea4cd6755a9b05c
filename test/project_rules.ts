// The rules that an auditor relies on, as functions over the texts of files: each returns its complaints, none
// when all is well. They read TypeScript with its own parser, so that a word in a comment or a message is not
// taken for code. Nothing is run, read or written here.
import ts from "typescript";

export type Texts = Map<string, string>; // path in the project, text

const LONGEST_LINE = 110;

// What lib/ and scripts/ may import, and which file alone may. A module that is not here is refused.
const MODULES: Record<string, string[] | "anywhere"> = {
  undici: ["lib/tesla_fetch.ts"],
  "undici/lib/api/api-request.js": ["lib/tesla_fetch.ts"],
  "undici/lib/global.js": ["lib/tesla_fetch.ts"],
  dotenv: ["lib/settings.ts"],
  "node:http": ["lib/loopback_server.ts", "lib/login_answer.ts"],
  "node:crypto": "anywhere",
  "node:events": "anywhere",
  "node:fs": "anywhere",
  "node:readline": ["lib/login_answer.ts"],
  "node:stream": ["lib/tesla_fetch.ts"],
  "node:timers/promises": "anywhere",
  "node:util": ["lib/command_line.ts"],
};
// Of some modules, only these names (types may always be named).
const NAMES: Record<string, string[]> = {
  undici: ["request"],
  "undici/lib/api/api-request.js": ["default"],
  "undici/lib/global.js": ["getGlobalDispatcher"],
  dotenv: ["parse"],
  "node:http": ["createServer"],
};
// What changes files, and who may.
const WRITERS: Record<string, string[]> = {
  writeFileSync: ["scripts/generate_key.ts", "lib/safe_file.ts"],
  openSync: ["lib/safe_file.ts"],
  renameSync: ["lib/safe_file.ts"],
  rmSync: ["lib/safe_file.ts"],
  writeSync: ["lib/safe_file.ts"],
  ftruncateSync: ["lib/safe_file.ts"],
  fsyncSync: ["lib/safe_file.ts"],
  closeSync: ["lib/safe_file.ts"],
};
const READERS = ["existsSync", "readFileSync", "statSync", "lstatSync", "constants"];
const FORBIDDEN_WORDS = [
  "eval",
  "Function",
  "fetch",
  "WebSocket",
  "EventSource",
  "XMLHttpRequest",
  "require",
  "console",
  "globalThis",
  "getBuiltinModule",
  "dlopen",
  "binding",
  "Worker",
  "navigator",
  "localStorage",
  "atob",
];

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

/** The pieces of fixed text in a file: string literals and the fixed parts of templates. */
export function literalsOf(path: string, text: string): string[] {
  const found: string[] = [];
  visit(parse(path, text), (node) => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      found.push(node.text);
    }
    if (ts.isRegularExpressionLiteral(node)) found.push(node.text.replaceAll("\\", ""));
  });
  return found;
}

/** What lib/ and scripts/ may not contain, whatever it is used for. */
export function checkCode(files: Texts): string[] {
  const complaints: string[] = [];
  for (const [path, text] of files) {
    const source = parse(path, text);
    const complain = (node: ts.Node, what: string): void => {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      complaints.push(`${path}:${line + 1}: ${what}`);
    };
    visit(source, (node) => {
      checkImport(path, node, complain);
      checkLanguage(node, complain);
      checkWords(path, node, complain);
    });
    for (const literal of literalsOf(path, text)) {
      const hosts = literal.match(/[\w.-]*\btesla(motors)?\.(com|cn)\b/gi) ?? [];
      // The name of the developer pages, in words, is advice.
      const own = hosts.filter((host) => !/^developer\.tesla\.(com|cn)$/i.test(host));
      // Loopback is no host of anybody's, and a name in .invalid never exists (RFC 2606).
      const address =
        /https?:\/\/(?!127\.0\.0\.1|localhost|\[::1\]|[a-z]+\.invalid\b)[\w-]+(\.[\w-]+)+/i.exec(literal);
      if (path !== "lib/hosts.ts" && (own.length > 0 || address)) {
        complaints.push(`${path}: a host outside lib/hosts.ts: ${address?.[0] ?? own[0]}`);
      }
      if (/\/wake_up\b/.test(literal) && path !== "scripts/wake_up.ts") {
        complaints.push(`${path}: only scripts/wake_up.ts may wake the car`);
      }
      if (/^location$/i.test(literal)) complaints.push(`${path}: a redirect's target is never looked at`);
    }
    // undici has types for the whole of it only: an import of a part of it stands unchecked, nothing else does.
    const checked = text.replace(/\/\/ @ts-expect-error [^\n]*\nimport [^;]+ from "undici\/lib\//g, "");
    if (/@ts-|eslint-disable|prettier-ignore/.test(checked))
      complaints.push(`${path}: a check is switched off`);
  }
  return complaints;
}

function checkImport(path: string, node: ts.Node, complain: (node: ts.Node, what: string) => void): void {
  if (ts.isImportEqualsDeclaration(node)) complain(node, "import with =");
  if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return;
  const from = node.moduleSpecifier;
  if (!from || !ts.isStringLiteral(from)) return;
  if (ts.isExportDeclaration(node)) return complain(node, "an export of another file's names");
  if (from.text.startsWith(".")) {
    const own = path.startsWith("lib/") ? /^\.\/[a-z_]+\.ts$/ : /^\.\.\/lib\/[a-z_]+\.ts$/;
    if (!own.test(from.text)) complain(node, `imports ${from.text}: only lib/*.ts, with its ending`);
    return;
  }
  const allowed = MODULES[from.text];
  if (allowed === undefined) return complain(node, `imports ${from.text}`);
  if (allowed !== "anywhere" && !allowed.includes(path))
    complain(node, `imports ${from.text}, which only ` + `${allowed.join(", ")} may`);
  const clause = node.importClause;
  const named = clause?.namedBindings;
  if (clause?.name && !named && NAMES[from.text]?.includes("default")) return;
  if (!clause || clause.name || !named || !ts.isNamedImports(named))
    return complain(node, "not an import by name");
  if (clause.isTypeOnly) return;
  for (const element of named.elements) {
    const name = (element.propertyName ?? element.name).text;
    const wanted = from.text === "node:fs" ? [...READERS, ...Object.keys(WRITERS)] : NAMES[from.text];
    if (element.isTypeOnly) continue;
    if (wanted && !wanted.includes(name)) complain(element, `imports ${name} from ${from.text}`);
    if (WRITERS[name] && !WRITERS[name].includes(path)) complain(element, `writes files itself (${name})`);
  }
}

function checkLanguage(node: ts.Node, complain: (node: ts.Node, what: string) => void): void {
  if (ts.isEnumDeclaration(node)) complain(node, "enum");
  if (ts.isModuleDeclaration(node)) complain(node, "namespace");
  if (ts.isDecorator(node)) complain(node, "decorator");
  if (ts.isNonNullExpression(node)) complain(node, "! assertion");
  if (node.kind === ts.SyntaxKind.AnyKeyword) complain(node, "any");
  if (ts.isTypeAssertionExpression(node)) complain(node, "<type> assertion");
  if (ts.isParameter(node) && node.modifiers?.length) complain(node, "parameter property");
  if (ts.isTypeParameterDeclaration(node)) complain(node, "generic");
  if (ts.isConditionalTypeNode(node) || ts.isMappedTypeNode(node))
    complain(node, "conditional or mapped type");
  if (ts.isExportAssignment(node)) complain(node, "default export");
  if (ts.canHaveModifiers(node) && node.modifiers?.some((one) => one.kind === ts.SyntaxKind.DefaultKeyword)) {
    complain(node, "default export");
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    complain(node, "dynamic import");
  }
}

function checkWords(path: string, node: ts.Node, complain: (node: ts.Node, what: string) => void): void {
  if (ts.isIdentifier(node) && node.text === "location") complain(node, "a redirect's target is never looked at");
  if (ts.isIdentifier(node) && FORBIDDEN_WORDS.includes(node.text)) complain(node, `uses ${node.text}`);
  const object =
    ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node) ? node.expression : node;
  if (object === node || !ts.isIdentifier(object) || object.text !== "process") return;
  if (ts.isElementAccessExpression(node)) return complain(node, "process[…]");
  const name = (node as ts.PropertyAccessExpression).name.text;
  const where: Record<string, boolean> = {
    env: path === "lib/settings.ts",
    stderr: path === "lib/command_line.ts",
    versions: path === "scripts/check_setup.ts",
    stdout: /^(scripts\/.*|lib\/(command_line|command|checklist)\.ts)$/.test(path), // they print answers
    stdin: path === "lib/login_answer.ts",
    kill: path === "lib/safe_file.ts", // signal 0 only, see below
    ...Object.fromEntries(
      ["on", "once", "off", "exit", "pid", "platform", "exitCode"].map((one) => [one, true]),
    ),
  };
  if (where[name] !== true) complain(node, `uses process.${name}`);
  const call = node.parent;
  if (name === "kill" && !(ts.isCallExpression(call) && call.arguments[1]?.getText() === "0")) {
    complain(node, "process.kill with a signal");
  }
}

/** Width, spaces and ends of lines, in every file that is read. */
export function checkLayout(files: Texts): string[] {
  const complaints: string[] = [];
  for (const [path, text] of files) {
    if (!text.endsWith("\n") || text.endsWith("\n\n"))
      complaints.push(`${path}: must end with one end of line`);
    text.split("\n").forEach((line, index) => {
      const where = `${path}:${index + 1}`;
      if ([...line].length > LONGEST_LINE) complaints.push(`${where}: ${[...line].length} columns`);
      if (/\t|\r|\s$/.test(line)) complaints.push(`${where}: tab, carriage return or space at the end`);
    });
    if (!text.startsWith("// ")) complaints.push(`${path}: no comment at its top`);
  }
  return complaints;
}

const CONTACTS = ["Fleet API", "token host", "TESLA_DOMAIN", "TESLA_PROXY_URL"];

export interface Header {
  purpose: string;
  reads: string[];
  writes: string[];
  contacts: string[];
  costs: string;
  run: string;
}

/** A script's header, in its fixed form. Throws an Error where it is in another one. */
export function headerOf(path: string, text: string): Header {
  const name = path.replace("scripts/", "").replaceAll(".", "\\.");
  const form = new RegExp(
    "^((?:// [^\\n]+\\n){1,2})//\\n//   reads     ([^\\n]+)\\n//   writes    ([^\\n]+)\\n" +
      "//   contacts  ([^\\n]+)\\n//   costs     ([^\\n]+)\\n" +
      `//   run       npx tsx scripts/(${name}(?: [^\\n]+)?)\\nimport `,
  );
  // A list that is too long for its line goes on in the next one, below its beginning.
  const found = form.exec(text.replace(/,\n\/\/ {13}(?=\S)/g, ", "));
  if (!found) throw new Error(`${path}: its header is not in the fixed form`);
  const list = (line: string): string[] => (line === "nothing" || line === "nobody" ? [] : line.split(", "));
  const purpose = found[1]
    .replace(/^\/\/ /gm, "")
    .trim()
    .replaceAll("\n", " ");
  if (!purpose.endsWith(".")) throw new Error(`${path}: its header begins with a sentence`);
  const contacts = CONTACTS.filter((one) => found[4].includes(one));
  return { purpose, reads: list(found[2]), writes: list(found[3]), contacts, costs: found[5], run: found[6] };
}

/** The files of lib/ that a file imports, and those that they import. */
export function closureOf(path: string, files: Texts): Set<string> {
  const seen = new Set<string>();
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const [, name] of (files.get(next) ?? "").matchAll(/from\s+"\.{1,2}\/(?:lib\/)?([a-z_]+\.ts)"/g)) {
      pending.push(`lib/${name}`);
    }
  }
  return seen;
}

// What the functions of lib/ touch, for the headers. A name that is not here touches nothing by itself; that
// this is so is checked by the file names that the imported files hold.
const LOCKED = ["", ".lock"];
const EFFECTS: Record<string, Partial<Record<"reads" | "writes" | "contacts", string[]>>> = {
  readSettings: { reads: [".env"] },
  readToken: { reads: ["tesla_token.json"] },
  "takeLock(TOKEN_FILE)": { reads: ["tesla_token.json.lock"], writes: ["tesla_token.json.lock"] },
  "replaceFile(TOKEN_FILE": { reads: ["tesla_token.json.new"], writes: ["tesla_token.json", "tesla_token.json.new"] },
  readPublicKey: { reads: ["public-key.pem"] },
  publishedPoint: { contacts: ["TESLA_DOMAIN"] },
  partnerToken: { contacts: ["token host"] },
  registeredPoint: { contacts: ["Fleet API"] },
  readPrivateKey: { reads: ["private-key.pem"] },
  readSession: { reads: ["tesla_session.json"] },
  readWay: { reads: [".env"] },
  sendCommand: {
    reads: [".env", "private-key.pem", ...[...LOCKED, ".new"].map((end) => `tesla_session.json${end}`)],
    writes: [...LOCKED, ".new"].map((end) => `tesla_session.json${end}`),
    contacts: ["Fleet API", "TESLA_PROXY_URL"],
  },
};

/** The headers against the code: what a script reads, writes and contacts, as its text and imports tell. */
export function checkHeaders(files: Texts): string[] {
  const complaints: string[] = [];
  for (const [path, text] of files) {
    if (!path.startsWith("scripts/")) continue;
    let header: Header;
    try {
      header = headerOf(path, text);
    } catch (error) {
      complaints.push((error as Error).message);
      continue;
    }
    const code = text.replace(/^import [^;]+;$/gm, "").replace(/\/\/ .*/g, "");
    const told = { reads: new Set<string>(), writes: new Set<string>(), contacts: new Set<string>() };
    for (const [name, effects] of Object.entries(EFFECTS)) {
      if (!code.includes(`${name}${name.includes("(") ? "" : "("}`)) continue;
      for (const kind of ["reads", "writes", "contacts"] as const) {
        for (const one of effects[kind] ?? []) told[kind].add(one);
      }
    }
    for (const [, name] of code.matchAll(/writeFileSync\("([^"]+)"/g)) told.writes.add(name);
    // To look whether a file is there is to read, for a permission model.
    for (const [, list] of code.matchAll(/for \(const file of \[([^\]]+)\]\)\s*\{?\s*if \(existsSync\(file\)/g)) {
      for (const name of list.split(",")) told.reads.add(name.trim().replaceAll('"', ""));
    }
    if (/\bFLEET_API\[/.test(code.replace(/audience: FLEET_API/g, ""))) told.contacts.add("Fleet API");
    if (/\$\{TOKEN_HOST\b/.test(code)) told.contacts.add("token host");
    for (const kind of ["reads", "writes", "contacts"] as const) {
      const [says, does] = [[...header[kind]].sort().join(", "), [...told[kind]].sort().join(", ")];
      if (says !== does) complaints.push(`${path}: its header says ${kind} "${says}", its code "${does}"`);
    }
    // The same from the other side: the names of files that the imported files hold.
    const closure = closureOf(path, files);
    closure.delete("lib/key_files.ts"); // it has a function for each of two files, named above
    const all = [...closure].flatMap((file) => literalsOf(file, files.get(file) ?? ""));
    const named = new Set(all.filter((word) => /^(\.env|[a-z_-]+\.(pem|json))$/.test(word)));
    for (const name of named) {
      if (![...header.reads, ...header.writes].includes(name)) {
        complaints.push(`${path}: it or its imports name ${name}, its header does not`);
      }
    }
    const steps = [...text.matchAll(/^\/\/ Step (\d+): /gm)].map((match) => Number(match[1]));
    const isWalk = steps.length === 0 && /^await step\("/m.test(text); // check_setup calls its steps by name
    if ((steps.length === 0 && !isWalk) || steps.some((step, index) => step !== index + 1)) {
      complaints.push(`${path}: its steps are not numbered 1 to n`);
    }
    if (/^(async )?function main|^class /m.test(text))
      complaints.push(`${path}: a script is a page read downwards`);
  }
  return complaints;
}

/** Strings that look like secrets, and traces of the machine that a file was written on. */
export function checkSecrets(files: Texts): string[] {
  const complaints: string[] = [];
  const patterns: [RegExp, string][] = [
    [/-----BEGIN (EC |RSA )?PRIVATE KEY-----[\s"\\n+]*[A-Za-z0-9+/]{40}/, "a private key"],
    [/\beyJ[\w-]{20,}\.[\w-]{20,}\./, "an access token"],
    [/\b(NA|EU|CN)_[0-9a-zA-Z-]{24,}/, "a refresh token"],
    [/ta-secret\.(?!simulated)[\w+-]{12,}/, "a client secret"],
    [/\b(npm_|ghp_|gho_|sk-)[A-Za-z0-9]{20,}/, "an access key"],
    [/\/(root|home|work|Users)\/[a-z][\w-]*\//, "a path of somebody's machine"],
  ];
  for (const [path, text] of files) {
    for (const [pattern, what] of patterns) {
      const found = pattern.exec(text);
      if (found) complaints.push(`${path}: ${what}: ${found[0].slice(0, 30)}…`);
    }
  }
  return complaints;
}
