// The rules that an auditor relies on, as functions over the texts of files: each returns its complaints, none
// when all is well. They read TypeScript with its own parser, so that a word in a comment or a message is not
// taken for code. Nothing is run, read or written here.
import { posix } from "node:path";
import ts from "typescript";

export type Texts = Map<string, string>; // path in the project, text

const LONGEST_LINE = 110;
const LONGEST_FUNCTION = 45; // lines: a screen

// Signed commands are a room with a door. Nothing outside goes past it, but for the table and its encoder.
const ROOM = "lib/signing/";
const DOOR = "lib/signing/signed_command.ts";
const PAST_THE_DOOR: Record<string, string[]> = {
  "scripts/send_command.ts": ["lib/signing/commands.ts", "lib/signing/encode_command.ts"],
};

// What lib/ and scripts/ may import, and which file alone may. A module that is not here is refused.
const MODULES: Record<string, string[] | "anywhere"> = {
  undici: ["lib/tesla_fetch.ts"],
  dotenv: ["lib/settings.ts"],
  "node:http": ["lib/loopback_server.ts"],
  "node:crypto": "anywhere",
  "node:events": ["lib/login_answer.ts"],
  "node:fs": "anywhere",
  "node:readline": ["lib/login_answer.ts"],
  "node:timers/promises": "anywhere",
  "node:util": ["lib/command_line.ts"],
};
// Of some modules, only these names (types may always be named).
const NAMES: Record<string, string[]> = {
  undici: ["request"],
  dotenv: ["parse"],
  "node:http": ["createServer"],
};
// What changes files, and who may.
const WRITERS: Record<string, string[]> = {
  writeFileSync: ["scripts/generate_key.ts", "lib/safe_file.ts"],
  openSync: ["lib/safe_file.ts"],
  renameSync: ["lib/safe_file.ts"],
  rmSync: ["lib/safe_file.ts"],
  ftruncateSync: ["lib/safe_file.ts"],
  fsyncSync: ["lib/safe_file.ts"],
  closeSync: ["lib/safe_file.ts"],
};
const READERS = ["existsSync", "readFileSync", "statSync"];
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
    if (/@ts-|eslint-disable|prettier-ignore/.test(text)) complaints.push(`${path}: a check is switched off`);
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
    const target = importedBy(path, from.text);
    if (!/^lib\/(signing\/)?[a-z_]+\.ts$/.test(target)) {
      complain(node, `imports ${from.text}: only files of lib/, with their ending`);
    }
    const isInside = !target.startsWith(ROOM) || path.startsWith(ROOM) || target === DOOR;
    if (!isInside && !PAST_THE_DOOR[path]?.includes(target)) complain(node, `goes past the door of ${ROOM}: ${target}`);
    return;
  }
  const allowed = MODULES[from.text];
  if (allowed === undefined) return complain(node, `imports ${from.text}`);
  if (allowed !== "anywhere" && !allowed.includes(path))
    complain(node, `imports ${from.text}, which only ` + `${allowed.join(", ")} may`);
  const clause = node.importClause;
  const named = clause?.namedBindings;
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
    cwd: path === "lib/settings.ts",
    stdout: /^(scripts\/.*|lib\/(command_line|command)\.ts)$/.test(path), // they print answers
    stdin: path === "lib/login_answer.ts",
    kill: path === "lib/safe_file.ts", // signal 0 only, see below
    ...Object.fromEntries(["on", "once", "exit", "pid", "platform"].map((one) => [one, true])),
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
    const source = parse(path, text);
    visit(source, (node) => {
      if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return;
      const [first, last] = [node.getStart(source), node.end].map((at) => source.getLineAndCharacterOfPosition(at).line);
      const lines = (last ?? 0) - (first ?? 0) + 1;
      if (lines > LONGEST_FUNCTION) complaints.push(`${path}:${(first ?? 0) + 1}: a function of ${lines} lines`);
    });
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

/** The path in the project of what a file imports by a relative name. */
function importedBy(path: string, name: string): string {
  return posix.join(posix.dirname(path), name);
}

/** The files of lib/ that a file imports, and those that they import. */
export function closureOf(path: string, files: Texts): Set<string> {
  const seen = new Set<string>();
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const [, name = ""] of (files.get(next) ?? "").matchAll(/from\s+"(\.[^"]+)"/g)) {
      pending.push(importedBy(next, name));
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
  "withLock(TOKEN_FILE": { reads: ["tesla_token.json.lock"], writes: ["tesla_token.json.lock"] },
  "replaceFile(TOKEN_FILE": { reads: ["tesla_token.json.new"], writes: ["tesla_token.json", "tesla_token.json.new"] },
  readPublicKey: { reads: ["public-key.pem"] },
  askFleetApi: { contacts: ["Fleet API"] },
  askTokenHost: { contacts: ["token host"] },
  askDomain: { contacts: ["TESLA_DOMAIN"] },
  askProxy: { contacts: ["TESLA_PROXY_URL"] },
  publishedPoint: { contacts: ["TESLA_DOMAIN"] },
  partnerToken: { contacts: ["token host"] },
  registeredPoint: { contacts: ["Fleet API"] },
  readPrivateKey: { reads: ["private-key.pem"] },
  showCommand: { reads: [".env"] },
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
