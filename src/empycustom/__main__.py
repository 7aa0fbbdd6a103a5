"""``python -m empycustom`` is the command ``empycustom``."""

from empycustom.app.main import main

if __name__ == "__main__":
    raise SystemExit(main())
