export const KNOWN: Record<string, object>;
export const REFUSABLE: Record<string, object>;
