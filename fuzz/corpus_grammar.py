"""corpus_grammar.py FOLDER - seeds for fuzz_grammar: a grammar for each piece of the syntax."""
import os
import sys

SEEDS = [
    'root ::= "a" | b*\nb ::= [a-c]+ "," | "x"{2,3}\n',
    'root ::= (x (" " x)*)? # words\nx ::= [^ \\n"] [\\u00e9-\\U0001F600\\x41]{0,4} | . |\n "\\"\\\\"\n',
    'root ::= "{" ws (pair ("," ws pair)*)? "}" ws\npair ::= "\\"" [a-z]* "\\":" ws value\n'
    'value ::= root | "[" (value ("," value)*)? "]" | "true" ws\nws ::= [ \\t\\n]*\n',
    'root ::= e "=" e\ne ::= t ([-+*/] t)*\nt ::= [0-9]+ | "(" e ")"\n',
    'root ::= "a" root "b" | ""\n', 'root ::= x x x\nx ::= ("a"? "b"?)* "c"? | "a"{0,5}\n',
    'root ::= "e"* y\ny ::= "th" root | "."',
]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for i, seed in enumerate(SEEDS):
        with open(os.path.join(folder, f"seed-{i}"), "wb") as f:
            f.write(bytes([i & 1]) + seed.encode())


main(sys.argv[1])
