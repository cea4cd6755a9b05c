// What a hostile visitor sends to get_token and serve_public_key, and what it gets. No test is in here.

export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
export const MARK = "x1markerx<script>alert(1)</script>";

/** Requests, byte for byte, with the statuses that come back. `right` is the whole address of the page that
 * is served. To get_token what is wrong in path or method comes with the right code and state: it must not be
 * taken all the same. Under another name, which nobody checks, comes a foreign state. */
export function hostileRequests(right: string): [string | Buffer, string | RegExp][] {
  const { pathname: path, port, search: query } = new URL(right);
  const isKey = path === KEY_PATH;
  const own = `Host: 127.0.0.1:${port}\r\n`;
  const marked =
    `${own}User-Agent: ${MARK}\r\nReferer: http://evil.example/${MARK}\r\nCookie: a=${MARK}\r\n`
    + "Origin: http://evil.example\r\nX-Forwarded-Host: evil.example\r\nRange: bytes=0-9\r\n";
  const get = (target: string, headers = marked): string => `GET ${target} HTTP/1.1\r\n${headers}\r\n`;
  const send = (headers: string, text: string, method = "POST"): string =>
    `${method} ${path}${query} HTTP/1.1\r\n${marked}${headers}\r\n${text}`;
  const each = (list: string[], request: (one: string) => string, status: string): [string, string][] =>
    list.map((one) => [request(one), status]);
  const foreign = get(`${path}?code=${MARK}&state=${MARK}`);
  const refused = isKey ? "404" : "400"; // to that one
  const open = isKey ? "200" : "400"; // the key is for everybody, under whatever name a tunnel gives it
  const page = isKey ? path : `${path}?code=${MARK}&state=${MARK}`;
  const up = "%2e%2e%2f".repeat(9);
  // biome-ignore format: a table of words and numbers
  const paths = [
    "/", "/.env", "/private-key.pem", "/tesla_token.json", "/public-key.pem", "/../../.env",
    `${path}/../../../private-key.pem`, `/${up}.env`, `/${up.toUpperCase()}private-key.pem`,
    "/%252e%252e%252fprivate-key.pem", "/..%5c..%5cprivate-key.pem", "/..\\..\\private-key.pem",
    "/..%c0%af..%c0%afprivate-key.pem", "/....//....//.env", `${path}/${up}.env`, `${path}%00`,
    `${path}%00.env`, `${path}%2f`, `/${path}`, `//evil.example${path}`, `${path}/`, `${path}/${MARK}`,
    `${path};${MARK}`, `${path}#${MARK}`, `${path}%20`, `${path}%3f`, `${path}.`, `/x/..${path}`, `/.${path}`,
    `/%2e${path}`, path.replace("/c", "/%63").replace("/.w", "/.%77"), path.toUpperCase(), `/${MARK}`,
    `/%0d%0aset-cookie:%20${MARK}`, "/%3Cscript%3Ex1markerx", `http://127.0.0.1:${port}${path}`,
    `http://evil.example${path}`, "file:///private-key.pem", `/${"a".repeat(15_000)}`, "/package.json",
    "/proc/self/environ", `/${"../".repeat(4000)}etc/passwd`,
  ];
  const methods = ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "SEARCH"];
  // The names by which somebody else's page would come.
  // biome-ignore format: a table of words and numbers
  const names = [
    "evil.example", `evil.example:${port}`, "localhost.evil.example", "localhost@evil.example",
    `127.0.0.1.evil.example:${port}`, "evil.example#localhost", "127.1", "0.0.0.0", "2130706433", "[::]",
    "::1", "127.0.0.1:80:80", "localhost, evil.example", " ", MARK,
  ];
  const upgrade =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    + "Sec-WebSocket-Key: eDFtYXJrZXJ4eDFtYXJrZQ==\r\n";
  const http2 = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
  const chunked = "Transfer-Encoding: chunked\r\n";
  return [
    ...each(paths, (one) => get(one + query), "404"),
    ...each(methods, (one) => send("", "", one), "404"),
    ...each(["X1MARKERX", "get", "GET\0"], (one) => send("", "", one), "400"),
    [send("", "", "HEAD"), isKey ? "200" : "404"],
    [`CONNECT evil.example:443 HTTP/1.1\r\n${own}\r\n`, ""],
    [`CONNECT ${path}${query} HTTP/1.1\r\n${own}\r\n`, /^(400)?$/],
    [`OPTIONS * HTTP/1.1\r\n${own}\r\n`, "404"],
    [get(`/${MARK}`, own + upgrade), "404"],
    [get("/chat", own + http2), "404"],
    // Not HTTP/1.1.
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /^(400|505)?$/],
    [Buffer.from("16030100c8010000c40303", "hex"), "400"], // TLS
    [`GET ${page}\r\n\r\n`, open], // HTTP/0.9
    [`GET ${page} HTTP/1.0\r\n\r\n`, open],
    [`GET ${path}${query} HTTP/9.9\r\n${own}\r\n`, "400"],
    ["\0".repeat(5000), "400"],
    [`\r\n\r\n${MARK}\r\n\r\n`, "400"],
    [get(`${path}\0${query}`), "400"],
    // Names: a wrong one, none, two.
    ...each(names, (one) => get(page, `Host: ${one}\r\n`), open),
    [get(page, "X-Forwarded-Host: localhost\r\n"), "400"],
    [get(page, `Host: evil.example\r\n${own}`), open],
    [get(`${path}?state=${MARK}`, `${own}Host: evil.example\r\n`), refused],
    // Sizes.
    [get(path + query, `${own}X-A: ${MARK.repeat(600)}\r\n`), "431"],
    [get(path + query, own + `X-A: ${MARK}\r\n`.repeat(600)), "431"],
    [get(`${path}?${MARK.repeat(2000)}`), "431"],
    [get(`/${MARK}`, own + "a:\r\n".repeat(2500)), "404"],
    [get(path + query, `${own}X-A: ${"a".repeat(2 ** 22)}`), /^(431)?$/], // it never ends
    [Buffer.alloc(2 ** 23, "a"), /^(400)?$/],
    [send(`Content-Length: ${2 ** 23}\r\n`, MARK.repeat(2 ** 18)), /^(404)?$/],
    [send(chunked, `800000\r\n${"a".repeat(2 ** 23)}\r\n0\r\n\r\n`), /^(404)?$/],
    [send(chunked, `1;${"a".repeat(40_000)}\r\na\r\n0\r\n\r\n`), /^(404|413)?/],
    [send(chunked, `0\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`), /^(404|431)?/],
    [send("Content-Length: 9007199254740993\r\n", "a"), "404"],
    // Contradictions.
    [send("Content-Length: -1\r\n", "a"), "400"],
    [send(`Content-Length: 3\r\n${chunked}`, `0\r\n\r\n${foreign}`), "400"],
    [send("Content-Length: 3\r\nExpect: 100-continue\r\n", "abc"), "100 404"],
    [send(`Content-Length: 3\r\nExpect: ${MARK}\r\n`, "abc"), "417"],
    [`GET ${path} HTTP/1.1\r\n${own} folded: ${MARK}\r\nX-A : b\r\n\r\n`, "400"],
    // Several in one go: the connection ends with the first page that is not the key.
    [foreign.repeat(3), refused],
    [foreign.repeat(2000), refused],
    [get("/x") + foreign + get("/.env"), "404"],
    [get("/x") + MARK, "404"],
    [get(path, own).repeat(2) + get("/.env"), isKey ? /^200( 200 404| 503 503)?$/ : "400"],
  ];
}
