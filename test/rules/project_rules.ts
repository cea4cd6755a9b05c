// The rules that an auditor relies on, as functions over the texts of files: each returns its complaints,
// none when all is well. They read TypeScript with its own parser, so that a word in a comment or a message
// is not taken for code. Nothing is run, read or written here.
//
// What they are for: they catch slips. Whoever wants to deceive them will find a way; against that, read the
// diff.
import { posix } from "node:path";
import ts from "typescript";

export type Texts = Map<string, string>; // path in the project, text
type Complain = (node: ts.Node, what: string) => void;

const LONGEST_LINE = 110;
const LONGEST_FUNCTION = 45; // lines: a screen
const MOST_LINES = 3500; // lib/ and scripts/ together

// ---- Modules ----

// lib/signing/ has one entry, and a few exceptions by name: which file may import what else of it.
const SIGNING = "lib/signing/";
const ENTRY = "lib/signing/signed_command.ts";
const PAST_THE_ENTRY: Record<string, string[]> = {
  "lib/command.ts": ["lib/signing/commands.ts", "lib/signing/encode_command.ts"],
  "scripts/check_setup.ts": ["lib/signing/session.ts"], // whether the car has answered encrypted
  "scripts/send_command.ts": ["lib/signing/commands.ts", "lib/signing/encode_command.ts"],
  "scripts/telemetry_config.ts": ["lib/signing/telemetry_config.ts", "lib/signing/telemetry_token.ts"],
};

// Which names lib/ and scripts/ may import from which module, and which files alone may. Types may always be
// named.
interface Module {
  names: string[];
  files?: string[];
}
// biome-ignore format: a list of names
const MODULES: Record<string, Module> = {
  undici: { names: ["request"], files: ["lib/tesla_fetch.ts"] },
  dotenv: { names: ["parse"], files: ["lib/settings.ts"] },
  "node:diagnostics_channel": { names: ["subscribe", "unsubscribe"], files: ["lib/tesla_fetch.ts"] },
  "node:crypto": {
    names: [
      "X509Certificate", "createDecipheriv", "createECDH", "createHash", "createHmac", "createPrivateKey",
      "createPublicKey", "generateKeyPairSync", "randomBytes", "timingSafeEqual",
    ],
  },
  "node:fs": {
    names: [
      "closeSync", "constants", "existsSync", "fstatSync", "fsyncSync", "ftruncateSync", "openSync",
      "readFileSync", "renameSync", "rmSync", "statSync", "writeFileSync", "writeSync",
    ],
  },
  "node:http": { names: ["createServer"], files: ["lib/loopback_server.ts"] },
  "node:os": { names: ["uptime"], files: ["lib/safe_file.ts"] },
  "node:readline": { names: ["createInterface"], files: ["lib/login_answer.ts"] },
  "node:stream/consumers": { names: ["text"], files: ["scripts/send_command.ts"] },
  "node:timers/promises": { names: ["setTimeout"] },
  "node:util": { names: ["parseArgs"], files: ["lib/command_line.ts"] },
};
const RENAMED = ["setTimeout as sleep", "text as readAll"]; // imports under another name
// What changes files, and who may.
// biome-ignore format: a list of names
const WRITING = [
  "closeSync", "fsyncSync", "ftruncateSync", "openSync", "renameSync", "rmSync", "writeFileSync", "writeSync",
];
const WRITERS: Record<string, string[]> = {
  "lib/safe_file.ts": WRITING,
  "scripts/generate_key.ts": ["writeFileSync"],
};

// ---- Arguments ----

// The first argument of a function that reaches a file or a place is one of these words, in any file or in
// the files named. The constants hold a file of the owner's folder, which is checked where they are declared.
const FILES = [".env", "private-key.pem", "public-key.pem", "tesla_session.json", "tesla_token.json"];
const FILE_CONSTANTS = ["PRIVATE_KEY_FILE", "PUBLIC_KEY_FILE", "SESSION_FILE", "TOKEN_FILE"];
const FILE_FUNCTIONS = [
  ...(MODULES["node:fs"]?.names ?? []).filter((name) => name !== "constants"),
  "replaceFile",
  "withLock",
];
// biome-ignore format: a table, one row a line
const ARGUMENTS: { of: string[]; are: string[]; in?: string[] }[] = [
  { of: FILE_FUNCTIONS, are: [...FILES.map((name) => `"${name}"`), ...FILE_CONSTANTS] },
  // What its callers gave, who are checked; and the folder.
  { of: FILE_FUNCTIONS, are: ["file", "lock", "beside", "path", "from", "handle", "folder", '"."'], in: ["lib/safe_file.ts"] },
  { of: ["readFileSync", "existsSync"], are: ["file"], in: ["lib/command_line.ts"] }, // the header, for --help
  { of: ["existsSync"], are: ["file"], in: ["scripts/generate_key.ts"] },
  { of: ["existsSync", "statSync"], are: ["file", '"."'], in: ["scripts/check_setup.ts"] }, // there? its mode?
  { of: ["readFileSync"], are: ["file"], in: ["lib/signing/telemetry_config.ts"] }, // of the command line
  { of: ["askDomain"], are: [""] }, // it asks the domain of the settings
  { of: ["startScript"], are: ["import.meta.filename"] },
];

