"""Words of a server's own, as they may be shown to a person."""

# A title bar, a dialog or a sentence has room for no more.
MAX_CHARACTERS = 200


def shown(text: str) -> str:
    """One line of bounded length, without what moves a cursor or breaks an encoder."""
    printable = "".join(character for character in text if character.isprintable()).strip()
    return printable[:MAX_CHARACTERS]
