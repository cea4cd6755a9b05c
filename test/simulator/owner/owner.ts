// The door of this room: what belongs to the owner, which is a domain and a browser.

export { playConsent } from "./browser.ts";
export type { ConsentOptions } from "./browser.ts";
export { handleSite, visitSite } from "./site.ts";