// ---- Names ----

// The names of JavaScript and Node that may be used. Every other one must be declared or imported in the
// file.
// biome-ignore format: a list of names
const GLOBALS = [
  "AbortController", "AbortSignal", "AggregateError", "Array", "BigInt", "Boolean", "Buffer", "Date", "Error",
  "Infinity", "JSON", "Map", "Math", "NaN", "Number", "Object", "Promise", "RegExp", "Set", "String",
  "SyntaxError", "TextDecoder", "URL", "URLSearchParams", "clearTimeout", "performance", "process",
  "setTimeout", "undefined",
];
// Never, as a name, as a property or as a text: they reach what the other rules keep away.
// biome-ignore format: a list of names
const FORBIDDEN_WORDS = [
  "EventSource", "Function", "Proxy", "Reflect", "WebAssembly", "WebSocket", "Worker", "XMLHttpRequest",
  "__proto__", "atob", "binding", "console", "constructor", "dlopen", "eval", "fetch", "getBuiltinModule",
  "global", "globalThis", "importScripts", "localStorage", "mainModule", "navigator", "require",
  "setPrototypeOf", "__defineGetter__", "__lookupGetter__", "getPrototypeOf", "prototype",
];
// These stand only before a dot and one of these names; with a list, in these files alone.
// biome-ignore format: a table, one row a line
const ONLY: Record<string, Record<string, string[] | "anywhere">> = {
  Object: {
    assign: "anywhere", entries: "anywhere", fromEntries: "anywhere", hasOwn: "anywhere", keys: "anywhere",
    values: "anywhere",
  },
  process: {
    cwd: "anywhere",
    env: ["lib/settings.ts"], // by the name of a setting
    exit: "anywhere",
    exitCode: "anywhere",
    kill: ["lib/safe_file.ts"], // signal 0 only
    off: "anywhere",
    on: "anywhere",
    once: "anywhere",
    pid: "anywhere",
    platform: "anywhere",
    stderr: ["lib/command_line.ts", "lib/tesla_fetch.ts"],
    stdin: ["lib/login_answer.ts", "scripts/send_command.ts"],
    stdout: "anywhere",
  },
};
// Where the compiler's own generics catch the mistakes of somebody who copies a script.
const GENERICS = ["lib/command_line.ts", "lib/login_answer.ts", "lib/safe_file.ts", "lib/settings.ts"];

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

const HOLE = "\u0000"; // stands for ${…}

/** The text of a string, of a template (a hole for each value in it) or of a sum of them; otherwise
 * undefined. */
function fixedText(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isParenthesizedExpression(node)) return fixedText(node.expression);
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => HOLE + literal.text).join("");
  }
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
  const [left, right] = [fixedText(node.left), fixedText(node.right)];
  return left === undefined && right === undefined ? undefined : (left ?? HOLE) + (right ?? HOLE);
}

/** The fixed texts of a file: strings, templates, sums of them as one, and patterns without their
 * backslashes. */
export function literalsOf(path: string, text: string): string[] {
  const found: string[] = [];
  const walk = (node: ts.Node): void => {
    const fixed = fixedText(node);
    if (fixed !== undefined) found.push(fixed);
    if (ts.isRegularExpressionLiteral(node)) found.push(node.text.replaceAll("\\", ""));
    ts.forEachChild(node, walk);
  };
  walk(parse(path, text));
  return found;
}

/** The path in the project of what a file imports by a relative name. */
function importedBy(path: string, name: string): string {
  return posix.join(posix.dirname(path), name);
}

