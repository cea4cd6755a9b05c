// The pages that an owner's browser opens at Tesla: login and consent, withdrawing consent, pairing. There is
// one owner, and any password is right.
import { randomUUID } from "node:crypto";
import { dropTelemetry, notPlanned, type World } from "../world.ts";
import { approvalPage, consentPage, loginPage, messagePage, revokePage } from "./pages.ts";
import { SCOPE_NAMES, html, type Incoming, type Reply } from "./tesla.ts";
import { issueCode } from "./tokens.ts";

// The parameters that Tesla documents or shows, and the two of PKCE.
const PARAMETERS = `response_type client_id redirect_uri scope state nonce prompt_missing_scopes
  require_requested_scopes show_keypair_step locale prompt code_challenge code_challenge_method`.split(/\s+/);
const AUTHORIZE = "/oauth2/v3/authorize";

function wentWrong(text: string): Reply {
  return html(400, messagePage("Something went wrong", text));
}

function scopeList(text: string | null): string[] {
  return (text ?? "").split(" ").filter((scope) => scope !== "");
}

function redirect(world: World, asked: URLSearchParams, parameters: Record<string, string>): Reply {
  const target = new URL(asked.get("redirect_uri") ?? "");
  const isWrong = world.failures.take("callback_wrong_state", AUTHORIZE);
  const isMissing = world.failures.take("callback_without_state", AUTHORIZE);
  const state = isWrong ? randomUUID() : (asked.get("state") ?? "");
  const all = isMissing ? parameters : { ...parameters, state };
  for (const [name, value] of Object.entries(all)) target.searchParams.set(name, value);
  // Tesla writes a blank as %20, URLSearchParams as a plus sign.
  target.search = target.searchParams.toString().replaceAll("+", "%20");
  return { status: 302, headers: { location: target.href }, body: "" };
}

function grant(world: World, asked: URLSearchParams, host: string, scopes: string[]): Reply {
  const { account, failures } = world;
  const error = failures.take("callback_error", AUTHORIZE)
    ? "server_error:Internal server error"
    : failures.takeText("callback:");
  if (error !== undefined) {
    const [name = "", text] = error.split(/:(.*)/);
    return redirect(world, asked, { error: name, ...(text ? { error_description: text } : {}) });
  }
  const isDropped = failures.take("consent_drops_scopes", AUTHORIZE);
  const granted = isDropped ? scopes.filter((scope) => /^(openid|offline_access)$/.test(scope)) : scopes;
  account.consentedScopes = [...new Set([...account.consentedScopes, ...granted])];
  const rest = { issuer: `https://${host}/oauth2/v3`, locale: asked.get("locale") ?? "en-GB" };
  if (failures.take("callback_without_code", AUTHORIZE)) return redirect(world, asked, rest);
  return redirect(world, asked, { code: issueCode(world, asked, granted), ...rest });
}

/** What is wrong with the parameters, as the page that Tesla shows; nothing is redirected in these cases. */
function refuse(world: World, incoming: Incoming, asked: URLSearchParams): Reply | undefined {
  const { account, partner, failures } = world;
  for (const name of asked.keys()) {
    if (PARAMETERS.includes(name) && asked.getAll(name).length === 1) continue;
    notPlanned(world, incoming, `the parameter ${name} is not documented, or is there twice`);
    return wentWrong(`The '${name}' parameter is not expected.`);
  }
  const isChinaHost = incoming.host === "auth.tesla.cn";
  if (asked.get("client_id") !== account.clientId || isChinaHost !== (account.region === "cn")) {
    return wentWrong("We don't recognize this client_id");
  }
  const redirectUri = asked.get("redirect_uri") ?? "";
  if (redirectUri === "") return wentWrong("The 'redirect_uri' parameter is missing.");
  if (!account.redirectUris.includes(redirectUri)) return wentWrong("We don't recognize this redirect_uri");
  if (asked.get("response_type") !== "code") return wentWrong("The 'response_type' parameter must be code.");
  if ((asked.get("state") ?? "") === "") return wentWrong("The 'state' parameter is missing.");
  const scopes = scopeList(asked.get("scope"));
  const unknown = scopes.find((scope) => SCOPE_NAMES[scope] === undefined);
  if (scopes.length === 0 || unknown !== undefined) {
    return wentWrong(`The 'scope' parameter is invalid: ${unknown ?? ""}`);
  }
  if (asked.has("code_challenge") && asked.get("code_challenge_method") !== "S256") {
    return wentWrong("The 'code_challenge_method' parameter must be S256.");
  }
  const isUnknown = account.requireRegisteredDomain && Object.keys(partner.registrations).length === 0;
  if (isUnknown || failures.take("no_policy_rules", incoming.seen.path)) {
    return wentWrong("Try again later. No policy rules");
  }
  return undefined;
}

