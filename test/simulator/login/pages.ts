// The HTML of the simulated login. Nothing is decided here.

import { SCOPE_NAMES, escapeHtml, page } from "../tesla/tesla.ts";

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
<p class="note">Any password will do here. Never type a real one into a page of the simulator.</p>
<button type="submit" name="action" value="next">Next</button>
<button class="plain" type="submit" name="action" value="cancel">Cancel</button>
</form>`,
  );
}

/** Step 2: one box for each scope. With `allNeeded` the page says that every box must be ticked. */
export function consentPage(
  action: string,
  ticket: string,
  appName: string,
  scopes: string[],
  ticked: string[],
  allNeeded: boolean,
  keyStep: boolean,
  warning: string,
): string {
  let boxes = "";
  for (const scope of scopes) {
    const checked = ticked.includes(scope) ? " checked" : "";
    boxes +=
      `<label><input type="checkbox" name="scope" value="${escapeHtml(scope)}"${checked}> ` +
      `${escapeHtml(SCOPE_NAMES[scope] ?? scope)} <small>${escapeHtml(scope)}</small></label>\n`;
  }
  const needed = allNeeded
    ? `<p class="note">${escapeHtml(appName)} needs all of these to continue.</p>`
    : "";
  const key = keyStep ? '<p class="note">Next you will be asked to add a virtual key to your car.</p>' : "";
  const alarm = warning === "" ? "" : `<p class="note"><strong>${escapeHtml(warning)}</strong></p>`;
  return page(
    `Allow ${appName} to access your Tesla account?`,
    `${alarm}${needed}${key}
<form method="post" action="${escapeHtml(action)}">
${hidden("step", "consent")}
${hidden("ticket", ticket)}
<fieldset><legend>Select all that apply</legend>
${boxes}</fieldset>
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
