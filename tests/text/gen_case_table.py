#!/usr/bin/env python3
"""Writes src/text/jinja_case_table.h: the facts about letters that utf8proc does not give.

Source: the Unicode Character Database (SpecialCasing.txt, DerivedCoreProperties.txt,
DerivedNumericType.txt) as Python's unicodedata and str methods carry it; the templates'
reference is Python's own str. Run: python3 tests/text/gen_case_table.py > the header."""
import unicodedata as u

CHARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(keep):
    out = []
    for ch in CHARS:
        if keep(ch):
            c = ord(ch)
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def table(name, comment, rows):
    print(f"\n/* {comment} */\nstatic const struct jcase_range {name}[] = {{")
    line = "   "
    for a, b in rows:
        cell = f" {{{a:#x}, {b:#x}}},"
        if len(line) + len(cell) > 92:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};")


def hexes(text):
    return "{" + ", ".join(f"{ord(c):#x}" for c in text) + "}"


print(f"""/* jinja_case_table.h - letters whose case needs more than one character, and classes that
 * general categories don't tell. Made by tests/text/gen_case_table.py from Unicode
 * {u.unidata_version} (SpecialCasing.txt, DerivedCoreProperties.txt, DerivedNumericType.txt). */
#ifndef TEXT_JINJA_CASE_TABLE_H
#define TEXT_JINJA_CASE_TABLE_H

#include <stdint.h>

// clang-format off

struct jcase_row {{
    uint32_t letter, upper[3], title[3]; /* title {{0}}: its simple mapping */
}};
struct jcase_range {{
    uint32_t first, last;
}};

/* Unconditional mappings to several characters, ascending. */
static const struct jcase_row jcase_rows[] = {{""")
for ch in CHARS:
    if len(ch.upper()) > 1:
        title = hexes(ch.title()) if len(ch.title()) > 1 else "{0}"
        print(f"    {{{ord(ch):#x}, {hexes(ch.upper())}, {title}}},")
print("};")
cat = u.category
table("jcase_lower", "Lowercase beyond category Ll.",
      ranges(lambda c: c.islower() and cat(c) != "Ll"))
table("jcase_upper", "Uppercase beyond category Lu.",
      ranges(lambda c: c.isupper() and cat(c) != "Lu"))
table("jcase_digit", "Digits beyond category Nd.",
      ranges(lambda c: c.isdigit() and cat(c) != "Nd"))
table("jcase_numeric", "Numeric characters beyond categories N*.",
      ranges(lambda c: c.isnumeric() and cat(c)[0] != "N"))
print("\n#endif")