function authorize(world: World, incoming: Incoming): Reply {
  const { account, partner } = world;
  const asked = incoming.url.searchParams;
  const refused = refuse(world, incoming, asked);
  if (refused !== undefined) return refused;
  const action = incoming.url.pathname + incoming.url.search;
  if (incoming.method === "GET") return html(200, loginPage(action, account.email));

  const form = new URLSearchParams(incoming.body);
  if (form.get("action") === "cancel") {
    return redirect(world, asked, { error: "login_cancelled", error_description: "User cancelled" });
  }
  // What is not ticked for the application in the portal does not appear, and nobody says so.
  const scopes = scopeList(asked.get("scope")).filter((scope) => account.portalScopes.includes(scope));
  const allNeeded = asked.get("require_requested_scopes") === "true";
  const { appName } = partner;
  const consent = (status: number, ticket: string, ticked: string[], warning = "") =>
    html(status, consentPage({ action, ticket, appName, scopes, ticked, allNeeded, warning }));

  if (form.get("step") === "login") {
    // Who has consented before is not asked again, unless the request says so and a scope is missing.
    const had = scopes.filter((scope) => account.consentedScopes.includes(scope));
    const isMissing = had.length < scopes.length;
    const askAgain = isMissing && (asked.get("prompt_missing_scopes") === "true" || allNeeded);
    if (account.consentedScopes.length > 0 && !askAgain) return grant(world, asked, incoming.host, had);
    const ticket = randomUUID();
    account.tickets.push(ticket);
    return consent(200, ticket, scopes);
  }
  const ticket = form.get("ticket") ?? "";
  if (form.get("step") !== "consent" || !account.tickets.includes(ticket)) {
    notPlanned(world, incoming, "a consent form without a login before it");
    return wentWrong("Please start again.");
  }
  const ticked = scopes.filter((scope) => form.getAll("scope").includes(scope));
  if (allNeeded && ticked.length < scopes.length) {
    return consent(400, ticket, ticked, "Select every box to continue, or cancel.");
  }
  account.tickets = account.tickets.filter((other) => other !== ticket);
  // Unticking a scope takes back what was granted before; that shows in access tokens made from now on.
  account.consentedScopes = account.consentedScopes.filter((scope) => !scopes.includes(scope));
  if (![...account.consentedScopes, ...ticked].includes("vehicle_device_data")) dropTelemetry(world);
  return grant(world, asked, incoming.host, ticked);
}

/** Takes consent back: every token dies, as when the owner removes the application or changes the password. */
export function revokeConsent(world: World): void {
  const { account } = world;
  Object.assign(account, { consentedScopes: [], chains: [] });
  account.accessTokens.clear();
  account.codes.clear();
  dropTelemetry(world); // Tesla takes it off the car, and does not put it back later
}

function revoke(world: World, { method, url }: Incoming): Reply {
  const { appName } = world.partner;
  if (url.searchParams.get("revoke_client_id") !== world.account.clientId) {
    return wentWrong("We don't recognize this client_id");
  }
  if (method === "GET") return html(200, revokePage(url.pathname + url.search, appName));
  revokeConsent(world);
  return html(200, messagePage("Access removed", `${appName} no longer has access.`));
}

export function handleLogin(world: World, incoming: Incoming): Reply {
  const path = incoming.url.pathname;
  const isPlanned = incoming.method === "GET" || incoming.method === "POST";
  if (isPlanned && path === AUTHORIZE) return authorize(world, incoming);
  if (isPlanned && path === "/user/revoke/consent") return revoke(world, incoming);
  // A browser asks for this by itself.
  if (path === "/favicon.ico") return { status: 404, headers: {}, body: "" };
  notPlanned(world, incoming, "the login host has no such page");
  return html(404, messagePage("Page not found", "There is nothing here."));
}

/** What keeps Tesla from offering the key at all. */
function obstacle({ partner, account }: World, domain: string): string | undefined {
  if (partner.registrations[account.region]?.domain !== domain) {
    return "This third party isn't registered with Tesla.";
  }
  const pairing = ["vehicle_device_data", "vehicle_cmds", "vehicle_location"];
  if (pairing.some((scope) => account.consentedScopes.includes(scope))) return undefined;
  return "Adding a virtual key is prohibited because you have not granted this third party access.";
}

/**
 * The page tesla.com/_ak/DOMAIN that an owner opens on the phone. There it changes nothing: the key is put on the
 * car object. In a browser on this computer it stands for the phone too, with a button that approves.
 */
export function handlePairing(world: World, incoming: Incoming, inBrowser: boolean): Reply {
  const { car, partner, account } = world;
  const { method, url } = incoming;
  const domain = url.pathname.replace("/_ak/", "");
  const says = (text: string) => html(200, messagePage("Add a virtual key", text));
  if (!url.pathname.startsWith("/_ak/") || (!inBrowser && method !== "GET")) {
    notPlanned(world, incoming, "tesla.com has only the pairing page here");
    return html(404, messagePage("Page not found", "There is nothing here."));
  }
  const refusal = obstacle(world, domain);
  if (refusal !== undefined) return says(refusal);
  if (!inBrowser) return says(`Open the Tesla app to allow ${domain} to control your car.`);
  if (method !== "POST") return html(200, approvalPage(domain));
  if (!car.online || !car.awake) return says("The car is asleep. Wake it, then try again.");
  car.pair(partner.registrations[account.region]?.publicKey ?? "");
  return says(`The key of ${domain} is on the car.`);
}
