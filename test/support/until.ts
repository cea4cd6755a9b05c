/** Looks every few milliseconds until something is so. Throws, with what was said until then, if it never is. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  said = () => "",
  seconds = 30,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}\n${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
