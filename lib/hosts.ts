// Every Tesla host these scripts know, and what goes there. No setting can add or move one.

// North America, Asia and Pacific; Europe, Middle East and Africa; mainland China.
export type Region = "na" | "eu" | "cn";

// Fleet API: gets the request, with the access token or the partner token.
// https://developer.tesla.com/docs/fleet-api/getting-started/base-urls
export const FLEET_API: Record<Region, string> = {
  na: "https://fleet-api.prd.na.vn.cloud.tesla.com",
  eu: "https://fleet-api.prd.eu.vn.cloud.tesla.com",
  cn: "https://fleet-api.prd.cn.vn.cloud.tesla.cn",
};

// The token host: it alone gets the client secret, the authorization code and the refresh token.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
const TOKENS = "https://fleet-auth.prd.vn.cloud.tesla.com";
export const TOKEN_HOST: Record<Region, string> = { na: TOKENS, eu: TOKENS, cn: "https://auth.tesla.cn" };

// Your own browser or phone opens these. The scripts print the addresses and never call them.
// /oauth2/v3/authorize is the login; at /user/revoke/consent you see and withdraw what you granted.
const LOGIN = "https://auth.tesla.com";
export const LOGIN_HOST: Record<Region, string> = { na: LOGIN, eu: LOGIN, cn: "https://auth.tesla.cn" };
// With your domain: puts the virtual key on the car.
const PAIRING = "https://tesla.com/_ak/";
export const PAIRING_PAGE: Record<Region, string> = {
  na: PAIRING,
  eu: PAIRING,
  cn: "https://www.tesla.cn/_ak/",
};
// Where you manage your app.
const PORTAL = "developer.tesla.com";
export const PORTALS: Record<Region, string> = { na: PORTAL, eu: PORTAL, cn: "developer.tesla.cn" };

// Where your domain serves your public key. It is read without any secret, to see what Tesla will see.
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