/** The files of the project that a file imports, without those of which it needs only types. */
export function importsOf(path: string, text: string): string[] {
  return parse(path, text)
    .statements.filter(ts.isImportDeclaration)
    .flatMap((node) => {
      const from = node.moduleSpecifier;
      const isType = node.importClause?.isTypeOnly === true;
      return ts.isStringLiteral(from) && from.text.startsWith(".") && !isType
        ? [importedBy(path, from.text)]
        : [];
    });
}

/** A file of lib/ or scripts/, and all that it imports, directly or not. */
export function closureOf(path: string, files: Texts): Set<string> {
  const seen = new Set<string>();
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    pending.push(...importsOf(next, files.get(next) ?? ""));
  }
  return seen;
}

/** What lib/ and scripts/ may not contain, whatever it is used for. */
export function checkCode(files: Texts): string[] {
  const complaints: string[] = [];
  for (const [path, text] of files) {
    const source = parse(path, text);
    const complain: Complain = (node, what) => {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      complaints.push(`${path}:${line + 1}: ${what}`);
    };
    const declared = declaredIn(source);
    visit(source, (node) => {
      checkImport(path, node, complain);
      checkLanguage(path, node, complain);
      checkName(node, declared, complain);
      checkOnly(path, node, complain);
      checkIndex(node, complain);
      checkArgument(path, node, complain);
    });
    for (const literal of literalsOf(path, text)) complaints.push(...checkText(path, literal));
    if (/@ts-|eslint-disable|prettier-ignore/.test(text)) complaints.push(`${path}: a check is switched off`);
    if (/biome-ignore(?! format: \S)/.test(text)) complaints.push(`${path}: a check is switched off`);
  }
  return [...new Set(complaints)];
}

function checkImport(path: string, node: ts.Node, complain: Complain): void {
  if (ts.isImportEqualsDeclaration(node)) complain(node, "import with =");
  if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return;
  const from = node.moduleSpecifier;
  if (ts.isExportDeclaration(node)) {
    complain(node, "an export of names that stand elsewhere");
    return;
  }
  if (!from || !ts.isStringLiteral(from)) return;
  if (node.attributes) complain(node, "an import with attributes");
  if (from.text.startsWith(".")) {
    checkImportedFile(path, from, complain);
    return;
  }
  const module = Object.hasOwn(MODULES, from.text) ? MODULES[from.text] : undefined;
  if (!module) {
    complain(node, `imports ${from.text}`);
    return;
  }
  if (module.files?.includes(path) === false) {
    complain(node, `imports ${from.text}, which only ${module.files.join(", ")} may`);
  }
  const clause = node.importClause;
  const named = clause?.namedBindings;
  if (!clause || clause.name || !named || !ts.isNamedImports(named)) {
    complain(node, "not an import by name");
    return;
  }
  for (const element of named.elements) {
    if (clause.isTypeOnly || element.isTypeOnly) continue;
    const name = (element.propertyName ?? element.name).text;
    if (!module.names.includes(name)) complain(element, `imports ${name} from ${from.text}`);
    if (element.propertyName && !RENAMED.includes(element.getText())) {
      complain(element, `${name} under another name`);
    }
    if (WRITING.includes(name) && !WRITERS[path]?.includes(name))
      complain(element, `writes files itself (${name})`);
  }
}

function checkImportedFile(path: string, from: ts.StringLiteral, complain: Complain): void {
  const target = importedBy(path, from.text);
  if (!/^lib\/(signing\/)?[a-z_]+\.ts$/.test(target)) {
    complain(from, `imports ${from.text}: only files of lib/, with their ending`);
  }
  const isInside = !target.startsWith(SIGNING) || path.startsWith(SIGNING) || target === ENTRY;
  if (!isInside && !PAST_THE_ENTRY[path]?.includes(target)) {
    complain(from, `goes past the entry of ${SIGNING}: ${target}`);
  }
}

