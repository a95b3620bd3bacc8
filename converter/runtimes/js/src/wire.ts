/** How large files are as a server sends them. */

import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const GZIP_LEVEL = 9;
const BROTLI_QUALITY = 9; // the highest takes ten times as long for a percent

export interface WireSize {
  readonly raw: number;
  readonly gzip: number;
  readonly brotli: number;
}

export async function wireSize(file: string): Promise<WireSize> {
  const content = await readFile(file);
  const [zipped, brotli] = await Promise.all([
    promisify(gzip)(content, { level: GZIP_LEVEL }),
    promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
  ]);
  return { raw: content.byteLength, gzip: zipped.byteLength, brotli: brotli.byteLength };
}
