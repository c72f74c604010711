"""`python -m attnlens` is the command line."""

from .cli import main

main()