function checkLanguage(path: string, node: ts.Node, complain: Complain): void {
  if (ts.isEnumDeclaration(node)) complain(node, "enum");
  if (ts.isModuleDeclaration(node)) complain(node, "namespace");
  if (ts.isDecorator(node)) complain(node, "decorator");
  if (ts.isNonNullExpression(node)) complain(node, "! assertion");
  if (ts.isWithStatement(node)) complain(node, "with");
  if (node.kind === ts.SyntaxKind.AnyKeyword) complain(node, "any");
  if (ts.isTypeAssertionExpression(node)) complain(node, "<type> assertion");
  if (ts.isParameter(node) && node.modifiers?.length) complain(node, "parameter property");
  if (ts.isTypeParameterDeclaration(node) && !GENERICS.includes(path)) complain(node, "generic");
  if (ts.isConditionalTypeNode(node)) complain(node, "conditional type");
  if (ts.isMappedTypeNode(node) && !GENERICS.includes(path)) complain(node, "mapped type");
  if (ts.isExportAssignment(node)) complain(node, "default export");
  if (ts.canHaveModifiers(node) && node.modifiers?.some((one) => one.kind === ts.SyntaxKind.DefaultKeyword)) {
    complain(node, "default export");
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    complain(node, "dynamic import");
  }
  if (ts.isMetaProperty(node) && node.parent.getText() !== "import.meta.filename")
    complain(node, "import.meta");
}

/** The names that a file declares or imports. */
function declaredIn(source: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  visit(source, (node) => {
    const name = (node as { name?: ts.Node }).name;
    const declares =
      ts.isVariableDeclaration(node)
      || ts.isBindingElement(node)
      || ts.isParameter(node)
      || ts.isFunctionLike(node)
      || ts.isClassLike(node)
      || ts.isImportSpecifier(node)
      || ts.isInterfaceDeclaration(node);
    if (declares && name && ts.isIdentifier(name)) names.add(name.text);
  });
  return names;
}

// Whether a name stands for a value here, and not for a type, a property, a field or a label.
function isValue(node: ts.Identifier): boolean {
  const { parent } = node;
  if ((parent as { name?: ts.Node }).name === node) return ts.isShorthandPropertyAssignment(parent);
  if (ts.isBindingElement(parent)) return parent.propertyName !== node;
  if (ts.isTypeNode(parent)) return ts.isExpressionWithTypeArguments(parent);
  return (
    !ts.isQualifiedName(parent) && !ts.isImportSpecifier(parent) && !ts.isBreakOrContinueStatement(parent)
  );
}

function checkName(node: ts.Node, declared: Set<string>, complain: Complain): void {
  const text = ts.isIdentifier(node) ? node.text : fixedText(node);
  if (text === undefined) return;
  if (/^location$/i.test(text)) complain(node, "a redirect's target is never looked at");
  if (FORBIDDEN_WORDS.includes(text)) complain(node, `uses ${text}`);
  if (!ts.isIdentifier(node) || !isValue(node) || declared.has(text) || GLOBALS.includes(text)) return;
  complain(node, `uses ${text}, which comes from nowhere`);
}

function checkOnly(path: string, node: ts.Node, complain: Complain): void {
  if (!ts.isIdentifier(node) || !isValue(node) || !Object.hasOwn(ONLY, node.text)) return;
  const { parent } = node;
  if (!ts.isPropertyAccessExpression(parent) || parent.questionDotToken) {
    complain(node, `${node.text} without a name after it`);
    return;
  }
  const name = parent.name.text;
  const where = Object.entries(ONLY[node.text] ?? {}).find(([one]) => one === name)?.[1];
  if (where === undefined || (where !== "anywhere" && !where.includes(path))) {
    complain(node, `uses ${node.text}.${name}`);
  }
  const { parent: use } = parent;
  if (name === "kill" && !(ts.isCallExpression(use) && use.arguments[1]?.getText() === "0")) {
    complain(node, "process.kill with a signal");
  }
  if (name === "env" && !ts.isElementAccessExpression(use)) complain(node, "the whole environment");
}

// An index is a name, a number, a text as it stands, or a field: nothing that is put together. And what an
// index finds is never called.
function checkIndex(node: ts.Node, complain: Complain): void {
  if (ts.isCallExpression(node) && ts.isElementAccessExpression(node.expression))
    complain(node, "a computed call");
  if (!ts.isElementAccessExpression(node)) return;
  const index = node.argumentExpression;
  const isPlain =
    ts.isIdentifier(index)
    || ts.isPropertyAccessExpression(index)
    || ts.isNumericLiteral(index)
    || ts.isStringLiteral(index)
    || ts.isElementAccessExpression(index)
    || (ts.isCallExpression(index) && ts.isIdentifier(index.expression));
  if (!isPlain) complain(node, "a computed index");
}

