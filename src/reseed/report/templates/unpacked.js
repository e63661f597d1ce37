/* What an element holds as gzip in base64, as a response: its text() or arrayBuffer(). */
async function unpacked(element) {
  "use strict";
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) bytes[i] = packed.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
