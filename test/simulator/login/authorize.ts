// The login host: the authorize page with login and consent, and the page where an owner withdraws consent.
// Tokens are made in tokens.ts. There is one owner, and any password is right.

import { randomUUID } from "node:crypto";
import { SCOPE_NAMES, html, messagePage } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { dropTelemetry, notPlanned } from "../world/world.ts";
import type { World } from "../world/world.ts";
import { consentPage, loginPage, revokePage } from "./pages.ts";
import { issueCode } from "./tokens.ts";

// The parameters that Tesla documents or shows, and the two of PKCE.
const PARAMETERS = [
  "response_type",
  "client_id",
  "redirect_uri",
  "scope",
  "state",
  "nonce",
  "prompt_missing_scopes",
  "require_requested_scopes",
  "show_keypair_step",
  "locale",
  "prompt",
  "code_challenge",
  "code_challenge_method",
];

// Logins that have passed step 1, by the ticket that the consent page carries.
const tickets = new WeakMap<World, Set<string>>();

function scopeList(text: string): string[] {
  return text.split(" ").filter((scope) => scope !== "");
}

function redirect(world: World, asked: URLSearchParams, parameters: Record<string, string>): Reply {
  const target = new URL(asked.get("redirect_uri") ?? "");
  const wrongState = world.failures.take("callback_wrong_state", "/oauth2/v3/authorize");
  const state = wrongState ? randomUUID() : (asked.get("state") ?? "");
  const isLost = world.failures.take("callback_without_state", "/oauth2/v3/authorize");
  const all = isLost ? parameters : { ...parameters, state };
  for (const [name, value] of Object.entries(all)) target.searchParams.set(name, value);
  // Tesla writes a blank as %20, URLSearchParams as a plus sign.
  target.search = target.searchParams.toString().replaceAll("+", "%20");
  return { status: 302, headers: { location: target.href }, body: "" };
}

function cancelled(world: World, asked: URLSearchParams): Reply {
  return redirect(world, asked, { error: "login_cancelled", error_description: "User cancelled" });
}

function grant(world: World, asked: URLSearchParams, host: string, scopes: string[]): Reply {
  if (world.failures.take("callback_error", "/oauth2/v3/authorize")) {
    return redirect(world, asked, { error: "server_error", error_description: "Internal server error" });
  }
  const refusal = world.failures.takeText("callback:");
  if (refusal !== undefined) {
    const [error = "", text] = refusal.split(/:(.*)/);
    return redirect(world, asked, text === undefined ? { error } : { error, error_description: text });
  }
  const dropped = world.failures.take("consent_drops_scopes", "/oauth2/v3/authorize");
  const granted = dropped
    ? scopes.filter((scope) => scope === "openid" || scope === "offline_access")
    : scopes;
  const account = world.account;
  account.consentedScopes = [...new Set([...account.consentedScopes, ...granted])];
  const rest: Record<string, string> = {
    issuer: `https://${host}/oauth2/v3`,
    locale: asked.get("locale") ?? "en-GB",
  };
  if (world.failures.take("callback_without_code", "/oauth2/v3/authorize"))
    return redirect(world, asked, rest);
  return redirect(world, asked, { code: issueCode(world, asked, granted), ...rest });
}

/** What is wrong with the parameters, as the page that Tesla shows; nothing is redirected in these cases. */
function refuse(world: World, incoming: Incoming, asked: URLSearchParams): Reply | undefined {
  const account = world.account;
  const says = (text: string) => html(400, messagePage("Something went wrong", text));
  for (const name of asked.keys()) {
    if (PARAMETERS.includes(name) && asked.getAll(name).length === 1) continue;
    notPlanned(world, incoming, `the parameter ${name} is not documented, or is there twice`);
    return says(`The '${name}' parameter is not expected.`);
  }
  const isChinaHost = incoming.host === "auth.tesla.cn";
  if (asked.get("client_id") !== account.clientId || isChinaHost !== (account.region === "cn")) {
    return says("We don't recognize this client_id");
  }
  if ((asked.get("redirect_uri") ?? "") === "") return says("The 'redirect_uri' parameter is missing.");
  if (!account.redirectUris.includes(asked.get("redirect_uri") ?? "")) {
    return says("We don't recognize this redirect_uri");
  }
  if (asked.get("response_type") !== "code") return says("The 'response_type' parameter must be code.");
  if ((asked.get("state") ?? "") === "") return says("The 'state' parameter is missing.");
  const scopes = scopeList(asked.get("scope") ?? "");
  const unknown = scopes.find((scope) => SCOPE_NAMES[scope] === undefined);
  if (scopes.length === 0 || unknown !== undefined)
    return says(`The 'scope' parameter is invalid: ${unknown ?? ""}`);
  if (asked.has("code_challenge") && asked.get("code_challenge_method") !== "S256") {
    return says("The 'code_challenge_method' parameter must be S256.");
  }
  const unregistered =
    account.requireRegisteredDomain && Object.keys(world.partner.registrations).length === 0;
  if (unregistered || world.failures.take("no_policy_rules", incoming.seen.path)) {
    return html(400, messagePage("Something went wrong", "Try again later. No policy rules"));
  }
  return undefined;
}

