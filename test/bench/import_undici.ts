// For `npm run bench`: what a script costs that only imports undici, as a whole, and does nothing.
import { request } from "undici";

if (typeof request !== "function") throw new Error("undici has no request");
