// Unpacks the browser of @sparticuz/chromium into the folder named: the program, its libraries, and `chromium`, which starts it.
// Usage: node unpack.mjs FOLDER

import { mkdir, writeFile } from "node:fs/promises";
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";

const packed = new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url);
const folder = process.argv[2];
const unpack = (name, target) => pipeline(createReadStream(new URL(name, packed)), createBrotliDecompress(), target);

await mkdir(folder, { recursive: true });
await unpack("chromium.br", createWriteStream(join(folder, "chromium.bin"), { mode: 0o755 }));
for (const name of ["al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br"]) {
  await unpack(name, extract(folder));
}
await writeFile(join(folder, "fonts.conf"), `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="relative">fonts-cache</cachedir></fontconfig>
`);
await writeFile(join(folder, "chromium"), `#!/bin/sh
here=$(CDPATH= cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH="$here/lib:$here" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium.bin" "$@"
`, { mode: 0o755 });
