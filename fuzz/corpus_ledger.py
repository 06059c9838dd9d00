"""corpus_ledger.py FOLDER - seeds for fuzz_ledger: lines of ledgers and metrics behind two bytes,
how many samples a line has and the last step that stays."""
import os
import sys

HEX = "0123456789abcdef"


def main(folder):
    os.makedirs(folder, exist_ok=True)
    chain, bits = HEX * 4, HEX
    line = f'{{"step":1,"samples":[3,1],"loss":"{bits}","norm":"{bits}","chain":"{chain}"}}'
    hashed = line.replace(',"chain"', f',"weights":"{chain}","chain"').replace(":1,", ":2,")
    first = f'{{"step":0,"weights":"{chain}","chain":"{chain}"}}'
    metric = ('{"step":1,"loss":4.5,"norm":1,"rate":0.001,"tokens":64,"seconds":0.5,'
              '"held_out_loss":4,"bits_per_byte":2.5,"sample":"a\\u0000b"}')
    for i, (n, last, text) in enumerate([
            (2, 9, line), (2, 9, hashed), (0, 0, first), (2, 1, "\n".join((first, line, hashed, ""))),
            (0, 9, metric + "\n"), (0, 9, (metric + "\n") * 3 + metric[:20])]):
        with open(os.path.join(folder, f"seed-{i}"), "wb") as f:
            f.write(bytes([n, last]) + text.encode())


main(sys.argv[1])
