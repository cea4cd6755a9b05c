// `npm run picture:login`: takes docs/pictures/login_consent.png from the simulated consent page, and
// login_address.png from a page that imitates a browser at the end of a login from another machine. Both say
// on top that they are simulated. It needs Chromium or Chrome; CHROMIUM names another program than "chromium".

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startSimulator } from "../simulator/simulator.ts";
import { escapeHtml } from "../simulator/tesla/pages.ts";
import { CLIENT_ID, REDIRECT_URI, USUAL_SCOPES } from "../simulator/tesla/tesla.ts";

const CODE = "EU_0123abcd…&issuer=…&locale=en-GB&state=3c0…";
const ADDRESS_PAGE = `<!doctype html><meta charset="utf-8"><style>
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#202124}
.simulated{background:#fff3bf;color:#5c3c00;padding:8px 16px}
.bar{background:#dee1e6;padding:10px 14px;color:#5f6368}
.address{display:inline-block;width:630px;margin-left:10px;padding:6px 14px;border:2px solid #0b57d0;
border-radius:18px;background:#d3e3fd;color:#202124;font-size:13px;
white-space:nowrap;overflow:hidden}
.advice{color:#0b57d0;padding:6px 0 0 86px}
.error{margin:60px 80px} h1{font-size:24px;font-weight:500} small{color:#5f6368}
</style>
<div class="simulated"><strong>Simulated Tesla</strong>: where a login ends if your browser runs on another
machine</div>
<div class="bar">← → ⟳<span class="address">${escapeHtml(`${REDIRECT_URI}?code=${CODE}`)}</span>
<div class="advice">↑ copy this whole address and paste it into the terminal</div></div>
<div class="error"><h1>This site can’t be reached</h1><p><b>localhost</b> refused to connect.</p>
<small>ERR_CONNECTION_REFUSED</small></div>`;

/** The page with the boxes, which comes after the login. */
async function consentPage(): Promise<string> {
  const simulator = await startSimulator();
  simulator.account.requireRegisteredDomain = false;
  const asked = new URLSearchParams({
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope: USUAL_SCOPES,
    state: "any",
    require_requested_scopes: "true",
  });
  const address = `${simulator.loginUrl}/oauth2/v3/authorize?${asked}`;
  const body = new URLSearchParams({ step: "login", action: "next" });
  const answer = await fetch(address, { method: "POST", body });
  const text = await answer.text();
  await simulator.close();
  return text;
}

const folder = mkdtempSync(join(tmpdir(), "tesla-pictures-"));

function photograph(page: string, name: string, size: string): void {
  const file = join(folder, "page.html");
  writeFileSync(file, page);
  const target = fileURLToPath(new URL(`../../docs/pictures/${name}`, import.meta.url));
  const { status, error } = spawnSync(process.env.CHROMIUM ?? "chromium", [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    `--user-data-dir=${folder}/profile`,
    `--window-size=${size}`,
    `--screenshot=${target}`,
    pathToFileURL(file).href,
  ]);
  if (status !== 0) throw new Error(`no picture: ${error?.message ?? `Chromium ended with ${status}`}`);
  console.log(`docs/pictures/${name} is taken`);
}

try {
  photograph(await consentPage(), "login_consent.png", "640,520");
  photograph(ADDRESS_PAGE, "login_address.png", "760,360");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
