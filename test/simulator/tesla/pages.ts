// The HTML of the simulated pages, which work without scripts. Nothing is decided here.
import { SCOPE_NAMES } from "./tesla.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem;
color:#171a20}
h1{font-size:1.5rem;font-weight:500} fieldset{border:1px solid #d0d1d2;border-radius:.5rem;margin:1rem 0;
padding:1rem}
label{display:block;margin:.5rem 0} input[type=text],input[type=password]{width:100%;padding:.5rem;
font:inherit;box-sizing:border-box} button{font:inherit;padding:.5rem 1.5rem;border-radius:.3rem;
border:1px solid #3e6ae1;background:#3e6ae1;color:#fff;margin-right:.5rem}
button.plain{background:#fff;color:#3e6ae1}
small{color:#5c5e62} .note{background:#f4f4f4;border-radius:.5rem;padding:.5rem 1rem}
.simulated{background:#fff3bf;color:#5c3c00;border-radius:.5rem;padding:.5rem 1rem;margin:0}`;

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

export function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated Tesla: ${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<p class="simulated"><strong>Simulated Tesla</strong>: a page from your own computer</p>
<h1>${escapeHtml(title)}</h1>
${content}
</body></html>
`;
}

export function messagePage(title: string, text: string): string {
  return page(title, `<p>${escapeHtml(text)}</p>`);
}

function note(text: string): string {
  return text === "" ? "" : `<p class="note">${text}</p>`;
}

function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`;
}

/** Step 1. `action` is the address of the page itself, so that all parameters come again with the form. */
export function loginPage(action: string, email: string): string {
  return page(
    "Sign In",
    `<form method="post" action="${escapeHtml(action)}">
${hidden("step", "login")}
<label>Email <input type="text" name="identity" value="${escapeHtml(email)}" autocomplete="off"></label>
<label>Password <input type="password" name="credential" value="any" autocomplete="off"></label>
${note("Any password will do here. Never type a real one into a page of the simulator.")}
<button type="submit" name="action" value="next">Next</button>
<button class="plain" type="submit" name="action" value="cancel">Cancel</button>
</form>`,
  );
}

export interface Consent {
  action: string;
  ticket: string;
  appName: string;
  scopes: string[];
  ticked: string[];
  allNeeded: boolean; // the page says that every box must be ticked
  warning: string;
}

/** Step 2: one box for each scope. */
export function consentPage({ scopes, ticked, appName, ...asked }: Consent): string {
  const boxes = scopes.map((scope) => {
    const checked = ticked.includes(scope) ? " checked" : "";
    const name = escapeHtml(SCOPE_NAMES[scope] ?? scope);
    const box = `<input type="checkbox" name="scope" value="${escapeHtml(scope)}"${checked}>`;
    return `<label>${box} ${name} <small>${escapeHtml(scope)}</small></label>\n`;
  });
  const warning = asked.warning === "" ? "" : `<strong>${escapeHtml(asked.warning)}</strong>`;
  const needed = asked.allNeeded ? `${escapeHtml(appName)} needs all of these to continue.` : "";
  return page(
    `Allow ${appName} to access your Tesla account?`,
    `${note(warning)}${note(needed)}
<form method="post" action="${escapeHtml(asked.action)}">
${hidden("step", "consent")}
${hidden("ticket", asked.ticket)}
<fieldset><legend>Select all that apply</legend>
${boxes.join("")}</fieldset>
<button type="submit" name="action" value="allow">Allow</button>
<button class="plain" type="submit" name="action" value="cancel">Cancel</button>
</form>`,
  );
}

export function revokePage(action: string, appName: string): string {
  return page(
    "Manage Third-Party Apps",
    `<form method="post" action="${escapeHtml(action)}">
<p>${escapeHtml(appName)} has access to your Tesla account.</p>
<button type="submit" name="action" value="revoke">Remove access</button></form>`,
  );
}

export function approvalPage(domain: string): string {
  return page(
    "Add a virtual key",
    `<p>On your phone this opens the Tesla app, which asks:</p>
${note(`Allow ${escapeHtml(domain)} to control your car?`)}
<form method="post"><button type="submit" name="action" value="approve">Approve</button></form>`,
  );
}
