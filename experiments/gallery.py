"""The gallery's other name: ``python -m docs.gallery`` draws it."""

import runpy

if __name__ == "__main__":
    runpy.run_module("docs.gallery", run_name="__main__", alter_sys=True)
