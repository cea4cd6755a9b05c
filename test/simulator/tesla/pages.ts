// The frame of every page that the simulator shows in a browser. The pages work without scripts.

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem;
color:#171a20}
h1{font-size:1.5rem;font-weight:500} fieldset{border:1px solid #d0d1d2;border-radius:.5rem;margin:1rem 0;
padding:1rem}
label{display:block;margin:.5rem 0} input[type=text],input[type=password]{width:100%;padding:.5rem;
font:inherit;box-sizing:border-box} button{font:inherit;padding:.5rem 1.5rem;border-radius:.3rem;
border:1px solid #3e6ae1;background:#3e6ae1;color:#fff;margin-right:.5rem}
button.plain{background:#fff;color:#3e6ae1}
small{color:#5c5e62} .note{background:#f4f4f4;border-radius:.5rem;padding:.5rem 1rem}
.simulated{background:#fff3bf;color:#5c3c00;border-radius:.5rem;padding:.5rem 1rem;margin:0}`;

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

export function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated Tesla: ${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<p class="simulated"><strong>Simulated Tesla</strong>: a page from your own computer</p>
<h1>${escapeHtml(title)}</h1>
${content}
</body></html>
`;
}

export function messagePage(title: string, text: string): string {
  return page(title, `<p>${escapeHtml(text)}</p>`);
}
