"""The normal form of a user name, as Hallpass looks it up: Unicode NFKC_Casefold."""

import re
import unicodedata

# Default_Ignorable_Code_Point of the Unicode Character Database, which Python's own tables leave out.
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def username_key(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).casefold()
    key = unicodedata.normalize("NFKC", IGNORABLE.sub("", folded))
    return key if key == name else username_key(key)
