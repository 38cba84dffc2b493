// The languages that the server knows. The build takes them from crates/models/src/language.rs.

declare const LANGUAGES: [code: string, englishName: string][];

/** Codes and names, sorted by name. */
export const languages: [string, string][] = LANGUAGES.map(([code, name]): [string, string] => [
  code,
  name.replace(/\b\w/g, (letter) => letter.toUpperCase()),
]).sort((a, b) => a[1].localeCompare(b[1]));

/** The name of a code, or the code. */
export function languageName(code: string): string {
  return languages.find(([known]) => known === code)?.[1] ?? code;
}
