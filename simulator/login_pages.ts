// The HTML of the simulated login: plain pages that work without scripts. Nothing is decided here.

import { SCOPE_NAMES } from "./world.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;
color:#171a20}
h1{font-size:1.5rem;font-weight:500} fieldset{border:1px solid #d0d1d2;border-radius:.5rem;margin:1rem 0;
padding:1rem}
label{display:block;margin:.5rem 0} input[type=text],input[type=password]{width:100%;padding:.5rem;
font:inherit;box-sizing:border-box} button{font:inherit;padding:.5rem 1.5rem;border-radius:.3rem;
border:1px solid #3e6ae1;background:#3e6ae1;color:#fff;margin-right:.5rem}
button.plain{background:#fff;color:#3e6ae1}
small{color:#5c5e62} .note{background:#f4f4f4;border-radius:.5rem;padding:.5rem 1rem}`;

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${content}
<p><small>This is the simulator on your own computer, not Tesla.</small></p>
</body></html>
`;
}

function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`;
}

export function messagePage(title: string, text: string): string {
  return page(title, `<p>${escapeHtml(text)}</p>`);
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
