/** What a text has to be; one of the keys. */
export interface Constrain {
  /** One of these texts. */
  choices?: readonly string[] | undefined;
  /** Matched from its beginning to its end, as JavaScript does with the flag u. Look-around, \b, \p, back references and the flags i, m and v are refused. */
  regex?: string | RegExp | undefined;
  /** JSON that satisfies the schema. docs/CONSTRAIN.md has the keywords that are known; others are refused. */
  jsonSchema?: object | undefined;
}
