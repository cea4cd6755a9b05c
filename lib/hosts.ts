// Every host of Tesla's that these scripts know, and what goes there. No setting can add or move one.

// Fleet API, by region: gets the access token or partner token, and the request.
// https://developer.tesla.com/docs/fleet-api/getting-started/base-urls
export const FLEET_API: Record<string, string> = {
  na: "https://fleet-api.prd.na.vn.cloud.tesla.com", // North America, Asia, Pacific
  eu: "https://fleet-api.prd.eu.vn.cloud.tesla.com", // Europe, Middle East, Africa
  cn: "https://fleet-api.prd.cn.vn.cloud.tesla.cn", // mainland China
};

// The token host: alone gets the client secret, the authorization code and the refresh token.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
const AUTH = "https://fleet-auth.prd.vn.cloud.tesla.com";
export const TOKEN_HOST: Record<string, string> = { na: AUTH, eu: AUTH, cn: "https://auth.tesla.cn" };

// Opened by your own browser or phone only: the scripts print these addresses and never call them.
const LOGIN = "https://auth.tesla.com/oauth2/v3/authorize";
export const LOGIN_PAGE: Record<string, string> = { na: LOGIN, eu: LOGIN, cn: LOGIN.replace(".com", ".cn") };
export const CONSENT_PAGE = "https://auth.tesla.com/user/revoke/consent"; // change what you have granted
export const PAIRING_PAGE = "https://tesla.com/_ak/"; // with your domain: puts the virtual key on the car

// Where your domain shows your public key. Read without any secret, to see what Tesla will see.
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
