/** The text of an id in a vocabulary of made-up words: a space and letters. Ids joined are the text that gives them back. */
export function wordOf(id: number): string {
  const letter = String.fromCharCode(97 + id % 26);
  return id < 26 ? ` ${letter}` : wordOf(Math.floor(id / 26) - 1) + letter;
}
