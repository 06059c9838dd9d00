#!/usr/bin/env python3
"""gen_functions.py > ../functions_table.h - the constants of functions.c, from mpmath.

erf and tanh on [1/8, limit): one polynomial of degree 11 for each interval of 1/8, in
t = x - centre: the Taylor coefficients at the centre (|t| <= 1/16, so that the first term
left out is below 2^-54 of the value). 2/pi as 32-bit words for the reduction of large
angles.
"""
from mpmath import mp, mpf, erf, tanh, pi, taylor

mp.prec = 400
DEGREE = 12


def table(name, function, limit):
    n = limit * 8
    print(f"static const double {name}[{n}][{DEGREE + 1}] = {{")
    for i in range(n):
        if i == 0:
            print("    {0},")
            continue
        c = mpf(2 * i + 1) / 16
        coefficients = taylor(function, c, DEGREE)
        print("    {" + ", ".join(float(v).hex() for v in coefficients) + "},")
    print("};\n")


print("/* functions_table.h - made by gen/gen_functions.py; do not edit. */")
print("#ifndef MATH_FUNCTIONS_TABLE_H\n#define MATH_FUNCTIONS_TABLE_H\n\n#include <stdint.h>\n")
print(f"enum {{ TABLE_DEGREE = {DEGREE} }};\n")
table("erf_table", erf, 4)
table("tanh_table", tanh, 10)
bits = int(mp.floor(mpf(2) / pi * mpf(2) ** 320))
words = [(bits >> (320 - 32 * (i + 1))) & 0xFFFFFFFF for i in range(10)]
print("/* 2/pi = 0.w0 w1 w2 … in base 2^32. */")
print("static const uint32_t two_over_pi[10] = {" + ", ".join(hex(w) for w in words) + "};\n")
print("#endif")
