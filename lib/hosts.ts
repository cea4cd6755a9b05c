// Every host of Tesla's that these scripts know, and what goes there. No setting can add or move one.

// Fleet API, one per region. Gets the access token (or the partner token) and the request itself.
// https://developer.tesla.com/docs/fleet-api/getting-started/base-urls
export const FLEET_API: Record<string, string> = {
  na: "https://fleet-api.prd.na.vn.cloud.tesla.com", // North America, Asia and Pacific
  eu: "https://fleet-api.prd.eu.vn.cloud.tesla.com", // Europe, Middle East, Africa
  cn: "https://fleet-api.prd.cn.vn.cloud.tesla.cn", // mainland China
};

// Issues tokens. Gets the client secret, the authorization code, the refresh token; nothing else does.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
export const TOKEN_HOST: Record<string, string> = {
  na: "https://fleet-auth.prd.vn.cloud.tesla.com",
  eu: "https://fleet-auth.prd.vn.cloud.tesla.com",
  cn: "https://auth.tesla.cn",
};

// Opened by your own browser or phone only; the scripts print these addresses and never call them.
export const LOGIN_PAGE: Record<string, string> = {
  na: "https://auth.tesla.com/oauth2/v3/authorize",
  eu: "https://auth.tesla.com/oauth2/v3/authorize",
  cn: "https://auth.tesla.cn/oauth2/v3/authorize",
};
export const CONSENT_PAGE = "https://auth.tesla.com/user/revoke/consent"; // grant or withdraw scopes later
export const PAIRING_PAGE = "https://tesla.com/_ak/"; // plus your domain: puts the virtual key on the car

// Where your public key must stand on your own domain. Read without any secret, to see what Tesla will see.
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
