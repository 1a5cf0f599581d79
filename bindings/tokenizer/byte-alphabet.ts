/**
 * The printable character that stands for each byte in byte-level vocabularies (GPT-2's encoder.py, bytes_to_unicode): printable
 * bytes stand for themselves, the others for U+0100 and on.
 */
export function byteCharacters(): string[] {
  let other = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : other++);
  });
}

const characters = byteCharacters();
const utf8 = new TextEncoder();

/** A text with one printable character for each byte of its UTF-8. */
export function byteLevelText(text: string): string {
  let result = "";
  for (const byte of utf8.encode(text)) result += characters[byte];
  return result;
}

const byteOf = new Map(characters.map((character, byte) => [character, byte]));

/** The bytes that a token of a byte-level vocabulary stands for; of one with a character that spells no byte, its own. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = [...token].map((character) => byteOf.get(character));
  return bytes.includes(undefined) ? utf8.encode(token) : Uint8Array.from(bytes as number[]);
}