function authorize(world: World, incoming: Incoming): Reply {
  const asked = incoming.url.searchParams;
  const refused = refuse(world, incoming, asked);
  if (refused !== undefined) return refused;
  const action = incoming.url.pathname + incoming.url.search;
  if (incoming.method === "GET") return html(200, loginPage(action, world.account.email));

  const form = new URLSearchParams(incoming.body);
  if (form.get("action") === "cancel") return cancelled(world, asked);
  const open = tickets.get(world) ?? new Set();
  tickets.set(world, open);
  // What is not ticked for the application in the portal does not appear, and nobody says so.
  const account = world.account;
  const scopes = scopeList(asked.get("scope") ?? "").filter((scope) => account.portalScopes.includes(scope));
  const allNeeded = asked.get("require_requested_scopes") === "true";
  const consent = (status: number, ticket: string, ticked: string[], warning: string) =>
    html(
      status,
      consentPage(
        action,
        ticket,
        world.partner.appName,
        scopes,
        ticked,
        allNeeded,
        asked.get("show_keypair_step") === "true",
        warning,
      ),
    );

  if (form.get("step") === "login") {
    // Who has consented before is not asked again, unless the request says so and a scope is missing.
    const had = scopes.filter((scope) => account.consentedScopes.includes(scope));
    const isMissing = had.length < scopes.length;
    const askAgain = isMissing && (asked.get("prompt_missing_scopes") === "true" || allNeeded);
    if (account.consentedScopes.length > 0 && !askAgain) return grant(world, asked, incoming.host, had);
    const ticket = randomUUID();
    open.add(ticket);
    return consent(200, ticket, scopes, "");
  }
  const ticket = form.get("ticket") ?? "";
  if (form.get("step") !== "consent" || !open.has(ticket)) {
    notPlanned(world, incoming, "a consent form without a login before it");
    return html(400, messagePage("Something went wrong", "Please start again."));
  }
  const ticked = scopes.filter((scope) => form.getAll("scope").includes(scope));
  if (allNeeded && ticked.length < scopes.length) {
    return consent(400, ticket, ticked, "Select every box to continue, or cancel.");
  }
  open.delete(ticket);
  // Unticking a scope takes back what was granted before; that shows in access tokens made from now on.
  account.consentedScopes = account.consentedScopes.filter((scope) => !scopes.includes(scope));
  const kept = [...account.consentedScopes, ...ticked];
  if (!kept.includes("vehicle_device_data")) dropTelemetry(world.garage.telemetry);
  return grant(world, asked, incoming.host, ticked);
}

/**
 * Takes consent back: every token dies, as when the owner removes the application or changes the password.
 */
export function revokeConsent(world: World): void {
  world.account.consentedScopes = [];
  world.account.chains = [];
  world.account.accessTokens.clear();
  world.account.codes.clear();
  dropTelemetry(world.garage.telemetry); // Tesla takes it off the car, and does not put it back later
}

function revoke(world: World, incoming: Incoming): Reply {
  if (incoming.url.searchParams.get("revoke_client_id") !== world.account.clientId) {
    return html(400, messagePage("Something went wrong", "We don't recognize this client_id"));
  }
  const action = incoming.url.pathname + incoming.url.search;
  if (incoming.method === "GET") return html(200, revokePage(action, world.partner.appName));
  revokeConsent(world);
  return html(200, messagePage("Access removed", `${world.partner.appName} no longer has access.`));
}

/** Answers a request for the login host. */
export function handleLogin(world: World, incoming: Incoming): Reply {
  const isPlanned = incoming.method === "GET" || incoming.method === "POST";
  if (isPlanned && incoming.url.pathname === "/oauth2/v3/authorize") return authorize(world, incoming);
  if (isPlanned && incoming.url.pathname === "/user/revoke/consent") return revoke(world, incoming);
  // A browser asks for this by itself.
  if (incoming.url.pathname === "/favicon.ico") return { status: 404, headers: {}, body: "" };
  notPlanned(world, incoming, "the login host has no such page");
  return html(404, messagePage("Page not found", "There is nothing here."));
}
