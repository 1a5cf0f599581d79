export function textsFor(name: string, count: number): string[];
