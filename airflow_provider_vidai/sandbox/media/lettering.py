"""Letters for pictures: capitals, digits and common signs, five dots wide and seven high."""

import textwrap
import unicodedata

import numpy as np
import numpy.typing as npt

CELL_WIDTH, CELL_HEIGHT = 6, 9
#: Each letter's five columns from left to right, as hex bytes; the lowest bit is the top dot.
GLYPHS = {
    " ": "0000000000",
    "!": "00005f0000",
    "#": "147f147f14",
    "%": "2313086462",
    "&": "3649552250",
    "'": "0000030000",
    "(": "001c224100",
    ")": "0041221c00",
    "+": "08083e0808",
    ",": "0050300000",
    "-": "0808080808",
    ".": "0060600000",
    "/": "2010080402",
    ":": "0036360000",
    "=": "1414141414",
    "?": "0201510906",
    "@": "3e415d510e",
    "0": "3e5149453e",
    "1": "00427f4000",
    "2": "4261514946",
    "3": "2241494936",
    "4": "1814127f10",
    "5": "2745454539",
    "6": "3e49494932",
    "7": "0171090503",
    "8": "3649494936",
    "9": "264949493e",
    "A": "7e1111117e",
    "B": "7f49494936",
    "C": "3e41414122",
    "D": "7f4141413e",
    "E": "7f49494941",
    "F": "7f09090901",
    "G": "3e4149493a",
    "H": "7f0808087f",
    "I": "00417f4100",
    "J": "2040413f01",
    "K": "7f08142241",
    "L": "7f40404040",
    "M": "7f020c027f",
    "N": "7f0408107f",
    "O": "3e4141413e",
    "P": "7f09090906",
    "Q": "3e4151215e",
    "R": "7f09192946",
    "S": "2649494932",
    "T": "01017f0101",
    "U": "3f4040403f",
    "V": "1f2040201f",
    "W": "3f4038403f",
    "X": "6314081463",
    "Y": "0304780403",
    "Z": "6151494543",
    "_": "4040404040",
}
UNKNOWN = "7f4141417f"
Mask = npt.NDArray[np.bool_]


def lettered(text: str, width: int, height: int) -> Mask:
    """Return which pixels show the text: centred, wrapped, and cut if it is too long."""
    picture = np.zeros((height, width), dtype=np.bool_)
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.upper()) if not unicodedata.combining(c))
    dot = max(1, min(width, height) // 110)
    columns, most = int(width * 0.86) // (CELL_WIDTH * dot), int(height * 0.7) // (CELL_HEIGHT * dot)
    if columns < 1 or most < 1:
        return picture
    lines = textwrap.wrap(plain, columns, max_lines=most, placeholder="..." if columns > 3 else "")
    top = (height - len(lines) * CELL_HEIGHT * dot) // 2
    for number, line in enumerate(lines):
        drawn = _line(line).repeat(dot, axis=0).repeat(dot, axis=1)
        y, x = top + number * CELL_HEIGHT * dot, (width - drawn.shape[1]) // 2
        picture[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    return picture


def _line(line: str) -> Mask:
    columns = b"".join(bytes.fromhex(GLYPHS.get(letter, UNKNOWN)) + b"\0" for letter in line)
    bits = np.frombuffer(columns, dtype=np.uint8)[None, :] >> np.arange(7, dtype=np.uint8)[:, None]
    return np.asarray(bits & 1, dtype=np.bool_)
