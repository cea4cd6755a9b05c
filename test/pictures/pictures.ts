// `npm run picture`: draws docs/pictures/secrets.svg and setup.svg; the simulator then draws demo.svg.
// test/rules/readme.test.ts compares the files with what is drawn here.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { secretsPicture } from "./secrets.ts";
import { setupPicture } from "./setup.ts";

export const PICTURES: Record<string, () => string> = {
  "secrets.svg": secretsPicture,
  "setup.svg": setupPicture,
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, draw] of Object.entries(PICTURES)) {
    writeFileSync(new URL(`../../docs/pictures/${name}`, import.meta.url), draw());
    console.log(`docs/pictures/${name} is drawn`);
  }
}
