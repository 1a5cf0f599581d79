/** No GPT-2 has sizes near these; beyond them products could leave the integers that a double holds exactly. */
export const MOST_LAYERS = 4096;
export const MOST = 2 ** 24;
