"""corpus_dep5.py FOLDER - seeds for fuzz_dep5 (and fuzz_notice): copyright files of each shape."""
import os
import sys

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
SEEDS = [
    HEAD + "Files: *\nCopyright: 2001 A\nLicense: GPL-2+\n\nFiles: debian/*\nCopyright: B\nLicense: MIT\n",
    HEAD + "Files: a.? \\*x\n src/*\nCopyright: 2001 A\nLicense: GPL-2 or MIT and BSD-3-clause\n text\n .\n more\n",
    HEAD + "Files: *\nLicense: GFDL-NIV-1.3+\n no invariant sections\n\nLicense: GFDL-NIV-1.3+\n with text\n",
    "Format-Specification: http://svn.debian.org/wsvn/dep/web/deps/dep5.mdwn?op=file&rev=135\n\nFiles: *\n"
    "License: other\n public domain\n",
    "SPDX-License-Identifier: GPL-2.0-or-later WITH Classpath-exception-2.0\n",
    "/* This program is free software; you can redistribute it and/or modify it under the terms of the GNU "
    "General Public License as published by the Free Software Foundation; either version 2 of the License, "
    "or (at your option) any later version. Copyright (C) 1999 Some Body */\n",
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software\n",
]
os.makedirs(sys.argv[1], exist_ok=True)
for i, seed in enumerate(SEEDS):
    with open(os.path.join(sys.argv[1], f"seed-{i}"), "w", encoding="utf-8") as f:
        f.write(seed)