// A function that reaches a file or a place is only ever called, and with an argument of its list.
function checkArgument(path: string, node: ts.Node, complain: Complain): void {
  if (ts.isVariableDeclaration(node) && FILE_CONSTANTS.includes(node.name.getText())) {
    const value = node.initializer && fixedText(node.initializer);
    if (!FILES.includes(value ?? ""))
      complain(node, `${node.name.getText()} is no file of the owner's folder`);
  }
  if (!ts.isIdentifier(node) || !isValue(node)) return;
  const rows = ARGUMENTS.filter((row) => row.of.includes(node.text));
  const { parent } = node;
  if (rows.length === 0) return;
  if (!ts.isCallExpression(parent) || parent.expression !== node) {
    complain(node, `${node.text} is not called`);
    return;
  }
  const argument = parent.arguments[0]?.getText() ?? "";
  const isRight = rows.some((row) => row.are.includes(argument) && row.in?.includes(path) !== false);
  if (!isRight) complain(parent, `${node.text}(${argument}): not one of its arguments`);
}

// ---- Texts ----

// Loopback is no host of anybody's, and a name in .invalid never exists (RFC 2606).
const NO_HOST = /^(127\.0\.0\.1|localhost|\[::1\]|tesla\.invalid|YOUR\.DOMAIN)(:(\d+|\u0000+))?$/;
// These have dots as a name has, and are no host's, or loopback's.
const NO_NAME = ["127.0.0.1", "::1", "YOUR.DOMAIN", "com.tesla.fleet.TelemetryClient"];
const ADDRESS = /^\d+\.\d+\.\d+\.\d+$|^[\da-f]*:[\da-f:]*:[\da-f]*$/i;

