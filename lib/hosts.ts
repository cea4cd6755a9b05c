// Every host of Tesla's that these scripts know, and what goes there. No setting can add or move one.

// Fleet API, by region: gets the request, with the access token or the partner token.
// https://developer.tesla.com/docs/fleet-api/getting-started/base-urls
export const FLEET_API: Record<string, string> = {
  na: "https://fleet-api.prd.na.vn.cloud.tesla.com", // North America, Asia, Pacific
  eu: "https://fleet-api.prd.eu.vn.cloud.tesla.com", // Europe, Middle East, Africa
  cn: "https://fleet-api.prd.cn.vn.cloud.tesla.cn", // mainland China
};

// The token host: it alone gets the client secret, the authorization code and the refresh token.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
const TOKENS = "https://fleet-auth.prd.vn.cloud.tesla.com";
export const TOKEN_HOST: Record<string, string> = { na: TOKENS, eu: TOKENS, cn: "https://auth.tesla.cn" };

// Your own browser or phone opens these. The scripts print the addresses and never call them.
// /oauth2/v3/authorize is the login, /user/revoke/consent shows and withdraws what you granted.
const LOGIN = "https://auth.tesla.com";
export const LOGIN_HOST: Record<string, string> = { na: LOGIN, eu: LOGIN, cn: "https://auth.tesla.cn" };
export const PAIRING_PAGE = "https://tesla.com/_ak/"; // with your domain: puts the virtual key on the car

// Where your domain shows your public key. It is read without any secret, to see what Tesla will see.
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
