// How the demo, the picture and the tests run a TypeScript file in a process of its own, with the Node that runs them.
// Node 22.18 and later reads TypeScript by itself; an older one needs tsx, which is found from here.

export const LOADER: string[] = process.features.typescript ? [] : ["--import", import.meta.resolve("tsx")];