function checkText(path: string, text: string): string[] {
  const complaints: string[] = [];
  if (path !== "lib/hosts.ts") {
    // The name of the developer pages, in words, is advice.
    const teslas = (text.match(/[\w.-]*\btesla(motors)?\.(com|cn)\b/gi) ?? []).filter(
      (host) => !/^developer\.tesla\.(com|cn)$/i.test(host),
    );
    // Up to the end of the host: what only begins like an allowed one is another.
    const authorities = [...text.matchAll(/[a-z][a-z\d+.-]*:\/\/([^/?#\s"'`<>\\|,;)]*)/gi)]
      .map(([, host = ""]) => host)
      .filter((host) => /[.@[]|localhost/.test(host) && !NO_HOST.test(host));
    const isName = /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?$/i.test(text) && !/\.(pem|json|ts)$/.test(text);
    const bare = (isName || ADDRESS.test(text)) && !NO_NAME.includes(text) ? [text] : [];
    const slashes = /(?<![:\w])\/\/[\w-]+\.[\w.-]+/.exec(text) ?? [];
    for (const host of [...teslas, ...authorities, ...bare, ...slashes]) {
      complaints.push(`${path}: a host outside lib/hosts.ts: ${host.replaceAll(HOLE, "…")}`);
    }
  }
  const isSystems = /^[\\/](etc|home|root|Users|proc|dev|var|tmp|usr|mnt|run)\b|^~[\\/]|^[a-z]:[\\/]/i.test(
    text,
  );
  if (isSystems || /^\.\.[\\/](?!.*\.ts$)/.test(text)) {
    complaints.push(`${path}: a path outside the owner's folder: ${text}`);
  }
  if (/\/wake_up\b/.test(text) && !["scripts/wake_up.ts", "lib/advice.ts"].includes(path)) {
    complaints.push(`${path}: only scripts/wake_up.ts may wake the car`);
  }
  return complaints;
}

// ---- Layout ----

/** Width, spaces and ends of lines, in every file that is read; how long a function is, and all of it. */
export function checkLayout(files: Texts): string[] {
  const complaints: string[] = [];
  let sum = 0;
  for (const [path, text] of files) {
    if (!text.endsWith("\n") || text.endsWith("\n\n"))
      complaints.push(`${path}: must end with one end of line`);
    const lines = text.split("\n");
    sum += lines.length - 1;
    lines.forEach((line, index) => {
      const where = `${path}:${index + 1}`;
      if ([...line].length > LONGEST_LINE) complaints.push(`${where}: ${[...line].length} columns`);
      if (/\t|\r|\s$/.test(line)) complaints.push(`${where}: tab, carriage return or space at the end`);
    });
    if (!text.startsWith("// ")) complaints.push(`${path}: no comment at its top`);
    const source = parse(path, text);
    visit(source, (node) => {
      if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return;
      const [first = 0, last = 0] = [node.getStart(source), node.end].map(
        (at) => source.getLineAndCharacterOfPosition(at).line,
      );
      const length = last - first + 1;
      if (length > LONGEST_FUNCTION) complaints.push(`${path}:${first + 1}: a function of ${length} lines`);
    });
  }
  if (sum > MOST_LINES) complaints.push(`lib/ and scripts/: ${sum} lines, ${MOST_LINES} are allowed`);
  return complaints;
}

/** What lies below lib/ and scripts/: only files that are TypeScript. `entries` are paths; a folder ends with /,
 * a link with @. */
export function checkTree(entries: string[]): string[] {
  return entries
    .filter((entry) => entry !== "lib/signing/" && !/^(lib|lib\/signing|scripts)\/[a-z_]+\.ts$/.test(entry))
    .map((entry) => `${entry}: only *.ts belongs in lib/, lib/signing/ and scripts/`);
}

// ---- Headers ----

const CONTACTS = ["Fleet API", "token host", "TESLA_DOMAIN"];

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
    "^((?:// [^\\n]+\\n){1,2})//\\n//   reads     ([^\\n]+)\\n//   writes    ([^\\n]+)\\n"
      + "//   contacts  ([^\\n]+)\\n//   costs     ([^\\n]+)\\n"
      + `//   run       npx tsx scripts/(${name}(?: [^\\n]+)?)\\nimport `,
  );
  // A list that is too long for its line goes on in the next one, below its beginning.
  const found = form.exec(text.replace(/,\n\/\/ {13}(?=\S)/g, ", "));
  if (!found) throw new Error(`${path}: its header is not in the fixed form`);
  // After a semicolon stand words about it. What the owner names stands in capitals: FILE.
  const list = (line: string): string[] =>
    line === "nothing" ? [] : line.split(", ").map((one) => one.replace(/; .*/, ""));
  const [, top = "", reads = "", writes = "", places = "", costs = "", run = ""] = found;
  const purpose = top
    .replace(/^\/\/ /gm, "")
    .trim()
    .replaceAll("\n", " ");
  if (!purpose.endsWith(".")) throw new Error(`${path}: its header begins with a sentence`);
  const contacts = CONTACTS.filter((one) => places.includes(one));
  return { purpose, reads: list(reads), writes: list(writes), contacts, costs, run };
}

// What the functions of lib/ touch, for the headers. A name that is not here touches nothing by itself; that
// this is so is checked by the file names that the imported files hold.
const LOCKED = ["", ".lock"];
const EFFECTS: Record<string, Partial<Record<"reads" | "writes" | "contacts", string[]>>> = {
  readSettings: { reads: [".env"] },
  readToken: { reads: ["tesla_token.json"] },
  "withLock(TOKEN_FILE": { reads: ["tesla_token.json.lock"], writes: ["tesla_token.json.lock"] },
  "replaceFile(TOKEN_FILE": {
    reads: ["tesla_token.json.new"],
    writes: ["tesla_token.json", "tesla_token.json.new"],
  },
  readPublicKey: { reads: ["public-key.pem"] },
  askFleetApi: { contacts: ["Fleet API"] },
  askTokenHost: { contacts: ["token host"] },
  askDomain: { reads: [".env"], contacts: ["TESLA_DOMAIN"] },
  checkPublishedKey: { reads: [".env"], contacts: ["TESLA_DOMAIN"] },
  pairingAddress: { reads: [".env"] },
  partnerToken: { contacts: ["token host"] },
  registeredPoint: { contacts: ["Fleet API"] },
  readPrivateKey: { reads: ["private-key.pem"] },
  hasAnsweredEncrypted: { reads: ["tesla_session.json"] },
  readConfig: { reads: ["FILE", "CA_FILE"] },
  showCommand: { reads: [".env"] },
  sendCommand: {
    reads: [
      ".env",
      "tesla_token.json",
      "private-key.pem",
      ...[...LOCKED, ".new"].map((end) => `tesla_session.json${end}`),
    ],
    writes: [...LOCKED, ".new"].map((end) => `tesla_session.json${end}`),
    contacts: ["Fleet API"],
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
    for (const [, name = ""] of code.matchAll(/writeFileSync\("([^"]+)"/g)) told.writes.add(name);
    // To look whether a file is there is to read, for a permission model.
    const looks = /\[("[^\]]+")\](?:\.filter\(\(file\) => |\)\s*\{?\s*if \()existsSync\(file\)/g;
    for (const [, list = ""] of code.matchAll(looks)) {
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
