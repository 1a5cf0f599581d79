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
