// What the pictures of docs/pictures have in common: a card with its own background, so that the text is
// legible on a light and on a dark page, in the colours that the reader's system prefers; plain SVG shapes and
// text, no script, no font and no picture from elsewhere. The width keeps the smallest text (12) at 6 pixels
// where a phone shows the picture 358 pixels wide.

export const WIDTH = 700;
export const MARGIN = 12;

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** A line of text. Its class says how it looks; x is its beginning, or its middle with the class "middle". */
export function words(x: number, y: number, text: string, looks = ""): string {
  return `<text x="${x}" y="${y}"${looks === "" ? "" : ` class="${looks}"`}>${escapeXml(text)}</text>\n`;
}

/** A list as one line, or as several where it is longer than `most` characters. */
export function wrapped(list: string[], most: number): string[] {
  const lines: string[] = [];
  for (const [index, item] of list.entries()) {
    const text = index < list.length - 1 ? `${item},` : item;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= most) lines.push(`${lines.pop()} ${text}`);
    else lines.push(text);
  }
  return lines;
}

export function box(x: number, y: number, width: number, height: number, looks: string): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" class="${looks}"/>\n`;
}

/** An arrow to the right, with its point at `to`. */
export function arrow(from: number, to: number, y: number, looks: string): string {
  return (
    `<path d="M${from} ${y}H${to - 7}" class="${looks}"/>\n`
    + `<path d="M${to - 9} ${y - 5}L${to} ${y}L${to - 9} ${y + 5}z" class="${looks}"/>\n`
  );
}

/** The whole picture. */
export function picture(title: string, height: number, shapes: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"
  height="${height}" role="img">
<title>${escapeXml(title)}</title>
<style>
text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; fill: #1f2328 }
.bold { font-weight: bold } .middle { text-anchor: middle }
.small { font-size: 12.5px } .faint { fill: #59636e }
.code { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.card { fill: #ffffff; stroke: #d1d9e0 } .mine { fill: #e7f3e9; stroke: #4a9a58 }
.tesla { fill: #fdecec; stroke: #c4555b } .other { fill: #f3f4f6; stroke: #8b949e }
.secret { stroke: #b3261e; fill: #b3261e; stroke-width: 2 }
.plain { stroke: #59636e; fill: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9da7b3 }
.card { fill: #151b23; stroke: #3d444d } .mine { fill: #12261a; stroke: #3f9950 }
.tesla { fill: #2b1517; stroke: #d0666c } .other { fill: #21262d; stroke: #7d8590 }
.secret { stroke: #ff8a80; fill: #ff8a80 } .plain { stroke: #9da7b3; fill: #9da7b3 }
}
</style>
${box(0.5, 0.5, WIDTH - 1, height - 1, "card")}${shapes}</svg>
`;
}
