"""The names that spreadsheets give to columns: A to Z, AA to XFD.  Knows no Django."""


def column_letters(index: int) -> str:
    """Return the name of a column, counted from 0."""
    letters, rest = "", index + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def column_index(letters: str) -> int:
    """Return the number of a column, counted from 0, by its name in capitals."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1
