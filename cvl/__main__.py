"""`python -m cvl`."""

from cvl.cli import main

if __name__ == "__main__":
    main()
