// The normal form of a user name, as Hallpass looks it up: Unicode NFKC_Casefold.

export function usernameKey(name) {
  const folded = name
    .normalize("NFKD")
    // JavaScript has no case folding. Upper and then lower case is the same, except for these characters.
    .replace(/ẞ/g, "ss")
    .replace(/[^ı\u13a0-\u13f5]/gu, (letter) => letter.toUpperCase().toLowerCase())
    .replace(/ς/g, "σ")
    .replace(/[\u13f8-\u13fd\uab70-\uabbf]/g, (letter) => letter.toUpperCase());
  const key = folded.replace(/\p{Default_Ignorable_Code_Point}/gu, "").normalize("NFKC");
  return key === name ? key : usernameKey(key);
}
