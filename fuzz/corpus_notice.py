"""corpus_notice.py FOLDER - seeds for fuzz_notice: those of corpus_dep5.py."""
import os
import runpy

runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus_dep5.py"))
