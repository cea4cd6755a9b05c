// The door of this room: the pages that an owner's browser opens at Tesla, and the token host.

export { handleLogin, revokeConsent } from "./authorize.ts";
export { handlePairing, handlePairingInBrowser } from "./pairing.ts";
export { handleToken } from "./token_host.ts";
export { issueCode } from "./tokens.ts";
